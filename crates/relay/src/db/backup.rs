//! A copy of the database while it is served.

use super::{DbError, Engine, Tx};
use crate::clock::Clock;
use crate::ledger;
use rusqlite::{Connection, OpenFlags};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file cannot be written. One that is there already is never written over.
    #[error("the copy cannot be written: {0}")]
    File(#[from] std::io::Error),
    /// The database cannot be read.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The copy does not hold together, and was removed.
    #[error("the database is damaged, and so was its copy: {0}")]
    Damaged(String),
    /// The copy is faithful, but what it is a copy of does not add up.
    #[error("the copy was kept, but its ledger has {0} difference(s): see `ledger verify`")]
    Differences(usize),
}

/// Copies an SQLite database to a file that is not there yet, as one transaction sees it, and waits
/// until it is durable; then looks it over, ledger and all. Whoever serves the database goes on meanwhile. Nobody but the owner may read
/// the copy.
///
/// # Errors
/// [`BackupError`]; half a copy, or a damaged one, is removed.
pub fn backup(database: &Path, to: &Path) -> Result<(), BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(database, flags).map_err(DbError::from)?;
    source.busy_timeout(std::time::Duration::from_secs(30)).map_err(DbError::from)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    match copy(&source, to).and_then(|()| look_over(to)) {
        Ok(0) => Ok(()),
        Ok(some) => Err(BackupError::Differences(some)),
        Err(error) => {
            std::fs::remove_file(to).ok();
            Err(error)
        }
    }
}

/// Whether the copy holds together; answers how many differences its ledger has.
fn look_over(copy: &Path) -> Result<usize, BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(copy, flags).map_err(DbError::from)?;
    let found = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0))
        .map_err(DbError::from)?;
    if found != "ok" {
        return Err(BackupError::Damaged(found));
    }
    let mut tx = Tx::new(Engine::Sqlite(&connection), Clock::system().now());
    Ok(ledger::verify(&mut tx)?.len())
}

fn copy(source: &Connection, to: &Path) -> Result<(), BackupError> {
    let name = to.to_str().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
    source.execute("VACUUM INTO ?1", [name]).map_err(DbError::from)?;
    OpenOptions::new().write(true).open(to)?.sync_all()?;
    Ok(())
}
