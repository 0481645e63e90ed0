//! The spool: what running and just ended generations have said, for whoever attaches again.
//!
//! Apart from the money: an SQLite file of its own ([`sqlite`]), or, where several replicas share a
//! PostgreSQL database, unlogged tables there ([`postgres`]), from which every replica reads what any
//! other one spooled. One thread writes: it takes whatever the running generations have that is not
//! written yet, all of them in one go, [`BEHIND`] after the first of it was said (and said on the
//! wire first), or as soon as one of them has ended and waits for it.
//!
//! Losing power, or the database, may lose some of it; a dead process does not: nobody's money
//! depends on the spool, so it does not wait for the disk.

mod chunk;
mod postgres;
mod sqlite;

use super::live::{Key, Live, Notice};
use crate::config::Database;
use crate::db::Fault;
use autocrea_protocol::{UnixMillis, UserId};
use bytes::Bytes;
use secrecy::ExposeSecret as _;
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

/// What can go wrong with it.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// SQLite's reason.
    #[error("the spool could not be used")]
    Sqlite(#[from] rusqlite::Error),
    /// PostgreSQL's reason.
    #[error("the spool could not be used: {0}")]
    Postgres(#[from] Fault),
    /// The file cannot be made or opened.
    #[error("the spool's file cannot be opened: {0}")]
    File(std::io::Error),
    /// What was to be written was not.
    #[error("the spool does not take any more")]
    Stuck,
    /// The writing thread has ended, or never began.
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

/// Where the writing thread puts it.
trait Store: Send {
    /// Writes what these have that is not written, and tells them; then when others ended.
    fn write(&mut self, dirty: &[Arc<Live>], ended: &[(Key, UnixMillis)])
    -> Result<(), SpoolError>;
    /// Notes, for other replicas, that somebody waits for the endpoint to wake.
    fn waking(&mut self, _key: &Key, _retry_in: Duration) -> Result<(), SpoolError> {
        Ok(())
    }
    /// At start: ends what a process of before has left.
    fn end_orphans(&mut self, at: UnixMillis) -> Result<(), SpoolError>;
    /// Removes what ended before `until`; says how many streams that were.
    fn sweep(&mut self, until: UnixMillis) -> Result<usize, SpoolError>;
    /// Removes what a person's generations have said.
    fn forget(&mut self, user: &UserId) -> Result<(), SpoolError>;
}

#[derive(Clone)]
enum Reader {
    Sqlite(sqlite::Reader),
    Postgres(postgres::Reader),
}

enum Job {
    Dirty(Arc<Live>),
    /// Answered once all that came before it has been tried.
    Flush(oneshot::Sender<()>),
    Ended(Key, UnixMillis),
    Waking(Key, Duration),
    /// Streams without an end are those of a process that is no more.
    Orphans(UnixMillis, oneshot::Sender<Result<(), SpoolError>>),
    Sweep(UnixMillis, oneshot::Sender<Result<usize, SpoolError>>),
    Forget(UserId, oneshot::Sender<Result<(), SpoolError>>),
}

/// The spool; cheap to clone. It is closed when the last clone is dropped.
#[derive(Clone)]
pub struct Spool {
    jobs: mpsc::Sender<Job>,
    reader: Reader,
}

impl Spool {
    /// Opens the spool that belongs to a database.
    ///
    /// # Errors
    /// If it cannot be used.
    pub fn open(database: &Database) -> Result<Self, SpoolError> {
        match database {
            Database::Sqlite(path) => {
                let mut path = path.clone().into_os_string();
                path.push("-spool");
                Self::in_file(path.as_ref())
            }
            Database::Postgres(address) => {
                let (writer, reader) = postgres::open(address.expose_secret())?;
                Self::start(writer, Reader::Postgres(reader))
            }
        }
    }

    /// A spool in a file, made if need be.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn in_file(path: &Path) -> Result<Self, SpoolError> {
        let (writer, reader) = sqlite::open(path)?;
        Self::start(writer, Reader::Sqlite(reader))
    }

    fn start(store: impl Store + 'static, reader: Reader) -> Result<Self, SpoolError> {
        let (jobs, queue) = mpsc::channel();
        std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || Writer { store }.run(&queue))
            .map_err(|_| SpoolError::Closed)?;
        Ok(Self { jobs, reader })
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
        self.dirty(live);
        let (done, answer) = oneshot::channel();
        self.jobs.send(Job::Flush(done)).map_err(|_| SpoolError::Closed)?;
        answer.await.map_err(|_| SpoolError::Closed)?;
        if live.is_spooled() { Ok(()) } else { Err(SpoolError::Stuck) }
    }

    /// Notes when a generation ended, from which its time here runs.
    pub fn ended(&self, key: Key, at: UnixMillis) {
        self.jobs.send(Job::Ended(key, at)).ok();
    }

    /// Says, to whoever follows it through another replica, that the endpoint is waking up.
    pub fn waking(&self, key: &Key, retry_in: Duration) {
        self.jobs.send(Job::Waking(key.clone(), retry_in)).ok();
    }

    /// The latest notice of the kind, if another replica has given one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn waking_of(&self, key: &Key) -> Result<Option<Notice>, SpoolError> {
        match &self.reader {
            Reader::Sqlite(_) => Ok(None),
            Reader::Postgres(reader) => reader.waking(key).await,
        }
    }

    /// At start: whatever has no end ended with the process that wrote it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn end_orphans(&self, at: UnixMillis) -> Result<(), SpoolError> {
        self.ask(|done| Job::Orphans(at, done)).await
    }

    /// Removes the streams that ended before `until`; says how many there were.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn sweep(&self, until: UnixMillis) -> Result<usize, SpoolError> {
        self.ask(|done| Job::Sweep(until, done)).await
    }

    /// Removes all that a person's generations have said.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn forget(&self, user: &UserId) -> Result<(), SpoolError> {
        self.ask(|done| Job::Forget(user.clone(), done)).await
    }

    /// Frames after `after` and up to `until`, as many as fit in a page; none if they are gone.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn read(
        &self,
        key: &Key,
        after: u64,
        until: u64,
    ) -> Result<Option<Page>, SpoolError> {
        match &self.reader {
            Reader::Sqlite(reader) => reader.read(key, after, until).await,
            Reader::Postgres(reader) => reader.read(key, after, until).await,
        }
    }

    /// The number of the last frame that is kept; 0 for none.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn last(&self, key: &Key) -> Result<u64, SpoolError> {
        match &self.reader {
            Reader::Sqlite(reader) => reader.last(key).await,
            Reader::Postgres(reader) => reader.last(key).await,
        }
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

