//! The ledger as its person reads it, oldest first.

use crate::db::{DbError, Row, Tx};
use autocrea_protocol::UserId;
use autocrea_protocol::ledger::{EntryKind, LedgerEntry, LedgerPage};
use uuid::Uuid;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// At the first entry.
    Start,
    /// After this one.
    After(Uuid),
}

/// A page of at most `limit` entries; `None` if the cursor is no entry of this person.
///
/// # Errors
/// If the database refuses.
pub fn page(
    tx: &mut Tx<'_>,
    user: &UserId,
    cursor: Cursor,
    limit: u32,
) -> Result<Option<LedgerPage>, DbError> {
    let after = match cursor {
        Cursor::Start => 0,
        Cursor::After(id) => {
            let seq = tx.query_opt(
                "SELECT seq FROM entries WHERE id = ?1 AND user_id = ?2",
                &[&id, user],
                |row| row.get::<i64>(0),
            )?;
            match seq {
                Some(seq) => seq,
                None => return Ok(None),
            }
        }
    };
    let one_more = limit.saturating_add(1);
    let mut entries = tx.query_all(
        "SELECT id, at, kind, tokens, generation_id, source, balance_after FROM entries
         WHERE user_id = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
        &[user, &after, &one_more],
        entry,
    )?;
    let more = entries.len() > limit as usize;
    entries.truncate(limit as usize);
    let next = if more { entries.last().map(|entry| entry.id.clone()) } else { None };
    Ok(Some(LedgerPage { entries, next }))
}

fn entry(row: &Row<'_>) -> Result<LedgerEntry, DbError> {
    Ok(LedgerEntry {
        id: row.get(0)?,
        at: row.get(1)?,
        kind: kind(&row.get::<String>(2)?)?,
        tokens: row.get(3)?,
        generation_id: row.get(4)?,
        source: row.get(5)?,
        balance_after: row.get(6)?,
    })
}

fn kind(word: &str) -> Result<EntryKind, DbError> {
    [
        EntryKind::Grant,
        EntryKind::Reserve,
        EntryKind::Settle,
        EntryKind::Release,
        EntryKind::Expire,
        EntryKind::Revoke,
    ]
    .into_iter()
    .find(|kind| kind.as_str() == word)
    .ok_or(DbError::Column { index: 2, expected: "a kind of entry" })
}
