//! Table `generation_pieces`, and the output that the pieces become.

use super::StoreError;
use autocrea_protocol::GenerationId;
use rusqlite::{Connection, OptionalExtension, params};

/// Continuations of continuations that are read back at most.
const LONGEST_CHAIN: usize = 64;

/// Keeps what arrived, numbered from `first` on without a gap. A piece that a second copy of the
/// app has stored already is the same piece.
pub fn append(
    db: &Connection,
    id: GenerationId,
    first: u64,
    texts: &[String],
) -> Result<(), StoreError> {
    let key = id.to_string();
    let mut insert = db.prepare_cached(
        "INSERT INTO generation_pieces (generation_id, seq, text) VALUES (?1, ?2, ?3)
         ON CONFLICT DO NOTHING",
    )?;
    let mut seq = i64::try_from(first).unwrap_or(i64::MAX);
    for text in texts {
        insert.execute(params![key, seq, text])?;
        seq = seq.saturating_add(1);
    }
    db.prepare_cached(
        "UPDATE generations SET last_seq = max(last_seq, ?2), waking = 0 WHERE id = ?1",
    )?
    .execute(params![key, seq - 1])?;
    Ok(())
}

/// What the model has said so far, in this generation alone.
pub fn said(db: &Connection, id: GenerationId) -> Result<String, StoreError> {
    let key = id.to_string();
    let output: Option<String> = db
        .prepare_cached("SELECT output FROM generations WHERE id = ?1")?
        .query_row([&key], |row| row.get(0))
        .optional()?
        .flatten();
    if let Some(output) = output {
        return Ok(output);
    }
    let mut statement = db.prepare_cached(
        "SELECT text FROM generation_pieces WHERE generation_id = ?1 ORDER BY seq",
    )?;
    let mut rows = statement.query([&key])?;
    let mut said = String::new();
    while let Some(row) = rows.next()? {
        said.push_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?);
    }
    Ok(said)
}

/// What has been said in all: by those that it goes on from, and by itself.
pub fn said_in_all(db: &Connection, id: GenerationId) -> Result<String, StoreError> {
    let mut parts = vec![said(db, id)?];
    let mut at = id;
    let mut before = db.prepare_cached("SELECT continues FROM generations WHERE id = ?1")?;
    while parts.len() < LONGEST_CHAIN {
        let previous: Option<String> =
            before.query_row([at.to_string()], |row| row.get(0)).optional()?.flatten();
        let Some(previous) = previous.and_then(|id| id.parse().ok()) else { break };
        parts.push(said(db, previous)?);
        at = previous;
    }
    parts.reverse();
    Ok(parts.concat())
}

/// The last piece that is stored.
pub fn last_seq(db: &Connection, id: GenerationId) -> Result<u64, StoreError> {
    let seq: Option<i64> = db
        .prepare_cached("SELECT last_seq FROM generations WHERE id = ?1")?
        .query_row([id.to_string()], |row| row.get(0))
        .optional()?;
    Ok(seq.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0))
}
