//! Carries the log over into the database, beside the writer.
//!
//! SQLite itself would do that within the commit that finds the log long: one in thousands then takes
//! as long as all that copying and waiting for the disk. Here a thread with a connection of its own
//! does the most of it while commits go on, and holds the writer up only for what these have added
//! meanwhile; since the whole log is in the database then, SQLite begins it anew.

use super::sqlite::Writer;
use super::{DbError, log};
use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::hooks::Wal;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// The way to the thread: it need not be told twice.
pub(super) struct Bell {
    ringing: SyncSender<()>,
    rung: Receiver<()>,
}

impl Bell {
    /// A bell that is rung when `writer` has made its log long.
    pub(super) fn of(writer: &mut Connection) -> Result<Self, DbError> {
        let (ringing, rung) = sync_channel(1);
        let ring = ringing.clone();
        writer.wal_hook(Some(move |_: &mut Wal, pages: i32| {
            if pages >= log::CHECKPOINT_PAGES {
                ring.try_send(()).ok();
            }
            Ok(())
        }))?;
        Ok(Self { ringing, rung })
    }

    /// Has nobody wait for it any more: the thread ends.
    pub(super) fn silence(writer: &mut Connection) {
        writer.wal_hook(None::<fn(&mut Wal, i32) -> rusqlite::Result<()>>).ok();
    }

    /// Has `connection` carry over what `writer` logs, until the bell is silenced.
    pub(super) fn answer(
        self,
        connection: Connection,
        writer: &Arc<Mutex<Writer>>,
    ) -> Result<JoinHandle<()>, DbError> {
        let writer = Arc::downgrade(writer);
        let Self { ringing, rung } = self;
        drop(ringing);
        std::thread::Builder::new()
            .name("sqlite-log".to_owned())
            .spawn(move || {
                while rung.recv().is_ok() {
                    if let Err(error) = carry_over(&connection, &writer) {
                        tracing::warn!(%error, "the database's log could not be carried over");
                    }
                }
            })
            .map_err(|_| DbError::Closed)
    }
}

fn carry_over(connection: &Connection, writer: &Weak<Mutex<Writer>>) -> rusqlite::Result<()> {
    checkpoint(connection)?;
    let Some(writer) = writer.upgrade() else { return Ok(()) };
    let _held_up = writer.lock();
    checkpoint(connection)
}

/// As much as readers let it; never waits for anybody.
fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
