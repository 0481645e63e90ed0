//! Tokens that run out: told when what is used crosses a half, four fifths and all of the limit.
//!
//! Asked in the transaction that settles, so that the crossing cannot be missed nor seen twice.
//!
//! All of the limit is used when what is left is too little to begin another answer
//! ([`LEAST_OUTPUT`]): those last tokens can never be spent, and whoever is refused from now on would
//! otherwise never be told why.

use super::news::{News, Share};
use super::outbox;
use crate::ceiling::LEAST_OUTPUT;
use crate::clock::month_of;
use crate::db::{DbError, Tx};
use autocrea_protocol::{PlanId, Tokens, UnixMillis, UserId};

const DAY_MILLIS: i64 = 24 * 3_600_000;

/// A lot that is live.
struct Lot {
    source: String,
    plan: Option<PlanId>,
    spent: Tokens,
    held: Tokens,
    ends_at: UnixMillis,
}

/// Tells of the highest share that a charge has crossed, once a plan lot. Somebody on the free plan
/// who has none left is shown a plan a day later, once a month.
///
/// # Errors
/// If the database refuses.
pub fn spent(tx: &mut Tx<'_>, user: &UserId, charged: Tokens) -> Result<(), DbError> {
    if charged <= Tokens::ZERO {
        return Ok(());
    }
    // The figures of the snapshot, before and after: a settlement changes no limit.
    let lots = tx.query_all(
        "SELECT source, plan_id, spent, reserved + available, ends_at FROM lots
         WHERE user_id = ?1 AND ended_at IS NULL ORDER BY starts_at, id",
        &[user],
        |row| {
            Ok(Lot {
                source: row.get(0)?,
                plan: row.get(1)?,
                spent: row.get(2)?,
                held: row.get(3)?,
                ends_at: row.get(4)?,
            })
        },
    )?;
    let used: Tokens = lots.iter().map(|lot| lot.spent).sum();
    let limit = used + lots.iter().map(|lot| lot.held).sum();
    let Some(share) = crossed(used - charged, used, limit) else { return Ok(()) };
    let newest = lots.into_iter().rev().find_map(|lot| Some((lot.plan?, lot.source, lot.ends_at)));
    let Some((plan, source, ends_at)) = newest else { return Ok(()) };
    if told_of_more(tx, user, share, &source)? {
        return Ok(());
    }
    let now = tx.now();
    let news = News::Tokens { share, plan, used, limit, ends_at };
    let told = outbox::put(tx, user, &news, &source, now)?;
    if told && share == Share::All && is_on_free(tx, user)? {
        let due = now.plus_millis(DAY_MILLIS);
        outbox::put(tx, user, &News::Upgrade, &month_of(due), due)?;
    }
    Ok(())
}

/// The highest share that lies between the two.
fn crossed(before: Tokens, after: Tokens, limit: Tokens) -> Option<Share> {
    let reached = |used: Tokens, share: Share| {
        let none_to_spend = share == Share::All && limit - used < LEAST_OUTPUT;
        let part = i128::from(limit.get()) * i128::from(share.percent());
        none_to_spend || i128::from(used.get()) * 100 >= part
    };
    let crossed = |share: &Share| !reached(before, *share) && reached(after, *share);
    Share::EACH.into_iter().rev().find(crossed).filter(|_| limit > Tokens::ZERO)
}

/// Whether they have been told of a higher share of the same lot: what is topped up later does not
/// make a lower one news again.
fn told_of_more(
    tx: &mut Tx<'_>,
    user: &UserId,
    share: Share,
    source: &str,
) -> Result<bool, DbError> {
    if share == Share::All {
        return Ok(false);
    }
    let found = tx.query_opt(
        "SELECT 1 FROM mails WHERE user_id = ?1 AND about = ?2 AND kind IN ('tokens_100', ?3)",
        &[user, &source, &if share == Share::Half { "tokens_80" } else { "tokens_100" }],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

fn is_on_free(tx: &mut Tx<'_>, user: &UserId) -> Result<bool, DbError> {
    let plan = tx.query_opt("SELECT plan_id FROM people WHERE id = ?1", &[user], |row| {
        row.get::<PlanId>(0)
    })?;
    Ok(plan.is_some_and(|plan| plan.is_free()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_of_the_shares_that_are_crossed_is_told() {
        let crossed = |before, after| crossed(Tokens(before), Tokens(after), Tokens(10_000));
        assert_eq!(crossed(0, 4_999), None);
        assert_eq!(crossed(4_999, 5_000), Some(Share::Half));
        assert_eq!(crossed(5_000, 7_999), None);
        assert_eq!(crossed(0, 8_000), Some(Share::Most));
        assert_eq!(crossed(100, 10_000), Some(Share::All));
        assert_eq!(crossed(10_000, 10_000), None);
    }

    #[test]
    fn what_is_too_little_for_another_answer_counts_as_used() {
        let crossed = |before, after| crossed(Tokens(before), Tokens(after), Tokens(10_000));
        assert_eq!(crossed(9_000, 9_744), None, "256 are left");
        assert_eq!(crossed(9_744, 9_745), Some(Share::All));
        assert_eq!(crossed(9_745, 10_000), None, "told already");
    }

    #[test]
    fn of_nothing_no_share_is_used() {
        assert_eq!(crossed(Tokens(0), Tokens(0), Tokens(0)), None);
        assert_eq!(crossed(Tokens(-5), Tokens(0), Tokens(0)), None);
    }
}
