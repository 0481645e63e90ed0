//! SQLite behind [`super::Db`].
//!
//! One thread owns the only connection that writes. It takes whatever has queued up, opens one
//! transaction, runs each piece of work in a savepoint of its own, commits once (`synchronous=FULL`:
//! one fsync for all of them) and only then answers everybody. A piece that fails or panics rolls
//! back its own savepoint and nothing else. Reads run on a few connections of their own, each on a
//! snapshot (WAL), and never wait for the writer.

use super::job::{Job, caught, job};
use super::{DbError, Engine, Tx, log, migrations};
use crate::changes::Changes;
use crate::clock::Clock;
use autocrea_protocol::{UnixMillis, UserId};
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Connections that only read.
const READERS: usize = 4;
/// The most pieces of work that one commit carries.
const GROUP: usize = 256;
const BUSY: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_millis(300);

pub(super) struct Sqlite {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    writer: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
    clock: Clock,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
}

impl Sqlite {
    pub(super) fn open(path: &Path, clock: Clock, changes: Changes) -> Result<Self, DbError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // What a savepoint may have to put back is kept in memory: in a file, which is the rule, it
        // is written several times as much as the log.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "wal_autocheckpoint", log::CHECKPOINT_PAGES)?;
        steady(&connection)?;
        connection.set_prepared_statement_cache_capacity(256);
        migrations::sqlite(&mut connection)?;

        let mut idle = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let reader = Connection::open_with_flags(path, flags)?;
            reader.busy_timeout(BUSY)?;
            steady(&reader)?;
            reader.set_prepared_statement_cache_capacity(128);
            idle.push(reader);
        }
        let (queue, jobs) = mpsc::channel();
        let writer =
            Writer { connection, clock: clock.clone(), changes, unfilled: Some(path.to_owned()) };
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writer.run(&jobs))
            .map_err(|_| DbError::Closed)?;
        Ok(Self {
            queue: Some(queue),
            writer: Some(thread),
            readers: Arc::new(Readers { idle: Mutex::new(idle), free: Semaphore::new(READERS) }),
            clock,
        })
    }

    pub(super) async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (job, answer) = job(work);
        let queued = self.queue.as_ref().is_some_and(|queue| queue.send(job).is_ok());
        if !queued {
            return Err(DbError::Closed.into());
        }
        answer.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    pub(super) async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        let Ok(permit) = readers.free.acquire().await else { return Err(DbError::Closed.into()) };
        permit.forget();
        let now = self.clock.now();
        let readers = Arc::clone(&self.readers);
        let done = tokio::task::spawn_blocking(move || readers.read(now, work));
        done.await.unwrap_or_else(|_| Err(DbError::Panicked.into()))
    }

    pub(super) async fn glance<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        match self.readers.free.try_acquire() {
            Ok(permit) => {
                permit.forget();
                self.readers.read(self.clock.now(), work)
            }
            Err(_) => self.read(work).await,
        }
    }
}

impl Readers {
    /// Reads on an idle connection; there is one for whoever has taken a permit, which is given back.
    fn read<T, E: From<DbError>>(
        &self,
        now: UnixMillis,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let connection = self.idle.lock().pop();
        let result = match &connection {
            Some(connection) => read_on(connection, Tx::new(Engine::Sqlite(connection), now), work),
            None => Err(DbError::Closed.into()),
        };
        self.idle.lock().extend(connection);
        self.free.add_permits(1);
        result
    }
}

/// Has statements prepared once: otherwise SQLite, as it is built here, plans many of them anew with
/// each set of values, a fifth of the writer's time.
fn steady(connection: &Connection) -> rusqlite::Result<bool> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
}

fn read_on<T, E: From<DbError>>(
    connection: &Connection,
    mut tx: Tx<'_>,
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let batch = |sql| connection.prepare_cached(sql)?.raw_execute();
    batch("BEGIN DEFERRED").map_err(DbError::from)?;
    let result = caught(work, &mut tx);
    batch("ROLLBACK").map_err(DbError::from)?;
    result
}

impl Drop for Sqlite {
    /// What has been queued is still written; then the file is closed. The writer goes last: only
    /// a connection that may write can fold the log back into the file.
    fn drop(&mut self) {
        self.readers.free.close();
        self.readers.idle.lock().clear();
        self.queue = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the database's writer had panicked");
        }
    }
}

struct Writer {
    connection: Connection,
    clock: Clock,
    changes: Changes,
    /// The database, until its log has been given its size.
    unfilled: Option<PathBuf>,
}

impl Writer {
    fn run(mut self, jobs: &mpsc::Receiver<Box<dyn Job>>) {
        while let Some(first) = self.next(jobs) {
            let mut group = vec![first];
            group.extend(jobs.try_iter().take(GROUP - 1));
            let outcome = self.commit(&mut group);
            let failure = match outcome {
                Ok(touched) => {
                    self.changes.signal(touched.iter());
                    None
                }
                Err(error) => {
                    tracing::error!(%error, "a group of transactions was not committed");
                    self.connection.execute_batch("ROLLBACK").ok();
                    Some(error)
                }
            };
            for job in group {
                job.answer(failure.clone());
            }
        }
    }

    /// Waits for work. The first quiet moment is used to give the log its size.
    fn next(&mut self, jobs: &mpsc::Receiver<Box<dyn Job>>) -> Option<Box<dyn Job>> {
        if self.unfilled.is_some() {
            match jobs.recv_timeout(QUIET) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(path) = self.unfilled.take()
                && let Err(error) = log::fill(&self.connection, &path)
            {
                tracing::warn!(%error, "the database's log could not be given its size");
            }
        }
        jobs.recv().ok()
    }

    fn commit(&self, group: &mut [Box<dyn Job>]) -> Result<BTreeSet<UserId>, DbError> {
        let mut touched = BTreeSet::new();
        self.batch("BEGIN IMMEDIATE")?;
        let now = self.clock.now();
        for job in group {
            self.batch("SAVEPOINT job")?;
            let mut tx = Tx::new(Engine::Sqlite(&self.connection), now);
            if job.run(&mut tx) {
                touched.append(&mut tx.touched);
            } else {
                self.batch("ROLLBACK TO job")?;
            }
            self.batch("RELEASE job")?;
        }
        self.batch("COMMIT")?;
        Ok(touched)
    }

    fn batch(&self, sql: &'static str) -> Result<(), DbError> {
        self.connection.prepare_cached(sql)?.raw_execute()?;
        Ok(())
    }
}
