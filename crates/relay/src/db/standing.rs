//! How a database stands, for whoever only wants to know: nothing in it is made, migrated or changed.

use super::{Address, DbError, Fault, keep_private, migrations};
use crate::config::Database;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use secrecy::ExposeSecret as _;
use std::fs;
use std::path::Path;
use tokio_postgres::error::SqlState;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is none yet, and it can be made.
    Missing,
    /// Migrations are still to be applied, and can be.
    Behind,
    /// It has all that this version knows.
    Migrated,
}

impl Standing {
    fn of(applied: Option<i64>, known: i64) -> Self {
        if applied.is_some_and(|applied| applied >= known) { Self::Migrated } else { Self::Behind }
    }
}

impl Database {
    /// Looks at it.
    ///
    /// # Errors
    /// If it cannot be reached, or could not be made or migrated.
    pub async fn standing(&self) -> Result<Standing, DbError> {
        match self {
            Self::Sqlite(path) => of_file(path),
            Self::Postgres(address) => {
                of_server(&Address::read(address.expose_secret()).map_err(DbError::Postgres)?)
                    .await
                    .map_err(DbError::Postgres)
            }
        }
    }
}

fn of_file(path: &Path) -> Result<Standing, DbError> {
    if !path.exists() {
        let mut trial = path.as_os_str().to_owned();
        trial.push("-check");
        let made = keep_private(trial.as_ref()).and_then(|()| fs::remove_file(&trial));
        return made.map(|()| Standing::Missing).map_err(|error| DbError::File(error.kind()));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    let table = "SELECT 1 FROM sqlite_master WHERE name = 'refinery_schema_history'";
    let begun = db.query_row(table, [], |_| Ok(())).optional()?.is_some();
    let newest = "SELECT MAX(version) FROM refinery_schema_history";
    let applied = if begun { db.query_row(newest, [], |row| row.get(0))? } else { None };
    Ok(Standing::of(applied, migrations::newest_of_sqlite()))
}

async fn of_server(address: &Address) -> Result<Standing, Fault> {
    let client = address.client().await?;
    let asked = "SELECT to_regclass('refinery_schema_history') IS NOT NULL,
        COALESCE(has_schema_privilege(current_schema(), 'CREATE'), FALSE)";
    let row = client.query_one(asked, &[]).await?;
    let (begun, may_make): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let mut applied = None;
    if begun {
        let newest = "SELECT MAX(version)::BIGINT FROM refinery_schema_history";
        applied = client.query_one(newest, &[]).await?.try_get(0)?;
    }
    let standing = Standing::of(applied, migrations::newest_of_postgres());
    if standing == Standing::Behind && !may_make {
        let code = Some(SqlState::INSUFFICIENT_PRIVILEGE.code().to_owned());
        return Err(Fault { code, said: "its user may not make tables there".to_owned() });
    }
    Ok(standing)
}
