//! The write-ahead log has its size from the first quiet moment on.
//!
//! A commit waits for the log to be on the disk. Where the log has been written before, that is the
//! data alone; where the file has to grow, the file system has to write down its new size as well,
//! which takes some thirty times as long (0.14 ms and 4 ms, measured on ext4). SQLite writes the
//! log from its beginning again after each checkpoint, so that it grows only once; but it starts
//! anew with each process. So it is filled up with zeros, which SQLite passes over: what follows the
//! last frame of a log is not read, whatever it is.

use super::DbError;
use rusqlite::Connection;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// After so many pages in the log they are carried over into the database, each of them once
/// however often it was written. While that is waited for the disk has less time for commits, so it
/// is not done often.
pub(super) const CHECKPOINT_PAGES: i32 = 8000;
/// What that many pages take, and what is committed while they are carried over.
const LOG_BYTES: u64 = 40 << 20;
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Fills the log of `database` up. Inside of a transaction that writes, so that nobody, of
/// another process either, appends to it meanwhile.
pub(super) fn fill(connection: &Connection, database: &Path) -> Result<(), DbError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let filled = grow(database);
    connection.execute_batch("ROLLBACK")?;
    // A full disk, most likely: commits are slower, and nothing else.
    if let Err(error) = filled {
        tracing::warn!(%error, "the database's log could not be given its size");
    }
    Ok(())
}

fn grow(database: &Path) -> io::Result<()> {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let mut log = File::options().write(true).open(log)?;
    let mut at = log.seek(SeekFrom::End(0))?;
    while at < LOG_BYTES {
        let some =
            usize::try_from(LOG_BYTES - at).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        log.write_all(&ZEROS[..some])?;
        at += some as u64;
    }
    log.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_log_loses_nothing_and_is_read_by_whoever_opens_it_after_a_crash() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("relay.db");
        let db = Connection::open(&path).expect("a database");
        db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE seen (it INTEGER)")
            .expect("a table");
        db.execute_batch("INSERT INTO seen VALUES (1)").expect("a row");
        fill(&db, &path).expect("filled");
        db.execute_batch("INSERT INTO seen VALUES (2)").expect("a row");
        // As a process that was killed leaves it: the files, and nobody who closes them.
        let left = folder.path().join("left.db");
        for end in ["", "-wal"] {
            let from = format!("{}{end}", path.display());
            std::fs::copy(from, format!("{}{end}", left.display())).expect("copied");
        }
        let size = std::fs::metadata(format!("{}-wal", left.display())).expect("a log").len();
        assert!(size >= LOG_BYTES);
        let left = Connection::open(&left).expect("a database");
        let sum = left.query_row("SELECT SUM(it) FROM seen", [], |row| row.get::<_, i64>(0));
        assert_eq!(sum.expect("a sum"), 3);
    }
}
