//! The ledger of tokens: what was granted, what is held, what was spent.
//!
//! A **lot** is one grant, with a source that makes it unique and an end. A **reservation** holds
//! the ceiling of one generation, split over lots (those that end first are taken first); it ends
//! exactly once, settled or released. Every event is an append-only **entry**. Balances are kept on
//! the person and on each lot, always in the same transaction as the entry, and the database itself
//! checks granted = available + reserved + spent + expired + revoked on every row.
//!
//! All functions take a running [`Tx`](crate::db::Tx), so that billing and generation can put them
//! into one transaction with their own rows. Deliberately not here: which plan grants how much and
//! when (billing), and how many tokens a request needs (generation).

mod figures;
mod lots;
mod page;
mod reservations;
mod verify;

pub use figures::figures;
pub use lots::{
    Grant, GrantOutcome, LotState, RevokeReason, Revoked, Spendable, end_lot, ensure_free_lot,
    expire_due, expire_due_of_all, forgive, free_source, grant, grant_by_hand, lot, revoke,
    spendable, top_up,
};
pub use page::{Cursor, page};
pub use reservations::{
    Ended, EndedOutcome, ReserveOutcome, ReserveRequest, begun_after, begun_count, open_count,
    release, release_all_open, reserve, reserve_from, settle,
};
pub use verify::{Difference, verify};

use crate::clock::month_of;
use crate::db::{DbError, Tx};
use autocrea_protocol::ledger::EntryKind;
use autocrea_protocol::{GenerationId, Tokens, UserId};

/// A change of balances, of a person or of a lot; what it adds up to is always zero.
#[derive(Clone, Copy, Debug, Default)]
struct Shift {
    granted: Tokens,
    available: Tokens,
    reserved: Tokens,
    spent: Tokens,
    expired: Tokens,
    revoked: Tokens,
}

/// Changes a person's kept balances, which they can see; answers what is available then.
fn shift_person(tx: &mut Tx<'_>, user: &UserId, by: Shift) -> Result<Tokens, DbError> {
    let grows = tx.grows(user);
    tx.query_one(
        "UPDATE people SET granted = granted + ?2, available = available + ?3,
             reserved = reserved + ?4, spent = spent + ?5, expired = expired + ?6,
             revoked = revoked + ?7, version = version + ?8
         WHERE id = ?1 RETURNING available",
        &[
            user,
            &by.granted,
            &by.available,
            &by.reserved,
            &by.spent,
            &by.expired,
            &by.revoked,
            &grows,
        ],
        |row| row.get(0),
    )
}

fn shift_lot(tx: &mut Tx<'_>, lot: i64, by: Shift) -> Result<(), DbError> {
    tx.execute(
        "UPDATE lots SET granted = granted + ?2, available = available + ?3,
             reserved = reserved + ?4, spent = spent + ?5, expired = expired + ?6,
             revoked = revoked + ?7
         WHERE id = ?1",
        &[&lot, &by.granted, &by.available, &by.reserved, &by.spent, &by.expired, &by.revoked],
    )?;
    Ok(())
}

/// What an entry says beside its person, time and number.
struct Entry<'a> {
    kind: EntryKind,
    tokens: Tokens,
    generation: Option<GenerationId>,
    source: Option<&'a str>,
    reason: Option<&'a str>,
    balance_after: Tokens,
}

fn append(tx: &mut Tx<'_>, user: &UserId, entry: &Entry<'_>) -> Result<(), DbError> {
    let id = uuid::Uuid::now_v7();
    let now = tx.now();
    tx.execute(
        "INSERT INTO entries
             (id, user_id, at, kind, tokens, generation_id, source, reason, balance_after)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        &[
            &id,
            user,
            &now,
            &entry.kind.as_str(),
            &entry.tokens,
            &entry.generation,
            &entry.source,
            &entry.reason,
            &entry.balance_after,
        ],
    )?;
    tx.touch(user)
}

/// Begins a new month in the person's figures, if one has begun; answers whether it had.
///
/// # Errors
/// If the database refuses.
pub fn roll_month(tx: &mut Tx<'_>, user: &UserId) -> Result<bool, DbError> {
    tx.hold_person(user)?;
    let month = month_of(tx.now());
    let rolled = tx.execute(
        "UPDATE people SET month = ?2, generations_count = 0 WHERE id = ?1 AND month < ?2",
        &[user, &month],
    )?;
    if rolled > 0 {
        tx.touch(user)?;
    }
    Ok(rolled > 0)
}
