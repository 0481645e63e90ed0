//! Making what [`super::fold`] decided so, in one transaction.
//!
//! Each step asks for a state, not for a change, so that doing it again does nothing: a source
//! grants once, a revocation is up to a total, an ended lot stays ended.

use super::customers;
use super::facts::Facts;
use super::fold::{FoldError, Outcome, fold};
use super::lots::{Lot, WonDispute};
use super::pricebook::PriceBook;
use crate::account;
use crate::db::{DbError, Tx};
use crate::ledger::{self, Grant, GrantOutcome, RevokeReason};
use crate::mail;
use autocrea_protocol::{Subscription, SubscriptionStatus, Tokens, UserId};
use std::collections::HashSet;

/// Why nothing was written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ApplyError {
    /// The rules refuse.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The database does.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Folds `facts` and writes what follows. The caller has stored them, or has them from what is
/// stored.
///
/// # Errors
/// [`ApplyError`]; nothing is written then.
pub fn apply(
    tx: &mut Tx<'_>,
    user: &UserId,
    customer: &str,
    facts: &Facts,
    book: &PriceBook,
) -> Result<Outcome, ApplyError> {
    tx.hold_person(user)?;
    let known = known_duplicates(tx, customer)?;
    let mut outcome = fold(facts, &known, book, tx.now())?;
    let others = other_customers(tx, user, customer, book)?;
    follow(tx, &mut outcome, &others)?;
    for subscription in &outcome.duplicates {
        remember_duplicate(tx, customer, subscription)?;
    }
    for lot in &outcome.lots {
        apply_lot(tx, user, lot)?;
    }
    for source in &outcome.withdrawn {
        ledger::revoke(tx, source, RevokeReason::Refund, Tokens(i64::MAX))?;
        ledger::end_lot(tx, source)?;
    }
    for won in &outcome.won {
        give_back(tx, user, won, &outcome.lots)?;
        take_from_given_back(tx, won, &outcome.lots)?;
    }
    customers::set_next_change(tx, customer, outcome.next_change_at)?;
    account::set_subscription(tx, user, &standing(&outcome, others))?;
    mail::subscriptions::tell(tx, user, facts, &outcome, book)?;
    Ok(outcome)
}

/// What follows from the other customers that the person is or was (one that was deleted at Stripe is
/// followed by another), the present one last. One that the rules refuse was loud when it was looked
/// at, and hinders no other.
fn other_customers(
    tx: &mut Tx<'_>,
    user: &UserId,
    customer: &str,
    book: &PriceBook,
) -> Result<Others, DbError> {
    let (now, mut others) = (tx.now(), Others::default());
    for one in customers::all_of(tx, user)? {
        if one == customer {
            others.before = others.outcomes.len();
            continue;
        }
        let Some(facts) = customers::facts_of(tx, &one)? else { continue };
        let known = known_duplicates(tx, &one)?;
        others.outcomes.extend(fold(&facts, &known, book, now));
    }
    Ok(others)
}

#[derive(Default)]
struct Others {
    outcomes: Vec<Outcome>,
    /// How many of them come before the customer in question.
    before: usize,
}

/// Ends the plan lots that a newer period follows, whichever customer paid for it.
fn follow(tx: &mut Tx<'_>, outcome: &mut Outcome, others: &Others) -> Result<(), DbError> {
    let newest = others.outcomes.iter().filter_map(|other| other.opened_at).max();
    if outcome.opened_at < newest {
        outcome.is_followed_elsewhere();
    }
    for other in others.outcomes.iter().filter(|other| other.opened_at < outcome.opened_at) {
        for lot in &other.lots {
            ledger::end_lot(tx, &lot.source)?;
        }
        for won in &other.won {
            ledger::end_lot(tx, &given_back(won))?;
        }
    }
    Ok(())
}

/// What the person is told: the subscription that is worth most now. A deleted customer still counts
/// for what was paid through it; where two are worth the same, the later customer's stands.
fn standing(here: &Outcome, others: Others) -> Subscription {
    let mut all: Vec<Subscription> =
        others.outcomes.into_iter().map(|other| other.subscription).collect();
    all.insert(others.before, here.subscription.clone());
    all.into_iter().fold(
        Subscription::none(),
        |best, one| {
            if worth(&one) >= worth(&best) { one } else { best }
        },
    )
}

/// Live before ended, in force before lapsed, anything before nothing.
fn worth(subscription: &Subscription) -> (bool, bool, bool) {
    let status = subscription.status;
    let live = status.is_some_and(|status| status != SubscriptionStatus::Canceled);
    (live, !subscription.plan_id.is_free(), status.is_some())
}

