//! The spool: what running and just ended generations have said, for whoever attaches again.
//!
//! An SQLite file of its own beside the database, so that text never touches the file that money is
//! in, and is never in its backups. One thread writes: it takes whatever the running generations
//! have that is not on disk yet, all of them in one transaction, [`BEHIND`] after the first of it
//! was said (and said on the wire first). Deleted text is overwritten (`secure_delete`) and the
//! write-ahead log is cut to nothing after each sweep, so that what is gone is gone from the files.
//!
//! Losing power may lose the last moments of it, a dead process does not: nobody's money depends on
//! the spool, so it does not wait for the disk.

use super::live::{Key, Live};
use autocrea_protocol::{UnixMillis, UserId};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How far the spool is behind the wire: the contract allows 100 ms in all.
const BEHIND: Duration = Duration::from_millis(30);
/// How long a failing disk is tried again before generations are given up.
const GIVE_UP_AFTER: Duration = Duration::from_secs(3);
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// The most that is read for a follower at once.
const PAGE_BYTES: usize = 64 << 10;
/// Of the file's layout. A file of another layout is emptied: it holds minutes of text.
const LAYOUT: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE streams (
        id INTEGER PRIMARY KEY,
        user_id TEXT NOT NULL,
        generation_id TEXT NOT NULL,
        ended_at INTEGER,
        UNIQUE (user_id, generation_id)
    ) STRICT;
    CREATE INDEX streams_by_end ON streams (ended_at);
    CREATE TABLE pieces (
        stream_id INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
        seq INTEGER NOT NULL,
        frame BLOB NOT NULL,
        PRIMARY KEY (stream_id, seq)
    ) STRICT, WITHOUT ROWID;
";

/// What can go wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// SQLite's reason.
    #[error("the spool could not be used")]
    Sqlite(#[from] rusqlite::Error),
    /// The file cannot be made or opened.
    #[error("the spool's file cannot be opened: {0}")]
    File(std::io::Error),
    /// The writing thread has ended.
    #[error("the spool is closed")]
    Closed,
}

/// A page of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Whole frames, as they were on the wire.
    pub frames: Bytes,
    /// The number of the last of them.
    pub last: u64,
}

enum Job {
    Dirty(Arc<Live>),
    Flush(Arc<Live>, oneshot::Sender<Result<(), SpoolError>>),
    Ended(Key, UnixMillis),
    /// Streams without an end are those of a process that is no more.
    Orphans(UnixMillis, oneshot::Sender<Result<(), SpoolError>>),
    Sweep(UnixMillis, oneshot::Sender<Result<usize, SpoolError>>),
    Forget(UserId, oneshot::Sender<Result<(), SpoolError>>),
}

/// The spool; cheap to clone. The file is closed when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Spool {
    jobs: mpsc::Sender<Job>,
    reader: Arc<Mutex<Connection>>,
}

