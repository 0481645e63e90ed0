//! What the store can stumble over, told apart by what a person can do about it.

use std::path::PathBuf;

/// A failure of the store. Whatever it was, the transaction had no effect.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room on the disk.
    #[error("the disk is full")]
    DiskFull,
    /// The folder or the database cannot be written.
    #[error("the store at {} cannot be written", path.display())]
    ReadOnly {
        /// What is read-only.
        path: PathBuf,
    },
    /// SQLite says that the database has become read-only while it was open.
    #[error("the database is read-only")]
    BecameReadOnly,
    /// Another process has held the database for longer than we wait.
    #[error("another process is holding the database")]
    Busy,
    /// A newer AUTOCREA wrote it. It has not been touched.
    #[error("the database has schema {found}, this program knows {known}")]
    Newer {
        /// The schema of the database.
        found: i32,
        /// The newest schema of this program.
        known: i32,
    },
    /// It is not a database, or a damaged one. It has not been touched.
    #[error("the database is damaged")]
    Damaged,
    /// The copy that is made before an upgrade did not read back well; nothing was upgraded.
    #[error("the copy made before upgrading is not sound: {finding}")]
    BackupUnsound {
        /// SQLite's finding.
        finding: String,
    },
    /// A migration failed; the database is as it was.
    #[error("the database could not be upgraded")]
    Migration(#[source] Box<refinery::Error>),
    /// A file or folder could not be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Stored bytes are not what their hash says.
    #[error("a stored file is damaged")]
    BlobDamaged,
    /// A stored value could not be read or written as JSON.
    #[error("a stored value of `{column}` could not be read")]
    Value {
        /// Which column.
        column: &'static str,
        /// serde's reason.
        source: serde_json::Error,
    },
    /// The writer has ended, or the work it was given panicked.
    #[error("the store did not finish the work")]
    Unfinished,
    /// The disk did not do what was asked of it.
    #[error("the disk failed")]
    Disk(#[source] rusqlite::Error),
    /// Anything else that SQLite reports: a defect of ours.
    #[error("SQLite refused a statement")]
    Sql(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(source: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let extended = source.sqlite_error().map(|error| error.extended_code);
        match source.sqlite_error_code() {
            // On a full disk, the index of the WAL is what cannot be made first.
            _ if extended == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE) => Self::DiskFull,
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Self::Disk(source),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::BecameReadOnly,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            _ => Self::Sql(source),
        }
    }
}

impl StoreError {
    /// Of a failed migration: a full disk is a full disk there too.
    pub(super) fn migration(error: refinery::Error) -> Self {
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            if let Some(sql) =
                inner.downcast_ref::<rusqlite::Error>().and_then(|e| e.sqlite_error())
            {
                match Self::from(rusqlite::Error::SqliteFailure(*sql, None)) {
                    Self::Sql(_) => {}
                    known => return known,
                }
            }
            cause = inner.source();
        }
        Self::Migration(Box::new(error))
    }

    /// Of an operation on `path`.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull,
            std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path }
            }
            _ => Self::File { path, source },
        }
    }
}
