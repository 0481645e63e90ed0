//! A process's claim on what it runs, where other processes share the database.
//!
//! Every reservation carries the lease of the process that runs it. The lease lasts a while by the
//! database's own clock and is renewed all the time; when it has run out, its process is taken for
//! dead, and whichever replica sees it first ends what it had open ([`interrupt_abandoned`]). A
//! process that was only slow finds its generations ended and says so.
//!
//! On SQLite there is one process: nothing is written here, and what is open at start is released.

use crate::db::{Db, DbError, Tx};
use crate::generation::{Key, Outcome, store};
use autocrea_protocol::generation::StreamCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const LASTS_MILLIS: i64 = 30_000;
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// Renewals in a row after which the others' leases are looked at: when the database has been away,
/// everybody's has run out, and everybody gets time to renew it.
const STEADY: u32 = 3;
/// Reservations looked up in one go.
const AT_ONCE: u32 = 200;

/// This process's lease; cheap to clone.
#[derive(Clone)]
pub struct Lease {
    id: String,
    db: Db,
    given_back: CancellationToken,
    /// Held while its row is written: a renewal that is late must not undo that it was given back.
    writing: Arc<Mutex<()>>,
}

impl Lease {
    /// Takes a new one.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn take(db: Db) -> Result<Self, DbError> {
        let id = Uuid::now_v7().to_string();
        let lease = Self { id, db, given_back: CancellationToken::new(), writing: Arc::default() };
        lease.renew().await?;
        Ok(lease)
    }

    /// What reservations and places of streams carry.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Renews it until it is given back, and ends what those left behind who no longer do.
    pub async fn keep(&self) {
        if !self.db.is_shared() {
            return;
        }
        let mut steady = 0;
        while tokio::time::timeout(RENEW_EVERY, self.given_back.cancelled()).await.is_err() {
            if let Err(error) = self.renew().await {
                tracing::error!(%error, "the lease could not be renewed");
                steady = 0;
                continue;
            }
            steady += 1;
            if steady >= STEADY
                && let Err(error) = interrupt_abandoned(&self.db).await
            {
                tracing::error!(%error, "what the dead had open could not be ended");
            }
        }
    }

    /// Ends it: what should still be open under it is anybody's to end.
    pub async fn give_back(&self) {
        self.given_back.cancel();
        if !self.db.is_shared() {
            return;
        }
        let _turn = self.writing.lock().await;
        let id = self.id.clone();
        let gone = self
            .db
            .write(move |tx| tx.execute("DELETE FROM leases WHERE id = ?1", &[&id]).map(drop));
        if let Err(error) = gone.await {
            tracing::warn!(%error, "the lease could not be given back; it will run out");
        }
    }

    async fn renew(&self) -> Result<(), DbError> {
        if !self.db.is_shared() {
            return Ok(());
        }
        let _turn = self.writing.lock().await;
        if self.given_back.is_cancelled() {
            return Ok(());
        }
        let id = self.id.clone();
        let renewed = self.db.write(move |tx| {
            tx.execute(
                "INSERT INTO leases (id, expires_at)
                 VALUES (?1, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) + ?2)
                 ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at",
                &[&id, &LASTS_MILLIS],
            )
        });
        renewed.await.map(drop)
    }
}

/// Ends, as interrupted and for nothing, what processes had open whose lease has run out; answers
/// how much that was.
///
/// # Errors
/// If the database refuses.
pub async fn interrupt_abandoned(db: &Db) -> Result<usize, DbError> {
    if !db.is_shared() {
        return Ok(0);
    }
    let mut ended = 0;
    for key in db.read(abandoned).await? {
        // One at a time: each holds its person.
        ended += usize::from(db.write(move |tx| interrupt(tx, &key)).await?);
    }
    if ended > 0 {
        tracing::warn!(ended, "generations of a process that has died were released");
    }
    db.write(|tx| {
        tx.execute(
            "DELETE FROM leases
             WHERE expires_at <= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
            &[],
        )
    })
    .await?;
    Ok(ended)
}

fn abandoned(tx: &mut Tx<'_>) -> Result<Vec<Key>, DbError> {
    tx.query_all(
        "SELECT user_id, generation_id FROM reservations
         WHERE state = 'open' AND NOT EXISTS (
             SELECT 1 FROM leases WHERE leases.id = reservations.lease AND leases.expires_at
                 > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT))
         LIMIT ?1",
        &[&AT_ONCE],
        |row| Ok(Key { user: row.get(0)?, generation: row.get(1)? }),
    )
}

/// False if its process has come back, or somebody else was first.
fn interrupt(tx: &mut Tx<'_>, key: &Key) -> Result<bool, DbError> {
    tx.hold_person(&key.user)?;
    let still = tx.query_opt(
        "SELECT 1 FROM reservations
         WHERE user_id = ?1 AND generation_id = ?2 AND state = 'open' AND NOT EXISTS (
             SELECT 1 FROM leases WHERE leases.id = reservations.lease AND leases.expires_at
                 > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT))",
        &[&key.user, &key.generation],
        |_| Ok(()),
    )?;
    if still.is_some() {
        store::finish(tx, key, Outcome::Failed(StreamCode::Interrupted), None)?;
    }
    Ok(still.is_some())
}
