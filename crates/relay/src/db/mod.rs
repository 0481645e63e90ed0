//! The database: one story, told the same whichever engine keeps it.
//!
//! All logic that must happen together is a plain, synchronous function over [`Tx`]; [`Db::write`]
//! and [`Db::read`] carry it to the engine and answer when it is durable. SQL stays in the subset
//! that SQLite and PostgreSQL share, with `?1` placeholders and integers for times; what only
//! PostgreSQL needs (`FOR UPDATE SKIP LOCKED`) stands in a `/*pg: … */` comment. On SQLite there is
//! one transaction at a time; on PostgreSQL they run side by side, so whoever reads and then writes
//! what is a person's holds that person first ([`Tx::hold_person`]).
//!
//! A transaction that changes what a person can see calls [`Tx::touch`]: their snapshot's version
//! grows in the same transaction, and after the commit whoever watches them is signalled through
//! [`Changes`].
//!
//! Deliberately not here: any table. Each noun's SQL is with the noun.

mod backup;
mod checkpoint;
mod job;
mod lock;
mod log;
mod migrations;
mod postgres;
mod sqlite;
mod standing;
mod value;

pub use backup::{BackupError, backup};
pub use lock::Lock;
pub(crate) use postgres::Address;
pub use postgres::{Aside, Fault, Held};
pub use standing::Standing;
pub use value::{Column, Param, Row, SqlValue};

use crate::changes::Changes;
use crate::clock::Clock;
use crate::config::Database;
use autocrea_protocol::{UnixMillis, UserId};
use secrecy::ExposeSecret as _;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use value::Source;

/// What can go wrong beneath a transaction.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DbError {
    /// The engine refused: a constraint, a full disk, a damaged file.
    #[error("the database refused: {0}")]
    Sqlite(Arc<rusqlite::Error>),
    /// As [`DbError::Sqlite`], or PostgreSQL is not there.
    #[error("the database {stance}: {fault}", stance = stance(.0), fault = .0)]
    Postgres(Fault),
    /// A column did not hold what the program expected.
    #[error("column {index} of a row does not hold {expected}")]
    Column {
        /// Position in the row.
        index: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// [`Tx::query_one`] found nothing.
    #[error("a row that must exist was not found")]
    NoRow,
    /// The transaction's function panicked; its changes were rolled back.
    #[error("a transaction panicked and was rolled back")]
    Panicked,
    /// The database has been closed.
    #[error("the database is closed")]
    Closed,
    /// Another relay serves the same file and does not end.
    #[error("another relay serves this database")]
    InUse,
    /// The file beside the database that says who serves it.
    #[error("the database's lock file cannot be used: {0}")]
    Lock(std::io::ErrorKind),
    /// There is no database, and none can be made where it is to be.
    #[error("the database's file cannot be made: {0}")]
    File(std::io::ErrorKind),
    /// The migrations could not be applied.
    #[error("the migrations could not be applied: {}", with_causes(.0))]
    Migration(Arc<refinery::Error>),
}

/// What an error says, and what caused it: the outermost alone often says too little.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.ends_with(&more) {
            said.push_str(": ");
            said.push_str(&more);
        }
        cause = error.source();
    }
    said
}

fn stance(fault: &Fault) -> &'static str {
    if fault.is_absence() { "cannot be reached" } else { "refused" }
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Db {
    kept: Arc<Kept>,
}

/// By which engine.
enum Kept {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

impl Db {
    /// Opens the database that the configuration names, migrates it and starts its threads.
    ///
    /// # Errors
    /// If it cannot be opened or migrated.
    pub fn open(database: &Database, clock: Clock, changes: Changes) -> Result<Self, DbError> {
        match database {
            Database::Sqlite(path) => Self::open_sqlite(path, clock, changes),
            Database::Postgres(address) => {
                let kept = postgres::Postgres::open(address.expose_secret(), clock, changes)?;
                Ok(Self { kept: Arc::new(Kept::Postgres(kept)) })
            }
        }
    }

    /// Whether other relays may serve the same database.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        matches!(*self.kept, Kept::Postgres(_))
    }

    /// Waits for the right to serve the database, where only one process may have it.
    ///
    /// # Errors
    /// [`DbError::InUse`] if another relay keeps it.
    pub async fn lock(database: &Database) -> Result<Option<Lock>, DbError> {
        match database {
            Database::Sqlite(path) => Lock::of(path).await.map(Some),
            Database::Postgres(_) => Ok(None),
        }
    }

    /// Opens an SQLite file, made if it is not there.
    ///
    /// # Errors
    /// If it cannot be opened or migrated.
    pub fn open_sqlite(path: &Path, clock: Clock, changes: Changes) -> Result<Self, DbError> {
        let kept = sqlite::Sqlite::open(path, clock, changes)?;
        Ok(Self { kept: Arc::new(Kept::Sqlite(kept)) })
    }

