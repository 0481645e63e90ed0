//! Reservations: reserve, then settle or release, exactly once.
//!
//! Every ending is an update of an open row; whoever finds it already ended has lost and changes
//! nothing. Which lots hold how much is kept until then, so that what is given back returns to
//! where it came from, or ends there if the lot has ended meanwhile.

use super::{Entry, Shift, Spendable, append, shift_lot, shift_person, spendable};
use crate::clock::month_of;
use crate::db::{DbError, Tx};
use crate::mail;
use autocrea_protocol::ledger::EntryKind;
use autocrea_protocol::{GenerationId, Tokens, UnixMillis, UserId};

/// What a generation wants to hold.
#[derive(Clone, Debug)]
pub struct ReserveRequest {
    /// Whose.
    pub user: UserId,
    /// Which generation.
    pub generation: GenerationId,
    /// Its ceiling.
    pub tokens: Tokens,
    /// The process that runs it.
    pub lease: String,
}

/// What became of the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReserveOutcome {
    /// They are held.
    Reserved {
        /// How many.
        reserved: Tokens,
        /// What is available besides.
        remaining: Tokens,
    },
    /// There is not enough.
    TokenLimit {
        /// What there is.
        available: Tokens,
    },
    /// This generation has reserved before.
    Already,
}

/// A reservation's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// What it cost.
    pub charged: Tokens,
    /// What is available now.
    pub remaining: Tokens,
}

/// Whether this was the ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedOutcome {
    /// It was.
    Ended(Ended),
    /// It had ended before, or never was; nothing was changed.
    AlreadyEnded,
}

/// One index serves it, however long a person's history is.
const OPEN: &str = "SELECT COUNT(*) FROM reservations WHERE user_id = ?1 AND state = 'open'";

/// How many of a person's reservations are open.
///
/// # Errors
/// If the database refuses.
pub fn open_count(tx: &mut Tx<'_>, user: &UserId) -> Result<u32, DbError> {
    tx.query_one(OPEN, &[user], |row| row.get(0))
}

/// How many reservations a person made after `since`.
///
/// # Errors
/// If the database refuses.
pub fn begun_count(tx: &mut Tx<'_>, user: &UserId, since: UnixMillis) -> Result<u32, DbError> {
    tx.query_one(
        "SELECT COUNT(*) FROM reservations WHERE user_id = ?1 AND at > ?2",
        &[user, &since],
        |row| row.get(0),
    )
}

/// When the reservation was made that has `older` others between `since` and itself.
///
/// # Errors
/// If the database refuses.
pub fn begun_after(
    tx: &mut Tx<'_>,
    user: &UserId,
    since: UnixMillis,
    older: u32,
) -> Result<Option<UnixMillis>, DbError> {
    tx.query_opt(
        "SELECT at FROM reservations WHERE user_id = ?1 AND at > ?2 ORDER BY at LIMIT 1 OFFSET ?3",
        &[user, &since, &i64::from(older)],
        |row| row.get(0),
    )
}

/// Holds tokens, from the lots that end first; all of them or none.
///
/// # Errors
/// If the database refuses.
pub fn reserve(tx: &mut Tx<'_>, request: &ReserveRequest) -> Result<ReserveOutcome, DbError> {
    let from = spendable(tx, &request.user)?;
    reserve_from(tx, request, &from)
}

/// As [`reserve`], from what the person can spend as this transaction knows.
///
/// # Errors
/// If the database refuses.
pub fn reserve_from(
    tx: &mut Tx<'_>,
    request: &ReserveRequest,
    from: &Spendable,
) -> Result<ReserveOutcome, DbError> {
    let (user, tokens, now) = (&request.user, request.tokens.at_least_zero(), tx.now());
    let available = from.total();
    if available < tokens {
        let known = tx.query_opt(
            "SELECT 1 FROM reservations WHERE user_id = ?1 AND generation_id = ?2",
            &[user, &request.generation],
            |_| Ok(()),
        )?;
        return Ok(
            known.map_or(ReserveOutcome::TokenLimit { available }, |()| ReserveOutcome::Already)
        );
    }
    let made = tx.execute(
        "INSERT INTO reservations (user_id, generation_id, tokens, state, lease, at)
         VALUES (?1, ?2, ?3, 'open', ?4, ?5) ON CONFLICT (user_id, generation_id) DO NOTHING",
        &[user, &request.generation, &tokens, &request.lease, &now],
    )?;
    if made == 0 {
        return Ok(ReserveOutcome::Already);
    }
    hold(tx, request, tokens, &from.lots)?;
    let grows = tx.grows(user);
    // A new month begins with it, if need be.
    let remaining = tx.query_one(
        "UPDATE people SET available = available - ?2, reserved = reserved + ?2,
             generations_count = CASE WHEN month < ?3 THEN 1 ELSE generations_count + 1 END,
             month = CASE WHEN month < ?3 THEN ?3 ELSE month END, last_generation_at = ?4,
             version = version + ?5
         WHERE id = ?1 RETURNING available",
        &[user, &tokens, &month_of(now), &now, &grows],
        |row| row.get(0),
    )?;
    let entry = Entry {
        kind: EntryKind::Reserve,
        tokens,
        generation: Some(request.generation),
        source: None,
        reason: None,
        balance_after: remaining,
    };
    append(tx, user, &entry)?;
    Ok(ReserveOutcome::Reserved { reserved: tokens, remaining })
}

