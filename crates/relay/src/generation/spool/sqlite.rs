//! The spool in an SQLite file of its own beside the database.
//!
//! So text never touches the file that money is in, and is never in its backups. Deleted text is
//! overwritten (`secure_delete`) and the write-ahead log is cut to nothing after each sweep, so that
//! what is gone is gone from the files.

use super::{PAGE_BYTES, Page, SpoolError, Store, chunk, from_sql, to_sql};
use crate::db::keep_private;
use crate::generation::live::{Key, Live};
use autocrea_protocol::{UnixMillis, UserId};
use bytes::BytesMut;
use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Of the file's layout. A file of another layout is emptied: it holds minutes of text.
const LAYOUT: i64 = 2;

const SCHEMA: &str = "
    CREATE TABLE streams (
        id INTEGER PRIMARY KEY,
        user_id TEXT NOT NULL,
        generation_id TEXT NOT NULL,
        ended_at INTEGER,
        UNIQUE (user_id, generation_id)
    ) STRICT;
    CREATE INDEX streams_by_end ON streams (ended_at);
    CREATE TABLE chunks (
        stream_id INTEGER NOT NULL REFERENCES streams (id) ON DELETE CASCADE,
        last_seq INTEGER NOT NULL,
        first_seq INTEGER NOT NULL,
        frames BLOB NOT NULL,
        PRIMARY KEY (stream_id, last_seq)
    ) STRICT;
";

/// The connection that reads; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Reader(Arc<Mutex<Connection>>);

/// The connection that writes.
pub(super) struct Writer {
    db: Connection,
    /// Removed text is still in the write-ahead log, because a reader was in the way.
    log_holds_removed: bool,
}

/// Opens the file, making it if need be.
pub(super) fn open(path: &Path) -> Result<(Writer, Reader), SpoolError> {
    keep_private(path).map_err(SpoolError::File)?;
    let mut db = connect(path)?;
    prepare(&mut db)?;
    let reader = Reader(Arc::new(Mutex::new(connect(path)?)));
    Ok((Writer { db, log_holds_removed: false }, reader))
}

fn connect(path: &Path) -> Result<Connection, SpoolError> {
    let db = Connection::open(path)?;
    db.busy_timeout(Duration::from_secs(5))?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
         PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON;",
    )?;
    Ok(db)
}

fn prepare(db: &mut Connection) -> Result<(), SpoolError> {
    let layout: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if layout != LAYOUT {
        let tx = db.transaction()?;
        tx.execute_batch(
            "DROP TABLE IF EXISTS pieces; DROP TABLE IF EXISTS chunks;
             DROP TABLE IF EXISTS streams;",
        )?;
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "user_version", LAYOUT)?;
        tx.commit()?;
    }
    Ok(())
}

impl Reader {
    pub(super) async fn read(
        &self,
        key: &Key,
        after: u64,
        until: u64,
    ) -> Result<Option<Page>, SpoolError> {
        let (reader, key) = (Arc::clone(&self.0), key.clone());
        tokio::task::spawn_blocking(move || read_page(&reader.lock(), &key, after, until))
            .await
            .map_err(|_| SpoolError::Closed)?
    }

    pub(super) async fn last(&self, key: &Key) -> Result<u64, SpoolError> {
        let (reader, key) = (Arc::clone(&self.0), key.clone());
        let last = tokio::task::spawn_blocking(move || {
            reader.lock().query_row(
                "SELECT coalesce(max(last_seq), 0) FROM chunks JOIN streams ON streams.id = stream_id
                 WHERE user_id = ?1 AND generation_id = ?2",
                params![key.user.as_str(), key.generation.to_string()],
                |row| row.get::<_, i64>(0),
            )
        });
        Ok(from_sql(last.await.map_err(|_| SpoolError::Closed)??))
    }
}