    /// Runs `work` in a transaction and answers when it is durable. An error rolls back what `work`
    /// did, and only that.
    ///
    /// # Errors
    /// `work`'s own, or a [`DbError`] when the engine fails.
    pub async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        match &*self.kept {
            Kept::Sqlite(engine) => engine.write(work).await,
            Kept::Postgres(engine) => engine.run(true, work).await,
        }
    }

    /// As [`Db::write`], for a few rows that are found by their keys: where the engine is in this
    /// process and nobody else writes, it is done where it is asked.
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn jot<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        match &*self.kept {
            Kept::Sqlite(engine) => engine.jot(work).await,
            Kept::Postgres(engine) => engine.run(true, work).await,
        }
    }

    /// Runs `work` on a snapshot that does not change under it. Writing in it fails.
    ///
    /// # Errors
    /// `work`'s own, or a [`DbError`] when the engine fails.
    pub async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        match &*self.kept {
            Kept::Sqlite(engine) => engine.read(work).await,
            Kept::Postgres(engine) => engine.run(false, work).await,
        }
    }

    /// As [`Db::read`], for a row or two that are found by their keys: where the engine is in this
    /// process that takes less than handing it to another thread, so it is done where it is asked.
    ///
    /// # Errors
    /// As [`Db::read`].
    pub async fn glance<T, E>(
        &self,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        match &*self.kept {
            Kept::Sqlite(engine) => engine.glance(work).await,
            Kept::Postgres(engine) => engine.run(false, work).await,
        }
    }

    /// Holds `key` among the processes that share the database; nothing where there is only one.
    /// Within this process the caller sees to it.
    ///
    /// # Errors
    /// If the others cannot be asked.
    pub async fn hold(&self, key: &str) -> Result<Option<Held>, DbError> {
        match &*self.kept {
            Kept::Sqlite(_) => Ok(None),
            Kept::Postgres(engine) => engine.line().hold(key).await.map(Some),
        }
    }

    /// Has whom commits changed said here, instead of to the other replicas by `NOTIFY`, which the
    /// second half still does. `None` if there are no others, or somebody has it already.
    #[must_use]
    pub fn divert(&self) -> Option<(UnboundedReceiver<BTreeSet<UserId>>, Teller)> {
        match &*self.kept {
            Kept::Sqlite(_) => None,
            Kept::Postgres(engine) => Some((engine.divert()?, Teller(engine.line().clone()))),
        }
    }

    /// A connection for what all processes that share the database count together, and for which
    /// nobody is to be kept waiting for longer than `patience` ([`Aside::PATIENCE`]); `None` where there
    /// is only one process.
    pub async fn aside(&self, patience: Duration) -> Option<Aside> {
        match &*self.kept {
            Kept::Sqlite(_) => None,
            Kept::Postgres(engine) => Some(engine.aside(patience).await),
        }
    }

    /// Says that what was deleted is to be found nowhere in the files, soon.
    pub fn erased(&self) {
        if let Kept::Sqlite(engine) = &*self.kept {
            engine.erased();
        }
    }

    /// Makes what [`Db::erased`] said so. PostgreSQL's vacuum and recycled log see to it there.
    ///
    /// # Errors
    /// If the engine fails; it is then tried again the next time.
    pub async fn clean(&self) -> Result<(), DbError> {
        match &*self.kept {
            Kept::Sqlite(engine) => engine.clean().await,
            Kept::Postgres(_) => Ok(()),
        }
    }

    /// A number that changes when somebody else (a command) has written to an SQLite database:
    /// nobody in this process was signalled then.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn foreign_version(&self) -> Result<i64, DbError> {
        self.write(|tx| tx.query_one("PRAGMA data_version", &[], |row| row.get(0))).await
    }

    /// Whether it can be written to, too.
    ///
    /// # Errors
    /// If it does not answer, or takes nothing.
    pub async fn writable(&self) -> Result<(), DbError> {
        self.ready().await?;
        self.write(|tx| tx.execute("UPDATE people SET version = version WHERE id = ''", &[]))
            .await
            .map(drop)
    }

    /// Whether the database answers and is migrated.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn ready(&self) -> Result<(), DbError> {
        self.read(|tx| tx.query_one("SELECT COUNT(*) FROM people WHERE id = ''", &[], |_| Ok(())))
            .await
    }
}

/// Makes a file, if need be, that its owner alone can read; SQLite gives its log the same rights.
pub(crate) fn keep_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Tells other replicas by `NOTIFY` whom a commit has changed.
#[derive(Clone)]
pub struct Teller(postgres::Line);

impl Teller {
    /// Tells them.
    pub fn tell(&self, users: BTreeSet<UserId>) {
        self.0.tell(users);
    }
}

