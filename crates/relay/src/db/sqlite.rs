//! SQLite behind [`super::Db`].
//!
//! There is one connection that writes. A thread takes whatever has queued up for it, opens one
//! transaction, runs each piece of work in a savepoint of its own, commits once (`synchronous=FULL`:
//! one fsync for all of them) and only then answers everybody. A piece that fails or panics rolls
//! back its own savepoint and nothing else. While nobody else writes and the disk is quick, whoever
//! has a few rows to write does the same where they are ([`Sqlite::jot`]): handing them to the thread
//! and back takes as long as the commit. Reads run on a few connections of their own, each on a snapshot (WAL), and
//! never wait for the writer.

use super::checkpoint::Bell;
use super::job::{Job, caught, job};
use super::{DbError, Engine, Tx, keep_private, log, migrations};
use crate::changes::Changes;
use crate::clock::Clock;
use autocrea_protocol::{UnixMillis, UserId};
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Connections that only read.
const READERS: usize = 4;
/// The most pieces of work that one commit carries.
const GROUP: usize = 256;
const BUSY: Duration = Duration::from_secs(10);
/// For what can as well be done another time.
const SHORT: Duration = Duration::from_millis(200);
const QUIET: Duration = Duration::from_millis(300);
/// A commit that takes no longer may be made on a thread that has other things to do.
const QUICK: Duration = Duration::from_millis(1);
/// Work that comes closer behind a commit is better done with what else comes then.
const APART: Duration = Duration::from_micros(100);

pub(super) struct Sqlite {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    shared: Option<Arc<Shared>>,
    writing: Option<JoinHandle<()>>,
    checkpointing: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
    clock: Clock,
    path: PathBuf,
    /// The log still holds what has been deleted from the database.
    unclean: AtomicBool,
}

/// What those who write have in common.
struct Shared {
    writer: Arc<Mutex<Writer>>,
    /// Pieces of work that are on their way to the thread, or with it.
    queued: AtomicUsize,
}

struct Readers {
    idle: Mutex<Vec<Connection>>,
    free: Semaphore,
}

