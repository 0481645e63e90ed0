//! One more connection, for what nobody is to be kept waiting by: requests that are counted, places
//! of streams.
//!
//! Everybody asks on it at once. A question is one statement and a transaction of its own, so the
//! answers come in order and no question waits for another's transaction; and what is written is not
//! waited for until it is on the disk.
//!
//! A question that is not answered in time ([`Aside::PATIENCE`]) means that the server is away: the connection
//! is dropped, nobody waits any more, and a task tries in the background until the server answers
//! again. Whoever asks gets `None` meanwhile and does without.

use super::address::{Address, Wire};
use super::fault::Fault;
use super::sql::translated;
use crate::db::value::Source;
use crate::db::{DbError, Param, Row, SqlValue};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};
use tokio_util::task::AbortOnDropHandle;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A handle; cheap to clone.
#[derive(Clone)]
pub struct Aside {
    line: Arc<Line>,
    /// Goes with the last handle.
    _keeper: Arc<AbortOnDropHandle<()>>,
}

struct Line {
    address: Address,
    patience: Duration,
    /// The connection while there is one.
    connected: watch::Sender<Option<Arc<Connected>>>,
    /// That the server refuses something has been said, and it has answered nothing since.
    complained: AtomicBool,
}

/// A connection and the statements that it knows. Its bytes are moved by the keeper.
struct Connected {
    client: Client,
    statements: Mutex<HashMap<&'static str, Statement>>,
}

impl Aside {
    /// How long a question may take: nobody is to wait for what can be done without.
    pub const PATIENCE: Duration = Duration::from_millis(250);

    /// Connects, and goes on trying if that takes too long.
    pub(in crate::db) async fn open(address: &Address, patience: Duration) -> Self {
        let line = Arc::new(Line {
            address: address.aside(patience),
            patience,
            connected: watch::Sender::default(),
            complained: AtomicBool::new(false),
        });
        let keeper = AbortOnDropHandle::new(tokio::spawn(keep(Arc::clone(&line))));
        let aside = Self { line, _keeper: Arc::new(keeper) };
        // So that from the first request on it is counted with the other replicas.
        timeout(CONNECT, aside.there()).await.ok();
        aside
    }

    /// Asks something; what `read` makes of the first row of the answer, if it has one. `None` if
    /// the server is away or refuses.
    pub async fn ask<T>(
        &self,
        sql: &'static str,
        params: &[&(dyn Param + Sync)],
        read: impl FnOnce(&Row<'_>) -> Result<T, DbError>,
    ) -> Option<Option<T>> {
        let connected = self.line.connected.borrow().clone()?;
        let values: Vec<SqlValue<'_>> = params.iter().map(|param| param.value()).collect();
        let answered = timeout(self.line.patience, connected.query(sql, &values)).await;
        match answered {
            Ok(Ok(rows)) => {
                self.line.complained.store(false, Ordering::Relaxed);
                let first = rows.first().map(|row| read(&Row(Source::Postgres(row))));
                first.transpose().map_err(|error| self.line.complain(&error)).ok()
            }
            Ok(Err(error)) => {
                let fault = Fault::from(error);
                if fault.is_absence() {
                    self.line.lost(&connected, &fault);
                } else {
                    self.line.complain(&DbError::Postgres(fault));
                }
                None
            }
            Err(_) => {
                self.line.lost(&connected, &Fault::said("it did not answer in time"));
                None
            }
        }
    }

    /// Waits until it is there.
    pub async fn there(&self) {
        // The sender lives in `self`, so this ends only when it is there.
        self.line.connected.subscribe().wait_for(Option::is_some).await.ok();
    }
}

impl Connected {
    async fn query(
        &self,
        sql: &'static str,
        values: &[SqlValue<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, Error> {
        let known = self.statements.lock().get(sql).cloned();
        let statement = match known {
            Some(statement) => statement,
            None => {
                let prepared = self.client.prepare(&translated(sql)).await?;
                self.statements.lock().insert(sql, prepared.clone());
                prepared
            }
        };
        let values: Vec<_> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        self.client.query(&statement, &values).await
    }
}

impl Line {
    fn complain(&self, error: &DbError) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            tracing::error!(%error, "what replicas share cannot be counted; each counts for itself");
        }
    }

    fn lost(&self, which: &Arc<Connected>, fault: &Fault) {
        let was_there = self.connected.send_if_modified(|connected| {
            let is_it = connected.as_ref().is_some_and(|known| Arc::ptr_eq(known, which));
            if is_it {
                *connected = None;
            }
            is_it
        });
        if was_there {
            tracing::warn!(%fault, "the database does not count in time; counting here without it");
        }
    }
}

/// Connects, moves that connection's bytes until it is lost, and begins again.
async fn keep(line: Arc<Line>) {
    let mut lost = line.connected.subscribe();
    loop {
        match timeout(CONNECT, line.address.connect()).await {
            Ok(Ok((client, wire))) => {
                let connected = Arc::new(Connected { client, statements: Mutex::default() });
                line.connected.send_replace(Some(Arc::clone(&connected)));
                tokio::select! {
                    fault = moved(wire) => line.lost(&connected, &fault),
                    _ = lost.wait_for(Option::is_none) => {}
                }
            }
            Ok(Err(fault)) => tracing::debug!(%fault, "there is no connection to count on"),
            Err(_) => tracing::debug!("there is no connection to count on yet"),
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// Moves a connection's bytes until its end.
async fn moved(mut wire: Box<dyn Wire>) -> Fault {
    loop {
        match poll_fn(|cx| wire.poll_message(cx)).await {
            // Notices; nobody here listens to notifications.
            Some(Ok(_)) => {}
            Some(Err(error)) => return error.into(),
            None => return Fault::said("the connection ended"),
        }
    }
}
