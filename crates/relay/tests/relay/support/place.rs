//! A folder and a database of a test's own, gone at its end.
//!
//! The database is an SQLite file, or, where `RELAY_TEST_POSTGRES` names a server and somebody who
//! may make databases there, one of that server's: a copy of one that has been migrated once.

use super::cluster;
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Database;
use autocrea_relay::db::{Db, DbError};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tempfile::TempDir;
use tokio_postgres::NoTls;

const VARIABLE: &str = "RELAY_TEST_POSTGRES";

/// See the module.
pub struct Place {
    folder: TempDir,
    /// On PostgreSQL.
    database: Option<Made>,
    kept: bool,
}

impl Place {
    /// With a database as a relay leaves it that has just been started.
    pub fn new() -> Self {
        Self { folder: folder(), database: server().map(Made::migrated), kept: false }
    }

    /// The same, but on PostgreSQL in any case: on a server of this program's own if none is named.
    pub fn shared() -> Self {
        let made = Made::migrated(server().unwrap_or_else(cluster::address));
        Self { folder: folder(), database: Some(made), kept: false }
    }

    /// With a database in which nothing is, or none yet.
    pub fn bare() -> Self {
        Self { folder: folder(), database: server().map(|it| Made::of(it, "")), kept: false }
    }

    /// Whether several relays may share it.
    pub fn is_shared(&self) -> bool {
        self.database.is_some()
    }

    /// The folder, for anything.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Where the SQLite file is, if it is one.
    pub fn file(&self) -> PathBuf {
        self.path().join("relay.db")
    }

    /// `DATABASE_URL`.
    pub fn url(&self) -> String {
        match &self.database {
            Some(made) => of(&made.server, &made.name),
            None => format!("sqlite:{}", self.file().display()),
        }
    }

    /// As the configuration has it.
    pub fn database(&self) -> Database {
        match self.database {
            Some(_) => Database::Postgres(self.url().into()),
            None => Database::Sqlite(self.file()),
        }
    }

    /// Leaves everything there, to be looked at.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
        self.kept = true;
    }

    /// Opens it.
    pub fn open(&self, clock: &Clock, changes: Changes) -> Result<Db, DbError> {
        Db::open(&self.database(), clock.clone(), changes)
    }

    /// Runs statements behind the relay's back.
    pub fn run(&self, sql: &str) {
        match self.database {
            Some(_) => run(&self.url(), sql),
            None => {
                let connection = rusqlite::Connection::open(self.file()).expect("opens");
                connection.execute_batch(sql).expect("runs");
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Some(Made { server, name }), false) = (&self.database, self.kept) {
            run(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

/// A database that was made on a server.
struct Made {
    server: String,
    name: String,
}

impl Made {
    /// A copy of one that has been migrated once. One program has one server.
    fn migrated(server: String) -> Self {
        static TEMPLATE: OnceLock<String> = OnceLock::new();
        let template = TEMPLATE.get_or_init(|| template(&server));
        Self::of(server, &format!("TEMPLATE {template}"))
    }

    fn of(server: String, how: &str) -> Self {
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        run(&server, &format!("CREATE DATABASE {name} {how}"));
        Self { server, name }
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn server() -> Option<String> {
    std::env::var(VARIABLE).ok().filter(|address| !address.is_empty())
}

/// The address of another database of the same server.
fn of(server: &str, name: &str) -> String {
    let mut url = url::Url::parse(server).expect("an address");
    url.set_path(name);
    url.into()
}

/// A migrated database that nobody is connected to, made once by this program.
fn template(server: &str) -> String {
    let name = format!("template_{}", uuid::Uuid::now_v7().simple());
    run(server, &format!("CREATE DATABASE {name}"));
    let database = Database::Postgres(of(server, &name).into());
    let opened =
        std::thread::spawn(move || Db::open(&database, Clock::system(), Changes::default()));
    drop(opened.join().expect("no panic").expect("a migrated database"));
    // The server notices a moment later that the connections have gone.
    run(
        server,
        &format!(
            "DO $$ BEGIN
                 WHILE EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = '{name}') LOOP
                     PERFORM pg_sleep(0.01), pg_stat_clear_snapshot();
                 END LOOP;
             END $$"
        ),
    );
    name
}

/// On a thread of its own, so that it works inside a runtime and while one is dropped.
fn run(address: &str, sql: &str) {
    let (address, sql) = (address.to_owned(), sql.to_owned());
    let run = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&address, NoTls).await.expect("the server answers");
            tokio::spawn(connection);
            client.batch_execute(&sql).await.expect("the server takes it");
        });
    });
    assert!(run.join().is_ok() || std::thread::panicking(), "the server refused");
}
