//! The database: one story, told the same whichever engine keeps it.
//!
//! All logic that must happen together is a plain, synchronous function over [`Tx`]; [`Db::write`]
//! and [`Db::read`] carry it to the engine and answer when it is durable. SQL stays in the subset
//! that SQLite and PostgreSQL share, with `?1` placeholders and integers for times, so that the
//! second engine is another variant behind [`Db`] and nothing above it changes.
//!
//! A transaction that changes what a person can see calls [`Tx::touch`]: their snapshot's version
//! grows in the same transaction, and after the commit whoever watches them is signalled through
//! [`Changes`].
//!
//! Deliberately not here: any table. Each noun's SQL is with the noun.

mod lock;
mod migrations;
mod sqlite;
mod value;

pub use lock::Lock;
pub use migrations::run as migrate;
pub use value::{Column, Param, Row, SqlValue};

use crate::changes::Changes;
use crate::clock::Clock;
use crate::config::Database;
use autocrea_protocol::{UnixMillis, UserId};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// What can go wrong beneath a transaction.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DbError {
    /// The engine refused: a constraint, a full disk, a damaged file.
    #[error("the database refused: {0}")]
    Sqlite(Arc<rusqlite::Error>),
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
    /// The migrations could not be applied.
    #[error("the migrations could not be applied: {0}")]
    Migration(Arc<refinery::Error>),
    /// An engine that this build does not speak.
    #[error("PostgreSQL is not supported by this version; use sqlite:")]
    Unsupported,
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

/// A handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Db {
    engine: Arc<sqlite::Sqlite>,
}

impl Db {
    /// Opens the database that the configuration names, migrates it and starts its writer.
    ///
    /// # Errors
    /// If it cannot be opened or migrated.
    pub fn open(database: &Database, clock: Clock, changes: Changes) -> Result<Self, DbError> {
        match database {
            Database::Sqlite(path) => Self::open_sqlite(path, clock, changes),
            Database::Postgres(_) => Err(DbError::Unsupported),
        }
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
        let engine = sqlite::Sqlite::open(path, clock, changes)?;
        Ok(Self { engine: Arc::new(engine) })
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
        self.engine.write(work).await
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
        self.engine.read(work).await
    }

    /// A number that changes when somebody else (a command, on SQLite) has written to the database:
    /// nobody in this process was signalled then.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn foreign_version(&self) -> Result<i64, DbError> {
        self.write(|tx| tx.query_one("PRAGMA data_version", &[], |row| row.get(0))).await
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

/// A transaction that is running.
pub struct Tx<'a> {
    connection: &'a rusqlite::Connection,
    now: UnixMillis,
    touched: BTreeSet<UserId>,
}

impl<'a> Tx<'a> {
    fn new(connection: &'a rusqlite::Connection, now: UnixMillis) -> Self {
        Self { connection, now, touched: BTreeSet::new() }
    }

    /// Runs a statement; answers how many rows it changed.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn execute(&mut self, sql: &'static str, params: &[&dyn Param]) -> Result<usize, DbError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        value::bind(&mut statement, params)?;
        Ok(statement.raw_execute()?)
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
        let mut statement = self.connection.prepare_cached(sql)?;
        value::bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        match rows.next()? {
            Some(row) => Ok(Some(read(&Row(row))?)),
            None => Ok(None),
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
        let mut statement = self.connection.prepare_cached(sql)?;
        value::bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(read(&Row(row))?);
        }
        Ok(all)
    }

    /// Holds a person's row until the transaction ends. Whoever reads and then writes what belongs
    /// to one person does this first: on PostgreSQL two such transactions really run side by side.
    /// On SQLite they never do, and nothing happens; nor if there is no such person.
    ///
    /// Who holds several people holds them in the order of their ids.
    ///
    /// # Errors
    /// If the engine refuses.
    pub fn hold_person(&mut self, _user: &UserId) -> Result<(), DbError> {
        Ok(())
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
        if self.touched.insert(user.clone()) {
            self.execute("UPDATE people SET version = version + 1 WHERE id = ?1", &[user])?;
        }
        Ok(())
    }
}
