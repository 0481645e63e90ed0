//! When a relay's SQLite file was committed to, seen by another process: this one.
//!
//! A thread asks again and again, some 80 µs apart, whether what it can read has changed. Of each
//! commit it keeps the last moment at which that was not to be seen yet, so that what is counted from
//! there is rather too long than too short.

use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The system makes some 80 µs of it.
const BETWEEN: Duration = Duration::from_micros(20);

/// A database that is watched until this is dropped.
#[derive(Debug)]
pub struct Commits {
    seen: Arc<Mutex<Vec<Commit>>>,
    over: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug)]
struct Commit {
    /// It was not to be seen yet.
    not_yet: Instant,
    /// It was.
    seen: Instant,
}

impl Commits {
    /// Watches a database file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(file: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(file, flags).context("the relay's database")?;
        let known = version(&db)?;
        let watched = Self { seen: Arc::default(), over: Arc::default() };
        let (seen, over) = (Arc::clone(&watched.seen), Arc::clone(&watched.over));
        std::thread::spawn(move || watch(&db, known, &seen, &over));
        Ok(watched)
    }

    /// The last moment at which the first commit since `began` was not to be seen yet; forgets what
    /// it has seen.
    ///
    /// # Errors
    /// If nothing was committed.
    pub fn first_since(&self, began: Instant) -> Result<Instant> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        let first = seen.into_iter().find(|commit| commit.seen > began);
        first.map(|commit| commit.not_yet.max(began)).context("no commit was seen")
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn watch(db: &Connection, mut known: i64, seen: &Mutex<Vec<Commit>>, over: &AtomicBool) {
    let mut not_yet = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let Ok(now) = version(db) else { return };
        if now != known {
            known = now;
            let commit = Commit { not_yet, seen: Instant::now() };
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(commit);
        }
        not_yet = asked;
        std::thread::sleep(BETWEEN);
    }
}

/// Changes with every commit of another connection.
fn version(db: &Connection) -> Result<i64> {
    Ok(db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_seen_after_it_was_begun_and_before_it_is_asked_for() {
        let folder = std::env::temp_dir().join(format!("commits-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("some.db");
        let db = Connection::open(&file).expect("a database");
        db.pragma_update(None, "journal_mode", "WAL").expect("a log");
        db.execute_batch("CREATE TABLE t (x)").expect("a table");
        let commits = Commits::of(&file).expect("readable");
        let began = Instant::now();
        assert!(commits.first_since(began).is_err());
        db.execute_batch("INSERT INTO t VALUES (1)").expect("a row");
        let committed = Instant::now();
        std::thread::sleep(Duration::from_millis(50));
        let at = commits.first_since(began).expect("it was seen");
        assert!(began <= at && at <= committed);
        assert!(commits.first_since(began).is_err());
        drop((commits, db));
        std::fs::remove_dir_all(folder).expect("it can be removed");
    }
}
