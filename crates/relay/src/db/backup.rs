//! A copy of the database while it is served.

use super::DbError;
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
}

/// Copies an SQLite database to a file that is not there yet, as one transaction sees it, and waits
/// until it is durable. Whoever serves the database goes on meanwhile. Nobody but the owner may read
/// the copy.
///
/// # Errors
/// [`BackupError`]; half a copy is removed.
pub fn backup(database: &Path, to: &Path) -> Result<(), BackupError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let source = Connection::open_with_flags(database, flags).map_err(DbError::from)?;
    source.busy_timeout(std::time::Duration::from_secs(30)).map_err(DbError::from)?;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    let copied = copy(&source, to);
    if copied.is_err() {
        std::fs::remove_file(to).ok();
    }
    copied
}

fn copy(source: &Connection, to: &Path) -> Result<(), BackupError> {
    let name = to.to_str().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
    source.execute("VACUUM INTO ?1", [name]).map_err(DbError::from)?;
    OpenOptions::new().write(true).open(to)?.sync_all()?;
    Ok(())
}