/// The same from the facts that are kept, when only the time has changed.
///
/// # Errors
/// [`ApplyError`].
pub fn apply_again(
    tx: &mut Tx<'_>,
    user: &UserId,
    customer: &str,
    book: &PriceBook,
) -> Result<(), ApplyError> {
    tx.hold_person(user)?;
    match customers::facts_of(tx, customer)? {
        Some(facts) => apply(tx, user, customer, &facts, book).map(|_| ()),
        None => Ok(customers::set_next_change(tx, customer, None)?),
    }
}

fn apply_lot(tx: &mut Tx<'_>, user: &UserId, lot: &Lot) -> Result<(), DbError> {
    let now = tx.now();
    let mut fresh = false;
    if lot.grant {
        let grant = Grant {
            user: user.clone(),
            source: lot.source.clone(),
            tokens: lot.tokens,
            // A period that Stripe has opened has begun, whatever the clocks say.
            starts_at: lot.starts_at.min(now),
            ends_at: lot.ends_at,
            plan: Some(lot.plan.clone()),
        };
        fresh = ledger::grant(tx, &grant)? == GrantOutcome::Made;
    }
    if !fresh && lot.adjust {
        adjust(tx, lot)?;
    }
    if lot.refunded > Tokens::ZERO {
        // What disputes took, they took: a refund comes on top of it.
        let up_to = lot.refunded + excess(tx, lot)? + taken_by_disputes(tx, &lot.source)?;
        ledger::revoke(tx, &lot.source, RevokeReason::Refund, up_to)?;
    }
    for dispute in &lot.contested_by {
        let taken = ledger::revoke(tx, &lot.source, RevokeReason::Dispute, Tokens(i64::MAX))?;
        remember_taking(tx, dispute, &lot.source, taken.now + taken.owed)?;
    }
    if lot.superseded || lot.ends_at <= now {
        ledger::end_lot(tx, &lot.source)?;
    }
    Ok(())
}

/// Puts right a lot whose amount has come to differ from what was granted.
fn adjust(tx: &mut Tx<'_>, lot: &Lot) -> Result<(), DbError> {
    let Some(known) = ledger::lot(tx, &lot.source)? else {
        return Ok(());
    };
    if known.granted > lot.tokens {
        let up_to = known.granted - lot.tokens + lot.refunded;
        ledger::revoke(tx, &lot.source, RevokeReason::Correction, up_to)?;
    }
    let untouched = lot.contested_by.is_empty() && !was_disputed(tx, &lot.source)?;
    let standing = known.granted - known.revoked - known.owed;
    let wanted = lot.tokens - lot.refunded;
    if untouched && standing < wanted {
        ledger::top_up(tx, &lot.source, wanted - standing)?;
    }
    Ok(())
}

/// How much more was granted than the lot should have: taken back before any refund is.
fn excess(tx: &mut Tx<'_>, lot: &Lot) -> Result<Tokens, DbError> {
    if !lot.adjust {
        return Ok(Tokens::ZERO);
    }
    let known = ledger::lot(tx, &lot.source)?;
    Ok(known.map_or(Tokens::ZERO, |known| (known.granted - lot.tokens).at_least_zero()))
}

fn known_duplicates(tx: &mut Tx<'_>, customer: &str) -> Result<HashSet<String>, DbError> {
    let all = tx.query_all(
        "SELECT id FROM duplicate_subscriptions WHERE customer = ?1",
        &[&customer],
        |row| row.get::<String>(0),
    )?;
    Ok(all.into_iter().collect())
}

fn remember_duplicate(tx: &mut Tx<'_>, customer: &str, subscription: &str) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO duplicate_subscriptions (id, customer, found_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO NOTHING",
        &[&subscription, &customer, &now],
    )?;
    Ok(())
}

