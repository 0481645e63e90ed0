//! One relay a file: SQLite is for one process, and a second one would take the first one's open
//! reservations for those of a dead process and release them.
//!
//! The lock is the operating system's, on a file beside the database, so that it goes with the
//! process however that ends. A successor waits as long as a graceful stop may take. Commands that
//! only read or grant need no lock.

use super::{DbError, keep_private};
use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(45);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The right to serve a database; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    pub(super) async fn of(database: &Path) -> Result<Self, DbError> {
        let mut path = database.as_os_str().to_owned();
        path.push("-lock");
        let path = Path::new(&path);
        let opened = keep_private(path).and_then(|()| File::options().append(true).open(path));
        let file = opened.map_err(|error| DbError::Lock(error.kind()))?;
        let until = Instant::now() + PATIENCE;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!("another relay serves this database; waiting for its end");
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(TryLockError::WouldBlock) => return Err(DbError::InUse),
                Err(TryLockError::Error(error)) => return Err(DbError::Lock(error.kind())),
            }
        }
    }
}
