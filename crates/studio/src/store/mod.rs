//! The only place with SQL.
//!
//! One SQLite database in WAL mode. All writing goes through one thread that owns the one writing
//! connection: each piece of work is one `BEGIN IMMEDIATE` transaction and is durable
//! (`synchronous=FULL`) when its future resolves; work that returns an error, or panics, has no
//! effect. Reading borrows one of a few read-only connections and sees one snapshot. No lock is
//! held across an await. A second process on the same folder is waited for, then reported.
//!
//! The table modules are plain functions over the transaction: one noun, one file. Deliberately
//! not here: decisions. What a project's status becomes is said by the use cases.

pub mod account;
pub mod blobs;
pub mod charges;
mod columns;
mod error;
pub mod fault;
pub mod generations;
pub mod ledger;
mod open;
pub mod pieces;
pub mod projects;
pub mod settings;
pub mod sign_in;
pub mod versions;

pub use error::StoreError;

use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use tokio::sync::{Semaphore, oneshot};

/// Readers at once.
const READERS: usize = 4;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The database. Cheap to clone; closed when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// `None` only while dropping.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<thread::JoinHandle<()>>,
    idle_readers: Mutex<Vec<Connection>>,
    turns: Semaphore,
}

impl Store {
    /// Opens (or makes) the database in `dir`, upgrading an older one after a verified copy of it.
    ///
    /// # Errors
    /// When it cannot be opened; whatever is there is left as it was.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_with(dir, &open::migrations()?)
    }

    fn open_with(dir: &Path, migrations: &[refinery::Migration]) -> Result<Self, StoreError> {
        let (path, mut connection) = open::open(dir, migrations)?;
        let first_reader = open::reader(&path)?;
        let (jobs, inbox) = mpsc::channel::<Job>();
        let writer = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                while let Ok(job) = inbox.recv() {
                    job(&mut connection);
                }
            })
            .map_err(StoreError::file(&path))?;
        Ok(Self {
            inner: Arc::new(Inner {
                path,
                jobs: Some(jobs),
                writer: Some(writer),
                idle_readers: Mutex::new(vec![first_reader]),
                turns: Semaphore::new(READERS),
            }),
        })
    }

    /// Does `work` in one transaction, after all that was given before it. Durable on return. A
    /// caller that goes away does not stop it.
    ///
    /// # Errors
    /// The work's own, or SQLite's; nothing of the work has happened then.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let done = catch_unwind(AssertUnwindSafe(|| transact(connection, work)));
            let result = done.unwrap_or(Err(StoreError::Unfinished));
            // Nobody may be waiting any more; the work is done all the same.
            answer.send(result).ok();
        });
        let jobs = self.inner.jobs.as_ref().ok_or(StoreError::Unfinished)?;
        jobs.send(job).map_err(|_| StoreError::Unfinished)?;
        answered.await.map_err(|_| StoreError::Unfinished)?
    }

    /// Does `work` on one snapshot of the database.
    ///
    /// # Errors
    /// The work's own, or SQLite's.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let _turn = self.inner.turns.acquire().await.map_err(|_| StoreError::Unfinished)?;
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || inner.read_now(work))
            .await
            .map_err(|_| StoreError::Unfinished)?
    }

    /// As [`Store::read`], on this thread; for starting up, before there is anybody to keep waiting.
    ///
    /// # Errors
    /// The work's own, or SQLite's.
    pub fn read_now<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.inner.read_now(work)
    }
}

impl Inner {
    fn read_now<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle_readers.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open::reader(&self.path)?,
        };
        let result = {
            // The transaction makes several statements see the same moment.
            let snapshot = connection.unchecked_transaction()?;
            let result = work(&snapshot)?;
            snapshot.finish()?;
            result
        };
        let mut idle = self.idle_readers.lock();
        if idle.len() < READERS {
            idle.push(connection);
        }
        Ok(result)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            // The last clone may be dropped by the writer's own last job.
            if writer.thread().id() != thread::current().id() {
                writer.join().ok();
            }
        }
    }
}

fn transact<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = work(&transaction)?;
    transaction.commit()?;
    Ok(value)
}

#[cfg(test)]
mod tests;