fn hold(
    tx: &mut Tx<'_>,
    request: &ReserveRequest,
    tokens: Tokens,
    lots: &[(i64, Tokens)],
) -> Result<(), DbError> {
    let mut wanted = tokens;
    for &(lot, available) in lots {
        let taken = wanted.min(available);
        if taken <= Tokens::ZERO {
            break;
        }
        let by = Shift { available: Tokens::ZERO - taken, reserved: taken, ..Shift::default() };
        shift_lot(tx, lot, by)?;
        tx.execute(
            "INSERT INTO holds (user_id, generation_id, lot_id, tokens) VALUES (?1, ?2, ?3, ?4)",
            &[&request.user, &request.generation, &lot, &taken],
        )?;
        wanted -= taken;
    }
    Ok(())
}

/// Ends a reservation with a charge, never more than what it holds; the rest is given back.
///
/// # Errors
/// If the database refuses.
pub fn settle(
    tx: &mut Tx<'_>,
    user: &UserId,
    generation: GenerationId,
    charged: Tokens,
) -> Result<EndedOutcome, DbError> {
    let outcome = end(tx, user, generation, EntryKind::Settle, charged)?;
    if let EndedOutcome::Ended(ended) = outcome {
        mail::thresholds::spent(tx, user, ended.charged)?;
    }
    Ok(outcome)
}

/// Ends a reservation without a charge: all is given back.
///
/// # Errors
/// If the database refuses.
pub fn release(
    tx: &mut Tx<'_>,
    user: &UserId,
    generation: GenerationId,
) -> Result<EndedOutcome, DbError> {
    end(tx, user, generation, EntryKind::Release, Tokens::ZERO)
}

/// Releases whatever is open: with SQLite there is one process, and when it starts nothing runs.
///
/// # Errors
/// If the database refuses.
pub fn release_all_open(tx: &mut Tx<'_>) -> Result<Vec<(UserId, GenerationId)>, DbError> {
    let open = tx.query_all(
        "SELECT user_id, generation_id FROM reservations WHERE state = 'open'",
        &[],
        |row| Ok((row.get::<UserId>(0)?, row.get::<GenerationId>(1)?)),
    )?;
    for (user, generation) in &open {
        release(tx, user, *generation)?;
    }
    Ok(open)
}

/// A part of a reservation, with its lot.
struct Hold {
    lot: i64,
    source: String,
    tokens: Tokens,
    owed: Tokens,
    live: bool,
}

fn holds(tx: &mut Tx<'_>, user: &UserId, generation: GenerationId) -> Result<Vec<Hold>, DbError> {
    tx.query_all(
        "SELECT lots.id, lots.source, holds.tokens, lots.owed, lots.ended_at IS NULL
         FROM holds JOIN lots ON lots.id = holds.lot_id
         WHERE holds.user_id = ?1 AND holds.generation_id = ?2 ORDER BY lots.ends_at, lots.id",
        &[user, &generation],
        |row| {
            Ok(Hold {
                lot: row.get(0)?,
                source: row.get(1)?,
                tokens: row.get(2)?,
                owed: row.get(3)?,
                live: row.get(4)?,
            })
        },
    )
}

/// Tokens that came back to a lot which may not keep them.
struct Lost {
    source: String,
    expired: Tokens,
    revoked: Tokens,
}