impl Spool {
    /// Opens the file, making it if need be, and starts the writing thread.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, SpoolError> {
        keep_private(path)?;
        let mut writer = connect(path)?;
        prepare(&mut writer)?;
        let reader = connect(path)?;
        let (jobs, queue) = mpsc::channel();
        std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || Writer { db: writer, log_holds_removed: false }.run(&queue))
            .map_err(|_| SpoolError::Closed)?;
        Ok(Self { jobs, reader: Arc::new(Mutex::new(reader)) })
    }

    /// Says that a generation has frames that are not in the spool.
    pub fn dirty(&self, live: &Arc<Live>) {
        if live.enqueue() {
            // A closed spool shows when the generation is flushed.
            self.jobs.send(Job::Dirty(Arc::clone(live))).ok();
        }
    }

    /// Writes what a generation still has and waits for it.
    ///
    /// # Errors
    /// If that does not succeed within a few seconds.
    pub async fn flush(&self, live: &Arc<Live>) -> Result<(), SpoolError> {
        self.ask(|done| Job::Flush(Arc::clone(live), done)).await
    }

    /// Notes when a generation ended, from which its time here runs.
    pub fn ended(&self, key: Key, at: UnixMillis) {
        self.jobs.send(Job::Ended(key, at)).ok();
    }

    /// At start: whatever has no end ended with the process that wrote it.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub async fn end_orphans(&self, at: UnixMillis) -> Result<(), SpoolError> {
        self.ask(|done| Job::Orphans(at, done)).await
    }

    /// Removes the streams that ended before `until`; says how many there were.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub async fn sweep(&self, until: UnixMillis) -> Result<usize, SpoolError> {
        self.ask(|done| Job::Sweep(until, done)).await
    }

    /// Removes all that a person's generations have said.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub async fn forget(&self, user: &UserId) -> Result<(), SpoolError> {
        self.ask(|done| Job::Forget(user.clone(), done)).await
    }

    /// Frames after `after` and up to `until`, as many as fit in a page; none if they are gone.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn read(
        &self,
        key: &Key,
        after: u64,
        until: u64,
    ) -> Result<Option<Page>, SpoolError> {
        let (reader, key) = (Arc::clone(&self.reader), key.clone());
        tokio::task::spawn_blocking(move || read_page(&reader.lock(), &key, after, until))
            .await
            .map_err(|_| SpoolError::Closed)?
    }

    /// The number of the last frame that is kept; 0 for none.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub async fn last(&self, key: &Key) -> Result<u64, SpoolError> {
        let (reader, key) = (Arc::clone(&self.reader), key.clone());
        let last = tokio::task::spawn_blocking(move || {
            reader.lock().query_row(
                "SELECT coalesce(max(seq), 0) FROM pieces JOIN streams ON streams.id = stream_id
                 WHERE user_id = ?1 AND generation_id = ?2",
                params![key.user.as_str(), key.generation.to_string()],
                |row| row.get::<_, i64>(0),
            )
        });
        Ok(from_sql(last.await.map_err(|_| SpoolError::Closed)??))
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, SpoolError>>) -> Job,
    ) -> Result<T, SpoolError> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(job(done)).map_err(|_| SpoolError::Closed)?;
        answer.await.map_err(|_| SpoolError::Closed)?
    }
}

/// Makes the file, if need be, readable to its owner alone; SQLite gives its log the same rights.
fn keep_private(path: &Path) -> Result<(), SpoolError> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(SpoolError::File)
}

fn connect(path: &Path) -> Result<Connection, SpoolError> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;",
    )?;
    Ok(db)
}

fn prepare(db: &mut Connection) -> Result<(), SpoolError> {
    let layout: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if layout != LAYOUT {
        let tx = db.transaction()?;
        tx.execute_batch("DROP TABLE IF EXISTS pieces; DROP TABLE IF EXISTS streams;")?;
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "user_version", LAYOUT)?;
        tx.commit()?;
    }
    Ok(())
}

fn read_page(
    db: &Connection,
    key: &Key,
    after: u64,
    until: u64,
) -> Result<Option<Page>, SpoolError> {
    let mut statement = db.prepare_cached(
        "SELECT seq, frame FROM pieces JOIN streams ON streams.id = stream_id
         WHERE user_id = ?1 AND generation_id = ?2 AND seq > ?3 AND seq <= ?4 ORDER BY seq",
    )?;
    let generation = key.generation.to_string();
    let mut rows =
        statement.query(params![key.user.as_str(), generation, to_sql(after), to_sql(until)])?;
    let (mut frames, mut last) = (BytesMut::new(), after);
    while let Some(row) = rows.next()? {
        let seq = from_sql(row.get(0)?);
        // A gap would be passed on as text that is silently missing.
        if seq != last + 1 {
            break;
        }
        frames.extend_from_slice(&row.get::<_, Vec<u8>>(1)?);
        last = seq;
        if frames.len() >= PAGE_BYTES {
            break;
        }
    }
    Ok((last > after).then(|| Page { frames: frames.freeze(), last }))
}

