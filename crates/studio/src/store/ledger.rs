//! Table `ledger_entries`: the relay's ledger, copied by cursor, in the relay's order.

use super::StoreError;
use super::columns::{readable, uuid, word};
use crate::ipc::{LedgerRow, LedgerView};
use autocrea_protocol::ledger::{EntryKind, LedgerEntry};
use autocrea_protocol::{GenerationId, Tokens, UnixMillis, UserId};
use rusqlite::{Connection, OptionalExtension, Row, params};

const KINDS: [EntryKind; 6] = [
    EntryKind::Grant,
    EntryKind::Reserve,
    EntryKind::Settle,
    EntryKind::Release,
    EntryKind::Expire,
    EntryKind::Revoke,
];

/// The newest entry that is here: the cursor of what is missing.
pub fn cursor(db: &Connection, user: &UserId) -> Result<Option<String>, StoreError> {
    Ok(db
        .prepare_cached("SELECT ledger_after FROM accounts WHERE user_id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Adds a page, oldest first, and moves the cursor, in one. Entries that are here already are left
/// as they are: they never change. Returns how many were new.
pub fn append(
    db: &Connection,
    user: &UserId,
    entries: &[LedgerEntry],
    after: &str,
) -> Result<usize, StoreError> {
    let mut insert = db.prepare_cached(
        "INSERT INTO ledger_entries
             (user_id, id, at, kind, tokens, generation_id, source, balance_after)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (user_id, id) DO NOTHING",
    )?;
    let mut added = 0;
    for entry in entries {
        added += insert.execute(params![
            user.as_str(),
            entry.id,
            entry.at.0,
            entry.kind.as_str(),
            entry.tokens.get(),
            entry.generation_id.map(|id| id.to_string()),
            entry.source,
            entry.balance_after.get(),
        ])?;
    }
    db.prepare_cached("UPDATE accounts SET ledger_after = ?2 WHERE user_id = ?1")?
        .execute(params![user.as_str(), after])?;
    Ok(added)
}

fn read(row: &Row<'_>) -> rusqlite::Result<(i64, LedgerRow)> {
    let generation: Option<String> = row.get(5)?;
    let entry = LedgerEntry {
        id: row.get(1)?,
        at: UnixMillis(row.get(2)?),
        kind: word(row, 3, |text| KINDS.into_iter().find(|kind| kind.as_str() == text))?,
        tokens: Tokens(row.get(4)?),
        generation_id: generation.and_then(|id| id.parse::<GenerationId>().ok()),
        source: row.get(6)?,
        balance_after: Tokens(row.get(7)?),
    };
    let project_name: Option<String> = row.get(9)?;
    let project_id = if project_name.is_some() { Some(uuid(row, 8)?) } else { None };
    Ok((row.get(0)?, LedgerRow { entry, project_id, project_name }))
}

/// A page, newest first; `before` is the `next` of the page before it.
pub fn page(
    db: &Connection,
    user: &UserId,
    before: Option<&str>,
    limit: u32,
) -> Result<LedgerView, StoreError> {
    let before = before.and_then(|text| text.parse().ok()).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(
        "SELECT l.key, l.id, l.at, l.kind, l.tokens, l.generation_id, l.source, l.balance_after,
                p.id, p.name
         FROM ledger_entries l
         LEFT JOIN generations g ON g.id = l.generation_id
         LEFT JOIN projects p ON p.id = g.project_id
         WHERE l.user_id = ?1 AND l.key < ?2 ORDER BY l.key DESC LIMIT ?3",
    )?;
    let rows = readable(statement.query_map(params![user.as_str(), before, limit], read)?)?;
    let is_full = rows.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    let next = rows.last().filter(|_| is_full).map(|(key, _)| key.to_string());
    Ok(LedgerView { rows: rows.into_iter().map(|(_, row)| row).collect(), next })
}

/// What a generation cost, if the ledger's copy knows its end.
pub fn cost_of(db: &Connection, id: GenerationId) -> Result<Option<Tokens>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT CASE kind WHEN 'settle' THEN tokens ELSE 0 END FROM ledger_entries
             WHERE generation_id = ?1 AND kind IN ('settle', 'release') LIMIT 1",
        )?
        .query_row([id.to_string()], |row| row.get(0).map(Tokens))
        .optional()?)
}