impl Sqlite {
    pub(super) fn open(path: &Path, clock: Clock, changes: Changes) -> Result<Self, DbError> {
        // What is wrong with the file is said by SQLite.
        keep_private(path).ok();
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        // Of whoever has left nothing is to be read in the file.
        connection.pragma_update(None, "secure_delete", "ON")?;
        // What a savepoint may have to put back is kept in memory: in a file, which is the rule, it
        // is written several times as much as the log.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        steady(&connection)?;
        connection.set_prepared_statement_cache_capacity(256);
        migrations::sqlite(&mut connection)?;
        let bell = Bell::of(&mut connection)?;
        let checkpointer = Connection::open(path)?;
        checkpointer.busy_timeout(BUSY)?;

        let mut idle = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let reader = Connection::open_with_flags(path, flags)?;
            reader.busy_timeout(BUSY)?;
            steady(&reader)?;
            reader.set_prepared_statement_cache_capacity(128);
            idle.push(reader);
        }
        let writer = Writer { connection, clock: clock.clone(), changes, calm_since: None };
        let writer = Arc::new(Mutex::new(writer));
        let checkpointing = bell.answer(checkpointer, &writer)?;
        let shared = Arc::new(Shared { writer, queued: AtomicUsize::new(0) });
        let (queue, jobs) = mpsc::channel();
        let (of_thread, unfilled) = (Arc::clone(&shared), path.to_owned());
        let writing = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || of_thread.run(&jobs, unfilled))
            .map_err(|_| DbError::Closed)?;
        Ok(Self {
            queue: Some(queue),
            shared: Some(shared),
            writing: Some(writing),
            checkpointing: Some(checkpointing),
            readers: Arc::new(Readers { idle: Mutex::new(idle), free: Semaphore::new(READERS) }),
            clock,
            path: path.to_owned(),
            unclean: AtomicBool::new(false),
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
        self.order(job);
        answer.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    pub(super) async fn jot<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (job, answer) = job(work);
        if let Some(job) = self.shared.as_ref().and_then(|shared| shared.at_once(job)) {
            self.order(job);
        }
        answer.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    /// Queues a piece of work; in a database that is closed it is dropped, and its answer with it.
    fn order(&self, job: Box<dyn Job>) {
        if let (Some(shared), Some(queue)) = (&self.shared, &self.queue) {
            shared.queued.fetch_add(1, Ordering::Relaxed);
            queue.send(job).ok();
        }
    }

    pub(super) fn erased(&self) {
        self.unclean.store(true, Ordering::Relaxed);
    }

    pub(super) async fn clean(&self) -> Result<(), DbError> {
        let Some(shared) = self.shared.clone() else { return Err(DbError::Closed) };
        if !self.unclean.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        let path = self.path.clone();
        let cleaned = tokio::task::spawn_blocking(move || shared.writer.lock().empty_log(&path));
        let cleaned = cleaned.await.unwrap_or(Err(DbError::Panicked));
        self.unclean.fetch_or(!matches!(cleaned, Ok(true)), Ordering::Relaxed);
        cleaned.map(|_| ())
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
    /// What has been queued is still written; then the file is closed. Those who read go first:
    /// only a connection that may write can fold the log back into the file.
    fn drop(&mut self) {
        self.readers.free.close();
        self.readers.idle.lock().clear();
        self.queue = None;
        let writing = self.writing.take().map_or(Ok(()), JoinHandle::join);
        if let Some(shared) = &self.shared {
            Bell::silence(&mut shared.writer.lock().connection);
        }
        let checkpointing = self.checkpointing.take().map_or(Ok(()), JoinHandle::join);
        // Last and alone: of two that close at once neither would fold the log.
        self.shared = None;
        if writing.and(checkpointing).is_err() {
            tracing::error!("a thread of the database's had panicked");
        }
    }
}

impl Shared {
    /// Does a piece of work here and now if it is a matter of a moment; gives it back otherwise.
    fn at_once(&self, job: Box<dyn Job>) -> Option<Box<dyn Job>> {
        let idle = self.queued.load(Ordering::Relaxed) == 0;
        let Some(mut writer) = idle.then(|| self.writer.try_lock()).flatten() else {
            return Some(job);
        };
        // Another process (a command) may be writing, for as long as it likes.
        if !writer.is_calm() || !writer.begins_at_once() {
            return Some(job);
        }
        writer.serve(Ok(()), vec![job]);
        None
    }

    /// Serves the queue until it is closed. `unfilled`: the database, whose log has not been given
    /// its size yet.
    fn run(&self, jobs: &mpsc::Receiver<Box<dyn Job>>, unfilled: PathBuf) {
        let mut unfilled = Some(unfilled);
        while let Some(first) = self.next(jobs, &mut unfilled) {
            let mut writer = self.writer.lock();
            let mut group = vec![first];
            group.extend(jobs.try_iter().take(GROUP - 1));
            let taken = group.len();
            let begun = writer.begin();
            writer.serve(begun, group);
            self.queued.fetch_sub(taken, Ordering::Relaxed);
        }
    }

    /// Waits for work. The first quiet moment is used to give the log its size.
    fn next(
        &self,
        jobs: &mpsc::Receiver<Box<dyn Job>>,
        unfilled: &mut Option<PathBuf>,
    ) -> Option<Box<dyn Job>> {
        if unfilled.is_some() {
            match jobs.recv_timeout(QUIET) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let Some(path) = unfilled.take()
                && let Err(error) = log::fill(&self.writer.lock().connection, &path)
            {
                tracing::warn!(%error, "the database's log could not be given its size");
            }
        }
        jobs.recv().ok()
    }
}

/// The connection that writes.
pub(super) struct Writer {
    connection: Connection,
    clock: Clock,
    changes: Changes,
    /// When the last commit ended, if that was quick and of one piece of work.
    calm_since: Option<Instant>,
}

impl Writer {
    /// Whether nobody seems to be about to write as well, and the disk is quick.
    fn is_calm(&self) -> bool {
        self.calm_since.is_some_and(|since| since.elapsed() >= APART)
    }

    /// Carries over all of the log and begins it anew with nothing in it; false if somebody who reads
    /// is in the way.
    fn empty_log(&self, database: &Path) -> Result<bool, DbError> {
        self.connection.busy_timeout(SHORT)?;
        let emptied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        self.connection.busy_timeout(BUSY)?;
        let emptied = !emptied?;
        if emptied {
            log::fill(&self.connection, database)?;
        }
        Ok(emptied)
    }

    fn begin(&self) -> Result<(), DbError> {
        self.batch("BEGIN IMMEDIATE")
    }

    /// Begins a transaction unless somebody else's would have to be waited for.
    fn begins_at_once(&self) -> bool {
        let impatient = self.connection.busy_timeout(Duration::ZERO).is_ok();
        let begun = impatient && self.begin().is_ok();
        self.connection.busy_timeout(BUSY).is_ok() && begun
    }

    /// Does all of it in the transaction that has begun, commits, and answers.
    fn serve(&mut self, begun: Result<(), DbError>, mut group: Vec<Box<dyn Job>>) {
        let (alone, began) = (group.len() == 1, Instant::now());
        let failure = match begun.and_then(|()| self.commit(&mut group)) {
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
        self.calm_since = (alone && began.elapsed() < QUICK).then(Instant::now);
    }

    fn commit(&self, group: &mut [Box<dyn Job>]) -> Result<BTreeSet<UserId>, DbError> {
        let mut touched = BTreeSet::new();
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::ThreadId;

    async fn open(folder: &tempfile::TempDir) -> Sqlite {
        let path = folder.path().join("relay.db");
        let db = Sqlite::open(&path, Clock::system(), Changes::default()).expect("a database");
        run(&db, "CREATE TABLE seen (it BLOB)").await;
        db
    }

    async fn run(db: &Sqlite, sql: &'static str) -> ThreadId {
        let ran = db.jot(move |tx| {
            tx.execute(sql, &[])?;
            Ok::<_, DbError>(std::thread::current().id())
        });
        ran.await.expect("written")
    }

    fn calm(db: &Sqlite, since: Option<Instant>) {
        db.shared.as_ref().expect("open").writer.lock().calm_since = since;
    }

    #[tokio::test]
    async fn in_a_calm_moment_whoever_writes_does_so_where_they_are() {
        const INSERT: &str = "INSERT INTO seen VALUES (x'01')";
        let folder = tempfile::tempdir().expect("a folder");
        let (db, here) = (open(&folder).await, std::thread::current().id());
        calm(&db, None);
        assert_ne!(run(&db, INSERT).await, here);
        calm(&db, Instant::now().checked_sub(APART));
        assert_eq!(run(&db, INSERT).await, here);
        let failed = db.jot(|tx| {
            tx.execute(INSERT, &[])?;
            Err::<(), _>(DbError::NoRow)
        });
        calm(&db, Instant::now().checked_sub(APART));
        assert!(matches!(failed.await, Err(DbError::NoRow)));
        let kept = db.read(|tx| tx.query_one("SELECT COUNT(*) FROM seen", &[], |row| row.get(0)));
        let kept: Result<i64, DbError> = kept.await;
        assert_eq!(kept.expect("a count"), 2);
    }

    #[tokio::test]
    async fn while_another_process_writes_nobody_waits_where_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let (db, here) = (open(&folder).await, std::thread::current().id());
        let other = Connection::open(folder.path().join("relay.db")).expect("opened");
        other.execute_batch("BEGIN IMMEDIATE").expect("begun");
        calm(&db, Instant::now().checked_sub(APART));
        let ends = async {
            tokio::task::yield_now().await;
            other.execute_batch("COMMIT").expect("ended");
        };
        let (thread, ()) = tokio::join!(run(&db, "DELETE FROM seen"), ends);
        assert_ne!(thread, here);
    }

    #[tokio::test]
    async fn what_was_erased_is_in_none_of_the_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = open(&folder).await;
        let found = || {
            let files = ["relay.db", "relay.db-wal"].map(|name| folder.path().join(name));
            let read = files.map(|file| std::fs::read(file).expect("a file"));
            read.iter().any(|bytes| bytes.windows(6).any(|some| some == b"secret"))
        };
        run(&db, "INSERT INTO seen VALUES (CAST('secret' AS BLOB))").await;
        assert!(found());
        run(&db, "DELETE FROM seen").await;
        db.clean().await.expect("nothing to do");
        assert!(found(), "in the log");
        db.erased();
        db.clean().await.expect("cleaned");
        assert!(!found());
    }

    /// Waits until what is in the log is in the database too, or is too little for that.
    async fn carried_over(observer: &Connection) {
        let waiting = async || loop {
            let noop = "PRAGMA wal_checkpoint(NOOP)";
            let pages = observer.query_row(noop, [], |row| Ok((row.get(1)?, row.get(2)?)));
            let (logged, carried): (i32, i32) = pages.expect("a state");
            if logged == carried || logged < log::CHECKPOINT_PAGES {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        tokio::time::timeout(Duration::from_secs(60), waiting()).await.expect("carried over");
    }

    #[tokio::test]
    async fn however_much_is_written_the_log_stays_short() {
        let folder = tempfile::tempdir().expect("a folder");
        let db = open(&folder).await;
        let path = folder.path().join("relay.db");
        let observer = Connection::open(&path).expect("opened");
        let mut longest = 0;
        for _ in 0..4 {
            for _ in 0..100 {
                run(&db, "INSERT INTO seen VALUES (zeroblob(400000))").await;
            }
            let log = std::fs::metadata(folder.path().join("relay.db-wal")).expect("a log");
            longest = log.len().max(longest);
            carried_over(&observer).await;
        }
        // Of 160 MB; without anybody who carries it over, all of that.
        assert!(longest < 100 << 20, "{longest}");
        drop((observer, db));
        assert!(!folder.path().join("relay.db-wal").exists(), "all of it is in the database");
    }
}