fn end(
    tx: &mut Tx<'_>,
    user: &UserId,
    generation: GenerationId,
    kind: EntryKind,
    charged: Tokens,
) -> Result<EndedOutcome, DbError> {
    tx.hold_person(user)?;
    let now = tx.now();
    let charged = charged.at_least_zero();
    let state = if kind == EntryKind::Settle { "settled" } else { "released" };
    let ended = tx.query_opt(
        "UPDATE reservations SET state = ?3, charged = CASE WHEN tokens < ?4 THEN tokens ELSE ?4 END, ended_at = ?5
         WHERE user_id = ?1 AND generation_id = ?2 AND state = 'open' RETURNING tokens, charged",
        &[user, &generation, &state, &charged, &now],
        |row| Ok((row.get::<Tokens>(0)?, row.get::<Tokens>(1)?)),
    )?;
    let Some((held, charged)) = ended else { return Ok(EndedOutcome::AlreadyEnded) };
    let lost = give_back(tx, user, generation, charged)?;
    let by = Shift {
        available: held - charged,
        reserved: Tokens::ZERO - held,
        spent: charged,
        ..Shift::default()
    };
    let mut remaining = shift_person(tx, user, by)?;
    let entry = Entry {
        kind,
        tokens: if kind == EntryKind::Settle { charged } else { held },
        generation: Some(generation),
        source: None,
        reason: None,
        balance_after: remaining,
    };
    append(tx, user, &entry)?;
    for lost in lost {
        remaining = lose(tx, user, &lost)?;
    }
    Ok(EndedOutcome::Ended(Ended { charged, remaining }))
}

/// Settles each lot's part; the charge falls on the lots that end first.
fn give_back(
    tx: &mut Tx<'_>,
    user: &UserId,
    generation: GenerationId,
    charged: Tokens,
) -> Result<Vec<Lost>, DbError> {
    let mut to_charge = charged;
    let mut lost = Vec::new();
    for hold in holds(tx, user, generation)? {
        let spent = to_charge.min(hold.tokens);
        to_charge -= spent;
        let back = hold.tokens - spent;
        let revoked = back.min(hold.owed);
        let expired = if hold.live { Tokens::ZERO } else { back - revoked };
        let by = Shift {
            available: back - revoked - expired,
            reserved: Tokens::ZERO - hold.tokens,
            spent,
            expired,
            revoked,
            ..Shift::default()
        };
        shift_lot(tx, hold.lot, by)?;
        if hold.owed > Tokens::ZERO {
            // No more can be owed than running generations still hold.
            tx.execute(
                "UPDATE lots
                 SET owed = CASE WHEN owed - ?2 < reserved THEN owed - ?2 ELSE reserved END
                 WHERE id = ?1",
                &[&hold.lot, &revoked],
            )?;
        }
        if expired + revoked > Tokens::ZERO {
            lost.push(Lost { source: hold.source, expired, revoked });
        }
    }
    tx.execute(
        "DELETE FROM holds WHERE user_id = ?1 AND generation_id = ?2",
        &[user, &generation],
    )?;
    Ok(lost)
}

/// Says what came back and was lost at once; answers what is available then.
fn lose(tx: &mut Tx<'_>, user: &UserId, lost: &Lost) -> Result<Tokens, DbError> {
    let mut available = Tokens::ZERO;
    let parts = [(EntryKind::Revoke, lost.revoked), (EntryKind::Expire, lost.expired)];
    for (kind, tokens) in parts {
        let revoked = if kind == EntryKind::Revoke { tokens } else { Tokens::ZERO };
        let by = Shift {
            available: Tokens::ZERO - tokens,
            expired: tokens - revoked,
            revoked,
            ..Shift::default()
        };
        available = shift_person(tx, user, by)?;
        if tokens > Tokens::ZERO {
            let entry = Entry {
                kind,
                tokens,
                generation: None,
                source: Some(&lost.source),
                reason: None,
                balance_after: available,
            };
            append(tx, user, &entry)?;
        }
    }
    Ok(available)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::Changes;
    use crate::clock::Clock;
    use crate::db::Db;

    #[tokio::test]
    async fn what_is_open_is_counted_without_looking_at_what_has_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("relay.db");
        let db = Db::open_sqlite(&path, Clock::system(), Changes::default()).expect("a database");
        let explain: &'static str = format!("EXPLAIN QUERY PLAN {OPEN}").leak();
        let plan = db.read(move |tx| tx.query_one(explain, &[&"ana"], |row| row.get::<String>(3)));
        let plan: Result<String, DbError> = plan.await;
        let plan = plan.expect("a plan");
        assert!(plan.contains("open_reservations_of_person"), "{plan}");
    }
}
