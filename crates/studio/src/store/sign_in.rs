//! Table `sign_in_attempts`: erased on use, and never many.

use super::StoreError;
use autocrea_protocol::UnixMillis;
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Attempts that are kept: people press the button again.
const KEPT: u32 = 5;

/// A sign-in that was begun.
#[derive(Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Comes back with the answer.
    pub state: String,
    /// PKCE: proves that whoever exchanges the code began this.
    pub verifier: String,
    /// Where the browser was told to come back to.
    pub redirect_uri: String,
    /// Where the browser was sent.
    pub url: String,
    /// Begun.
    pub created_at: UnixMillis,
    /// Good until then.
    pub expires_at: UnixMillis,
}

impl Attempt {
    /// Whether an answer still counts. A clock that was set back by more than an attempt's life
    /// ends it too: nothing is good for longer than it was meant to be.
    #[must_use]
    pub fn is_live(&self, now: UnixMillis) -> bool {
        let life = self.expires_at.millis_since(self.created_at);
        now < self.expires_at && now.plus_millis(life) > self.created_at
    }
}

const SELECT: &str =
    "SELECT state, verifier, redirect_uri, url, created_at, expires_at FROM sign_in_attempts";

fn read(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        state: row.get(0)?,
        verifier: row.get(1)?,
        redirect_uri: row.get(2)?,
        url: row.get(3)?,
        created_at: UnixMillis(row.get(4)?),
        expires_at: UnixMillis(row.get(5)?),
    })
}

/// Keeps an attempt, and the newest few beside it.
pub fn add(db: &Connection, attempt: &Attempt) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO sign_in_attempts (state, verifier, redirect_uri, url, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        attempt.state,
        attempt.verifier,
        attempt.redirect_uri,
        attempt.url,
        attempt.created_at.0,
        attempt.expires_at.0,
    ])?;
    db.prepare_cached(
        "DELETE FROM sign_in_attempts WHERE key NOT IN (
             SELECT key FROM sign_in_attempts ORDER BY key DESC LIMIT ?1)",
    )?
    .execute([KEPT])?;
    Ok(())
}

/// Whether there is an attempt with this state.
pub fn knows(db: &Connection, state: &str) -> Result<bool, StoreError> {
    Ok(db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sign_in_attempts WHERE state = ?1)")?
        .query_row([state], |row| row.get(0))?)
}

/// Takes the attempt with this state out: whatever comes of it, the state is used.
pub fn take(db: &Connection, state: &str) -> Result<Option<Attempt>, StoreError> {
    let found = db
        .prepare_cached(&format!("{SELECT} WHERE state = ?1"))?
        .query_row([state], read)
        .optional()?;
    db.prepare_cached("DELETE FROM sign_in_attempts WHERE state = ?1")?.execute([state])?;
    Ok(found)
}

/// The newest that is live.
pub fn newest(db: &Connection, now: UnixMillis) -> Result<Option<Attempt>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{SELECT} ORDER BY key DESC"))?;
    let mut rows = statement.query_map([], read)?;
    while let Some(attempt) = rows.next().transpose()? {
        if attempt.is_live(now) {
            return Ok(Some(attempt));
        }
    }
    Ok(None)
}

/// Erases all.
pub fn clear(db: &Connection) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM sign_in_attempts")?.execute([])?;
    Ok(())
}