fn read_page(
    db: &Connection,
    key: &Key,
    after: u64,
    until: u64,
) -> Result<Option<Page>, SpoolError> {
    let mut statement = db.prepare_cached(
        "SELECT first_seq, frames FROM chunks JOIN streams ON streams.id = stream_id
         WHERE user_id = ?1 AND generation_id = ?2 AND last_seq > ?3 AND first_seq <= ?4
         ORDER BY last_seq",
    )?;
    let generation = key.generation.to_string();
    let mut rows =
        statement.query(params![key.user.as_str(), generation, to_sql(after), to_sql(until)])?;
    let (mut frames, mut last) = (BytesMut::new(), after);
    while let Some(row) = rows.next()? {
        let first = from_sql(row.get(0)?);
        // A gap would be passed on as text that is silently missing.
        if first > last + 1 || frames.len() >= PAGE_BYTES {
            break;
        }
        let joined = row.get_ref(1)?.as_blob().unwrap_or_default();
        last = chunk::take(&mut frames, joined, first, last, until);
    }
    Ok((last > after).then(|| Page { frames: frames.freeze(), last }))
}

impl Store for Writer {
    fn write(
        &mut self,
        dirty: &[Arc<Live>],
        ended: &[(Key, UnixMillis)],
    ) -> Result<(), SpoolError> {
        if dirty.is_empty() && ended.is_empty() {
            return Ok(());
        }
        let tx = self.db.transaction()?;
        let mut written = Vec::with_capacity(dirty.len());
        for live in dirty {
            let frames = live.unspooled();
            let Some((last, _)) = frames.last() else { continue };
            let stream = stream_of(&tx, &live.key)?;
            let mut insert = tx.prepare_cached(
                "INSERT INTO chunks (stream_id, first_seq, last_seq, frames)
                 VALUES (?1, ?2, ?3, ?4)",
            )?;
            for chunk in chunk::join(&frames) {
                let (first, last) = (to_sql(chunk.first), to_sql(chunk.last));
                insert.execute(params![stream, first, last, &chunk.frames[..]])?;
            }
            written.push((live, *last));
        }
        for (key, at) in ended {
            tx.prepare_cached(
                "UPDATE streams SET ended_at = ?3 WHERE user_id = ?1 AND generation_id = ?2",
            )?
            .execute(params![key.user.as_str(), key.generation.to_string(), at.0])?;
        }
        tx.commit()?;
        for (live, last) in written {
            live.spooled(last);
        }
        Ok(())
    }

    fn end_orphans(&mut self, at: UnixMillis) -> Result<(), SpoolError> {
        self.db.execute("UPDATE streams SET ended_at = ?1 WHERE ended_at IS NULL", [at.0])?;
        Ok(())
    }

    fn sweep(&mut self, until: UnixMillis) -> Result<usize, SpoolError> {
        self.remove("ended_at <= ?1", &until.0)
    }

    fn forget(&mut self, user: &UserId) -> Result<(), SpoolError> {
        self.remove("user_id = ?1", &user.as_str()).map(drop)
    }
}

impl Writer {
    fn remove(
        &mut self,
        which: &'static str,
        parameter: &dyn rusqlite::ToSql,
    ) -> Result<usize, SpoolError> {
        let removed =
            self.db.execute(&format!("DELETE FROM streams WHERE {which}"), [parameter])?;
        if removed > 0 || self.log_holds_removed {
            let busy: bool =
                self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            self.log_holds_removed = busy;
        }
        Ok(removed)
    }
}

fn stream_of(tx: &Transaction<'_>, key: &Key) -> Result<i64, SpoolError> {
    let generation = key.generation.to_string();
    let known = tx
        .prepare_cached("SELECT id FROM streams WHERE user_id = ?1 AND generation_id = ?2")?
        .query_row(params![key.user.as_str(), generation], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    tx.prepare_cached("INSERT INTO streams (user_id, generation_id) VALUES (?1, ?2)")?
        .execute(params![key.user.as_str(), generation])?;
    Ok(tx.last_insert_rowid())
}
