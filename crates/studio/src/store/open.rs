//! Opening the database: private files, one opener at a time, a newer database left alone, a
//! verified copy before an upgrade.

use super::StoreError;
use refinery::{Migration, Runner};
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The database's file in the data folder.
pub const FILE_NAME: &str = "autocrea.db";
/// How long a second process is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Copies that are kept.
const BACKUPS_KEPT: usize = 5;

/// Every migration, in order. A test holds this list against the folder.
const MIGRATIONS: &[(&str, &str)] =
    &[("V1__studio", include_str!("../../../../migrations/desktop/V1__studio.sql"))];

/// The migrations that this program carries.
pub fn migrations() -> Result<Vec<Migration>, StoreError> {
    MIGRATIONS
        .iter()
        .map(|(name, sql)| {
            Migration::unapplied(name, sql).map_err(|e| StoreError::Migration(Box::new(e)))
        })
        .collect()
}

/// The writing connection to an up-to-date database in `dir`.
pub fn open(dir: &Path, migrations: &[Migration]) -> Result<(PathBuf, Connection), StoreError> {
    make_private_dir(dir)?;
    let _opening = lock(&dir.join("autocrea.lock"))?;
    let path = dir.join(FILE_NAME);
    make_private_file(&path)?;
    let known = migrations.iter().map(Migration::version).max().unwrap_or(0);
    let found = schema_version(&path)?;
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    if found > 0 && found < known {
        back_up(dir, &path, found)?;
    }
    let mut connection = Connection::open_with_flags(
        &path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "FAST")?;
    // Off while migrating, so that a table can be rebuilt; checked and turned on afterwards.
    connection.pragma_update(None, "foreign_keys", false)?;
    if found < known {
        // Grouped: the migrations and refinery's own record of them are one transaction.
        Runner::new(migrations)
            .set_grouped(true)
            .run(&mut connection)
            .map_err(StoreError::migration)?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok((path, connection))
}

/// A reading connection.
pub fn reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The schema of the database at `path`, 0 for an empty one. Only reads.
fn schema_version(path: &Path) -> Result<i32, StoreError> {
    if fs::metadata(path).map_err(StoreError::file(path))?.len() == 0 {
        return Ok(0);
    }
    let connection = reader(path)?;
    if !connection.table_exists(None, "refinery_schema_history")? {
        // Somebody else's database, or one whose making was cut short: refinery will say.
        return Ok(0);
    }
    let version: Option<i32> =
        connection
            .query_row("SELECT max(version) FROM refinery_schema_history", [], |row| row.get(0))?;
    Ok(version.unwrap_or(0))
}

fn make_private_dir(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(StoreError::file(dir))
}

/// Makes `path` if it is not there and, either way, readable by its owner alone. SQLite gives its
/// own side files the same mode.
fn make_private_file(path: &Path) -> Result<(), StoreError> {
    if let Ok(metadata) = fs::metadata(path) {
        if metadata.permissions().readonly() {
            return Err(StoreError::ReadOnly { path: path.to_owned() });
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            if metadata.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(path, fs::Permissions::from_mode(0o600))
                    .map_err(StoreError::file(path))?;
            }
        }
        return Ok(());
    }
    private_options().create(true).open(path).map(drop).map_err(StoreError::file(path))
}

fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// One opener at a time: two processes that start together must not both migrate.
fn lock(path: &Path) -> Result<File, StoreError> {
    let file = private_options()
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(StoreError::file(path))?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy),
            // A file system without locks: SQLite's own have to do.
            Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// A verified copy of the database in `backups/`, without what must never be in one.
fn back_up(dir: &Path, path: &Path, version: i32) -> Result<(), StoreError> {
    let folder = dir.join("backups");
    make_private_dir(&folder)?;
    let stamp = crate::clock::now().0;
    let name = format!("autocrea-v{version}-{stamp}.db");
    let partial = folder.join(format!("{name}.partial"));
    private_options()
        .create(true)
        .truncate(true)
        .open(&partial)
        .map_err(StoreError::file(&partial))?;
    let result = copy_and_verify(path, &partial);
    if let Err(error) = result {
        fs::remove_file(&partial).ok();
        return Err(error);
    }
    File::open(&partial).and_then(|file| file.sync_all()).map_err(StoreError::file(&partial))?;
    let whole = folder.join(name);
    fs::rename(&partial, &whole).map_err(StoreError::file(&whole))?;
    forget_old_backups(&folder);
    Ok(())
}

fn copy_and_verify(path: &Path, copy: &Path) -> Result<(), StoreError> {
    let source = reader(path)?;
    let mut target = Connection::open(copy)?;
    Backup::new(&source, &mut target)?.run_to_completion(1_000, Duration::ZERO, None)?;
    target.pragma_update(None, "journal_mode", "DELETE")?;
    if target.table_exists(None, "sign_in_attempts")? {
        target.execute_batch("PRAGMA secure_delete = ON; DELETE FROM sign_in_attempts; VACUUM;")?;
    }
    let finding: String = target.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
    if finding != "ok" {
        return Err(StoreError::BackupUnsound { finding });
    }
    Ok(())
}

/// Keeps the newest few. Failing to tidy up is no reason not to open.
fn forget_old_backups(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut copies: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "db"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    copies.sort();
    let surplus = copies.len().saturating_sub(BACKUPS_KEPT);
    for (_, path) in copies.into_iter().take(surplus) {
        fs::remove_file(path).ok();
    }
}