/// A transaction that is running.
pub struct Tx<'a> {
    engine: Engine<'a>,
    now: UnixMillis,
    touched: BTreeSet<UserId>,
    held: BTreeSet<UserId>,
}

/// What runs its statements.
enum Engine<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a mut postgres::Session),
}

impl<'a> Tx<'a> {
    fn new(engine: Engine<'a>, now: UnixMillis) -> Self {
        Self { engine, now, touched: BTreeSet::new(), held: BTreeSet::new() }
    }

    /// Runs a statement; answers how many rows it changed.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn execute(&mut self, sql: &'static str, params: &[&dyn Param]) -> Result<usize, DbError> {
        match &mut self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                value::bind(&mut statement, params)?;
                Ok(statement.raw_execute()?)
            }
            Engine::Postgres(session) => session.execute(sql, params),
        }
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// If the engine refuses or the row does not hold what `read` expects.
    pub fn query_opt<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn Param],
        read: impl FnOnce(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Option<T>, DbError> {
        match &mut self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                value::bind(&mut statement, params)?;
                let mut rows = statement.raw_query();
                rows.next()?.map(|row| read(&Row(Source::Sqlite(row)))).transpose()
            }
            Engine::Postgres(session) => {
                let rows = session.query(sql, params)?;
                rows.first().map(|row| read(&Row(Source::Postgres(row)))).transpose()
            }
        }
    }

    /// The first row, which must be there.
    ///
    /// # Errors
    /// [`DbError::NoRow`] if it is not; otherwise as [`Tx::query_opt`].
    pub fn query_one<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn Param],
        read: impl FnOnce(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        self.query_opt(sql, params, read)?.ok_or(DbError::NoRow)
    }

    /// All rows.
    ///
    /// # Errors
    /// As [`Tx::query_opt`].
    pub fn query_all<T>(
        &mut self,
        sql: &'static str,
        params: &[&dyn Param],
        mut read: impl FnMut(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<T>, DbError> {
        match &mut self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                value::bind(&mut statement, params)?;
                let mut rows = statement.raw_query();
                let mut all = Vec::new();
                while let Some(row) = rows.next()? {
                    all.push(read(&Row(Source::Sqlite(row)))?);
                }
                Ok(all)
            }
            Engine::Postgres(session) => {
                let rows = session.query(sql, params)?;
                rows.iter().map(|row| read(&Row(Source::Postgres(row)))).collect()
            }
        }
    }

    /// Runs a statement with each set of parameters, in order; answers the first row of each, if
    /// it has one. On PostgreSQL all of them are one exchange.
    ///
    /// # Errors
    /// As [`Tx::query_opt`]; what came before the fault has been done.
    pub fn query_each<T>(
        &mut self,
        sql: &'static str,
        sets: &[&[&dyn Param]],
        read: impl Fn(&Row<'_>) -> Result<T, DbError>,
    ) -> Result<Vec<Option<T>>, DbError> {
        match &mut self.engine {
            Engine::Sqlite(_) => {
                sets.iter().map(|params| self.query_opt(sql, params, &read)).collect()
            }
            Engine::Postgres(session) => {
                let answers = session.query_each(sql, sets)?;
                let first = |rows: &Vec<tokio_postgres::Row>| {
                    rows.first().map(|row| read(&Row(Source::Postgres(row)))).transpose()
                };
                answers.iter().map(first).collect()
            }
        }
    }

    /// Holds a person's row until the transaction ends. Whoever reads and then writes what belongs
    /// to one person does this first: on PostgreSQL two such transactions really run side by side.
    /// On SQLite they never do, and nothing happens; nor if there is no such person.
    ///
    /// Who holds several people holds them in the order of their ids.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn hold_person(&mut self, user: &UserId) -> Result<(), DbError> {
        match &mut self.engine {
            Engine::Postgres(session) if self.held.insert(user.clone()) => {
                session.send_later("SELECT 1 FROM people WHERE id = ?1 FOR UPDATE", user)
            }
            _ => Ok(()),
        }
    }

    /// The time of this transaction.
    #[must_use]
    pub const fn now(&self) -> UnixMillis {
        self.now
    }

    /// Says that something the person can see changes in this transaction: once a transaction
    /// their version grows by one, and after the commit their watchers are signalled.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn touch(&mut self, user: &UserId) -> Result<(), DbError> {
        const GROW: &str = "UPDATE people SET version = version + 1 WHERE id = ?1";
        if self.grows(user) == 0 {
            return Ok(());
        }
        match &mut self.engine {
            Engine::Postgres(session) => session.send_later(GROW, user),
            Engine::Sqlite(_) => self.execute(GROW, &[user]).map(drop),
        }
    }

    /// As [`Tx::touch`], for whoever writes the person's row anyway: what that statement is to add to
    /// their version.
    pub(crate) fn grows(&mut self, user: &UserId) -> i64 {
        i64::from(self.touched.insert(user.clone()))
    }
}