// Sequence numbers are far below 2^63; a client's larger ones simply match nothing.
fn to_sql(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

fn from_sql(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}

struct Writer<S> {
    store: S,
}

/// What is written in one go.
#[derive(Default)]
struct Round {
    dirty: Vec<Arc<Live>>,
    ended: Vec<(Key, UnixMillis)>,
    /// Who waits for it.
    flushes: Vec<oneshot::Sender<()>>,
}

impl Round {
    /// Takes what can be written with the rest; gives any other job back.
    fn take(&mut self, job: Job) -> Option<Job> {
        match job {
            // While a write is being tried again one may have come twice.
            Job::Dirty(live) if self.dirty.iter().any(|known| Arc::ptr_eq(known, &live)) => {}
            Job::Dirty(live) => self.dirty.push(live),
            Job::Ended(key, at) => self.ended.push((key, at)),
            Job::Flush(done) => self.flushes.push(done),
            other => return Some(other),
        }
        None
    }
}

impl<S: Store> Writer<S> {
    fn run(mut self, queue: &mpsc::Receiver<Job>) {
        while let Ok(first) = queue.recv() {
            let mut round = Round::default();
            let mut other = round.take(first);
            let until = Instant::now() + BEHIND;
            // More of the same may come while the window is open; whoever waits closes it.
            while other.is_none() && round.flushes.is_empty() {
                match queue.recv_timeout(until.saturating_duration_since(Instant::now())) {
                    Ok(job) => other = round.take(job),
                    Err(_) => break,
                }
            }
            // Whatever else has come by then goes along.
            while other.is_none() {
                match queue.try_recv() {
                    Ok(job) => other = round.take(job),
                    Err(_) => break,
                }
            }
            self.write_patiently(&round);
            // Whoever asked may have gone; the work is done all the same.
            round.flushes.into_iter().for_each(|done| done.send(()).unwrap_or_default());
            if let Some(job) = other {
                self.serve(job);
            }
        }
    }

    fn serve(&mut self, job: Job) {
        match job {
            // Those are written in rounds.
            Job::Dirty(_) | Job::Ended(..) | Job::Flush(_) => {}
            Job::Waking(key, retry_in) => {
                if let Err(fault) = self.store.waking(&key, retry_in) {
                    tracing::warn!(%fault, "other replicas cannot be told that the endpoint is waking");
                }
            }
            Job::Orphans(at, done) => drop(done.send(self.store.end_orphans(at))),
            Job::Sweep(until, done) => drop(done.send(self.store.sweep(until))),
            Job::Forget(user, done) => drop(done.send(self.store.forget(&user))),
        }
    }

    /// Tries for a while; then the generations in question are told that they cannot go on.
    fn write_patiently(&mut self, round: &Round) {
        let until = Instant::now() + GIVE_UP_AFTER;
        while let Err(fault) = self.store.write(&round.dirty, &round.ended) {
            if Instant::now() >= until {
                let generations = round.dirty.len();
                tracing::error!(%fault, generations, "the spool cannot be written");
                round.dirty.iter().for_each(|live| live.spool_stuck());
                return;
            }
            std::thread::sleep(RETRY_EVERY);
        }
    }
}

#[cfg(test)]
mod tests;