// Sequence numbers are far below 2^63; a client's larger ones simply match nothing.
fn to_sql(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn from_sql(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}

struct Writer {
    db: Connection,
    /// Removed text is still in the write-ahead log, because a reader was in the way.
    log_holds_removed: bool,
}

impl Writer {
    fn run(mut self, queue: &mpsc::Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let mut dirty = Vec::new();
            let mut next = Self::take(first, &mut dirty);
            let until = Instant::now() + BEHIND;
            // More of the same may come while the window is open; anything else closes it.
            while next.is_none() {
                match queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(job) => next = Self::take(job, &mut dirty),
                    Err(_) => break,
                }
            }
            if let Some(Job::Flush(live, _)) = &next {
                dirty.push(Arc::clone(live));
            }
            let written = self.write_patiently(&dirty);
            if let Some(job) = next {
                self.serve(job, written);
            }
        }
    }

    /// Puts a dirty generation aside; gives any other job back.
    fn take(job: Job, dirty: &mut Vec<Arc<Live>>) -> Option<Job> {
        match job {
            Job::Dirty(live) => {
                dirty.push(live);
                None
            }
            other => Some(other),
        }
    }

    fn serve(&mut self, job: Job, written: Result<(), SpoolError>) {
        // Whoever asked may have gone; the work is done all the same.
        match job {
            Job::Dirty(_) => {}
            Job::Flush(_, done) => drop(done.send(written)),
            Job::Ended(key, at) => {
                let noted = self.db.execute(
                    "UPDATE streams SET ended_at = ?3 WHERE user_id = ?1 AND generation_id = ?2",
                    params![key.user.as_str(), key.generation.to_string(), at.0],
                );
                if let Err(fault) = noted {
                    tracing::error!(%fault, "the spool could not note an end");
                }
            }
            Job::Orphans(at, done) => {
                let ended = self
                    .db
                    .execute("UPDATE streams SET ended_at = ?1 WHERE ended_at IS NULL", [at.0]);
                drop(done.send(ended.map(drop).map_err(SpoolError::from)));
            }
            Job::Sweep(until, done) => {
                drop(done.send(self.remove("ended_at <= ?1", &until.0)));
            }
            Job::Forget(user, done) => {
                drop(done.send(self.remove("user_id = ?1", &user.as_str()).map(drop)));
            }
        }
    }

    /// Tries for a while; then the generations in question are told that they cannot go on.
    fn write_patiently(&mut self, dirty: &[Arc<Live>]) -> Result<(), SpoolError> {
        let until = Instant::now() + GIVE_UP_AFTER;
        loop {
            match self.write(dirty) {
                Ok(()) => return Ok(()),
                Err(fault) if Instant::now() >= until => {
                    tracing::error!(%fault, generations = dirty.len(), "the spool cannot be written");
                    dirty.iter().for_each(|live| live.spool_stuck());
                    return Err(fault);
                }
                Err(_) => std::thread::sleep(RETRY_EVERY),
            }
        }
    }

    fn write(&mut self, dirty: &[Arc<Live>]) -> Result<(), SpoolError> {
        let tx = self.db.transaction()?;
        let mut written = Vec::with_capacity(dirty.len());
        for live in dirty {
            let frames = live.unspooled();
            let Some((last, _)) = frames.last() else { continue };
            let last = *last;
            let stream = stream_of(&tx, &live.key)?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO pieces (stream_id, seq, frame) VALUES (?1, ?2, ?3)
                 ON CONFLICT (stream_id, seq) DO NOTHING",
            )?;
            for (seq, frame) in &frames {
                insert.execute(params![stream, to_sql(*seq), &frame[..]])?;
            }
            written.push((live, last));
        }
        tx.commit()?;
        for (live, last) in written {
            live.spooled(last);
        }
        Ok(())
    }

    fn remove(
        &mut self,
        which: &'static str,
        parameter: &dyn rusqlite::ToSql,
    ) -> Result<usize, SpoolError> {
        let removed =
            self.db.execute(&format!("DELETE FROM streams WHERE {which}"), [parameter])?;
        if removed > 0 || self.log_holds_removed {
            let busy: bool =
                self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            self.log_holds_removed = busy;
        }
        Ok(removed)
    }
}

fn stream_of(tx: &Transaction<'_>, key: &Key) -> Result<i64, SpoolError> {
    let generation = key.generation.to_string();
    let known = tx
        .prepare_cached("SELECT id FROM streams WHERE user_id = ?1 AND generation_id = ?2")?
        .query_row(params![key.user.as_str(), generation], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    tx.execute(
        "INSERT INTO streams (user_id, generation_id) VALUES (?1, ?2)",
        params![key.user.as_str(), generation],
    )?;
    Ok(tx.last_insert_rowid())
}

#[cfg(test)]
mod tests;