/// The customer's duplicates, and whether they have been cancelled and refunded.
///
/// # Errors
/// If the database refuses.
pub fn duplicates(tx: &mut Tx<'_>, customer: &str) -> Result<Vec<(String, bool)>, DbError> {
    tx.query_all(
        "SELECT id, undone_at IS NOT NULL FROM duplicate_subscriptions WHERE customer = ?1",
        &[&customer],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Customers that have duplicates which are still to be undone.
///
/// # Errors
/// If the database refuses.
pub fn customers_with_duplicates(tx: &mut Tx<'_>) -> Result<Vec<String>, DbError> {
    tx.query_all(
        "SELECT DISTINCT customer FROM duplicate_subscriptions WHERE undone_at IS NULL",
        &[],
        |row| row.get(0),
    )
}

/// Marks a duplicate as cancelled and refunded.
///
/// # Errors
/// If the database refuses.
pub fn undone(tx: &mut Tx<'_>, subscription: &str) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute(
        "UPDATE duplicate_subscriptions SET undone_at = ?2 WHERE id = ?1",
        &[&subscription, &now],
    )?;
    Ok(())
}

fn remember_taking(
    tx: &mut Tx<'_>,
    dispute: &str,
    source: &str,
    tokens: Tokens,
) -> Result<(), DbError> {
    tx.execute(
        "INSERT INTO dispute_takings (dispute, source, tokens) VALUES (?1, ?2, ?3)
         ON CONFLICT (dispute, source) DO UPDATE SET tokens = dispute_takings.tokens + excluded.tokens",
        &[&dispute, &source, &tokens],
    )?;
    Ok(())
}

fn was_disputed(tx: &mut Tx<'_>, source: &str) -> Result<bool, DbError> {
    let found =
        tx.query_opt("SELECT 1 FROM dispute_takings WHERE source = ?1", &[&source], |_| Ok(()))?;
    Ok(found.is_some())
}

fn taken_by_disputes(tx: &mut Tx<'_>, source: &str) -> Result<Tokens, DbError> {
    tx.query_one(
        "SELECT CAST(COALESCE(SUM(tokens), 0) AS BIGINT) FROM dispute_takings WHERE source = ?1",
        &[&source],
        |row| row.get(0),
    )
}

/// From which lots a dispute took, and how much.
fn takings(tx: &mut Tx<'_>, dispute: &str) -> Result<Vec<(String, Tokens)>, DbError> {
    tx.query_all(
        "SELECT source, tokens FROM dispute_takings WHERE dispute = ?1",
        &[&dispute],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// How much of a taking was really had: what a generation was running on at the time was only owed,
/// and may have been spent since. What is owed still is let go.
fn really_taken(
    tx: &mut Tx<'_>,
    dispute: &str,
    source: &str,
    tokens: Tokens,
) -> Result<Tokens, DbError> {
    let Some(known) = ledger::lot(tx, source)? else { return Ok(Tokens::ZERO) };
    let otherwise = tx.query_one(
        "SELECT CAST(COALESCE(SUM(entries.tokens), 0) AS BIGINT) FROM entries
         JOIN lots ON lots.user_id = entries.user_id AND lots.source = entries.source
         WHERE lots.source = ?1 AND entries.kind = 'revoke'
             AND entries.reason IN ('refund', 'correction')",
        &[&source],
        |row| row.get::<Tokens>(0),
    )?;
    let had = (known.revoked - otherwise).at_least_zero().min(tokens);
    if had < tokens {
        ledger::forgive(tx, source, tokens - had)?;
        tx.execute(
            "UPDATE dispute_takings SET tokens = ?3 WHERE dispute = ?1 AND source = ?2",
            &[&dispute, &source, &had],
        )?;
    }
    Ok(had)
}

/// Takes what goes back to the card also from what a won dispute had given back: where there was
/// nothing left to be taken of a lot itself, it is there.
fn take_from_given_back(tx: &mut Tx<'_>, won: &WonDispute, lots: &[Lot]) -> Result<(), DbError> {
    let mut up_to = Tokens::ZERO;
    for (from, tokens) in takings(tx, &won.dispute)? {
        let Some(lot) = lots.iter().find(|lot| lot.source == from) else { continue };
        let Some(known) = ledger::lot(tx, &from)? else { continue };
        let wanted = lot.refunded + excess(tx, lot)?;
        let had = known.revoked + known.owed - taken_by_disputes(tx, &from)?;
        up_to += (wanted - had.at_least_zero()).at_least_zero().min(tokens);
    }
    if up_to > Tokens::ZERO {
        ledger::revoke(tx, &given_back(won), RevokeReason::Refund, up_to)?;
    }
    Ok(())
}

/// The source of the lot that a won dispute brings.
fn given_back(won: &WonDispute) -> String {
    format!("dispute_won:{}", won.dispute)
}

/// Grants again what a dispute that was won had taken, until the lots it came from end.
fn give_back(
    tx: &mut Tx<'_>,
    user: &UserId,
    won: &WonDispute,
    lots: &[Lot],
) -> Result<(), DbError> {
    let now = tx.now();
    let source = given_back(won);
    let mut grant: Option<Grant> = None;
    for (from, tokens) in takings(tx, &won.dispute)? {
        let tokens = really_taken(tx, &won.dispute, &from, tokens)?;
        let Some(lot) = lots.iter().find(|lot| lot.source == from) else { continue };
        if lot.ends_at <= now || tokens <= Tokens::ZERO {
            continue;
        }
        let grant = grant.get_or_insert_with(|| Grant {
            user: user.clone(),
            source: source.clone(),
            tokens: Tokens::ZERO,
            starts_at: now,
            ends_at: lot.ends_at,
            plan: Some(lot.plan.clone()),
        });
        grant.tokens += tokens;
        grant.ends_at = grant.ends_at.max(lot.ends_at);
    }
    if let Some(grant) = grant.filter(|_| !won.superseded) {
        ledger::grant(tx, &grant)?;
    }
    if won.superseded {
        ledger::end_lot(tx, &source)?;
    }
    Ok(())
}
