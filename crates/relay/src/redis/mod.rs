//! Redis, for deployments of several replicas; the relay works without it.
//!
//! It takes the counters of [`crate::limits`], the cache of [`crate::snapshots`] and the words of
//! [`fanout`]. Nothing is only there: whoever asks gets `None` while Redis is away and does without.
//!
//! One connection carries all commands. A command that fails or is not answered within [`PATIENCE`]
//! means that Redis is away: the connection is dropped, nobody waits any more, and a task tries in
//! the background until Redis answers again. Each change of state is one line in the log.
//!
//! Every name in Redis begins with a mark of the database, so that two deployments can share one.

pub mod fanout;

use crate::db::{Db, DbError};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo, RedisError};
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a command may take: nobody is to wait for what can be done without.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a connection, and the first word on it, may take.
const CONNECT: Duration = Duration::from_secs(1);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Commands on their way at once before one waits for another.
const QUEUE: usize = 1_024;

/// Why it is away.
#[derive(Debug, thiserror::Error)]
pub enum Absence {
    /// It did not answer in time.
    #[error("it did not answer in time")]
    Silent,
    /// It refused, or the connection did.
    #[error("{}", why(.0))]
    Refused(#[from] RedisError),
}

/// Why something was refused. Of what Redis answered only the code is said, and of an address that
/// cannot be used nothing: either may carry what is nobody's business.
fn why(error: &RedisError) -> String {
    match error.code() {
        Some("NOAUTH") => "it wants a password (NOAUTH)".to_owned(),
        Some("WRONGPASS") => "it does not take this user or password (WRONGPASS)".to_owned(),
        Some("NOPERM") => "its user may not do what the relay needs (NOPERM)".to_owned(),
        Some(code) => format!("it refused ({code})"),
        None if error.is_io_error() => error.to_string(),
        None => error.category().to_owned(),
    }
}

/// A handle; cheap to clone.
#[derive(Clone)]
pub struct Redis {
    line: Arc<Line>,
    _keeper: Arc<Keeper>,
}

/// The connection while there is one, numbered, so that a late failure on an old one does not end
/// its successor.
type Connected = Option<(u64, MultiplexedConnection)>;

struct Line {
    client: Client,
    mark: String,
    patience: Duration,
    connected: watch::Sender<Connected>,
    /// That its user may not do something has been said.
    complained: AtomicBool,
}

/// The task that connects again; it goes with the last handle.
struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Which deployment a name in Redis belongs to: derived from a secret of the database.
///
/// # Errors
/// If the database refuses, or the system gives no randomness.
pub async fn mark(db: &Db) -> Result<String, DbError> {
    let fresh = uuid::Uuid::new_v4().into_bytes();
    db.write(move |tx| {
        tx.query_one(
            "INSERT INTO hash_keys (name, key) VALUES ('redis', ?1)
             ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING key",
            &[&&fresh[..]],
            |row| row.get::<Vec<u8>>(0).map(hex::encode),
        )
    })
    .await
}

impl Redis {
    /// Begins to connect, and waits for nothing.
    ///
    /// # Errors
    /// If the address is none.
    pub fn open(address: &SecretString, mark: String) -> Result<Self, RedisError> {
        Self::open_patiently(address, mark, PATIENCE)
    }

    /// As [`Redis::open`]; a command may take so long.
    ///
    /// # Errors
    /// If the address is none.
    pub fn open_patiently(
        address: &SecretString,
        mark: String,
        patience: Duration,
    ) -> Result<Self, RedisError> {
        let connected = watch::Sender::default();
        let line = Arc::new(Line {
            client: client(address)?,
            mark,
            patience,
            connected,
            complained: AtomicBool::new(false),
        });
        let keeper = Keeper(tokio::spawn(keep(Arc::clone(&line))));
        Ok(Self { line, _keeper: Arc::new(keeper) })
    }

    /// Asks it something; `None` if it is away, or its user may not.
    pub async fn ask<T: FromRedisValue>(
        &self,
        question: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Option<T> {
        let (number, connection) = self.line.connected.borrow().clone()?;
        let fault = match timeout(self.line.patience, question(connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(refusal)) if refusal.code() == Some("NOPERM") => {
                self.line.may_not(refusal);
                return None;
            }
            Ok(Err(refusal)) => Absence::Refused(refusal),
            Err(_) => Absence::Silent,
        };
        self.line.lost(number, &fault);
        None
    }

    /// A name that is this deployment's.
    #[must_use]
    pub fn name(&self, kind: &str, of: impl Display) -> String {
        format!("autocrea:{}:{kind}:{of}", self.line.mark)
    }

    /// Waits until it is there.
    pub async fn there(&self) {
        // The sender lives in `self`, so this ends only when it is there.
        self.line.connected.subscribe().wait_for(Option::is_some).await.ok();
    }

    /// Waits until it is away.
    pub async fn away(&self) {
        self.line.connected.subscribe().wait_for(Option::is_none).await.ok();
    }
}

impl Line {
    /// It is there all the same, and there is no use in connecting again.
    fn may_not(&self, refusal: RedisError) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            let fault = Absence::Refused(refusal);
            tracing::error!(%fault, "Redis refuses some of what is asked of it; going on without that");
        }
    }

    fn lost(&self, number: u64, fault: &Absence) {
        let was_there = self.connected.send_if_modified(|connected| {
            let is_it = connected.as_ref().is_some_and(|(known, _)| *known == number);
            if is_it {
                *connected = None;
            }
            is_it
        });
        if was_there {
            tracing::warn!(%fault, "Redis is away; going on without it");
        }
    }
}

/// Asks a Redis at this address whether it takes what the relay asks of it: writing, publishing and
/// listening.
///
/// # Errors
/// Why not.
pub async fn reach(address: &SecretString) -> Result<(), Absence> {
    let client = client(address)?;
    let mut connection = connect(&client, "check").await?;
    let channel = "autocrea:check:changes:all";
    let told = async {
        client.get_async_pubsub().await?.subscribe(channel).await?;
        redis::cmd("PUBLISH").arg(channel).arg("").query_async::<u64>(&mut connection).await?;
        Ok(())
    };
    timeout(CONNECT, told).await.unwrap_or(Err(Absence::Silent))
}

/// Whether there can be a Redis at this address.
#[must_use]
pub fn is_address(address: &SecretString) -> bool {
    client(address).is_ok()
}

fn client(address: &SecretString) -> Result<Client, RedisError> {
    let tcp = TcpSettings::default().set_nodelay(true);
    Client::open(address.expose_secret().into_connection_info()?.set_tcp_settings(tcp))
}

/// A connection on which something has been written: one that may only read is of no use.
async fn connect(client: &Client, mark: &str) -> Result<MultiplexedConnection, Absence> {
    let settings = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(None)
        .set_pipeline_buffer_size(QUEUE);
    let connecting = async {
        let mut connection = client.get_multiplexed_async_connection_with_config(&settings).await?;
        redis::cmd("SET")
            .arg(format!("autocrea:{mark}:there"))
            .arg(1)
            .arg("PX")
            .arg(1_000)
            .query_async::<()>(&mut connection)
            .await?;
        Ok(connection)
    };
    timeout(CONNECT, connecting).await.unwrap_or(Err(Absence::Silent))
}

/// Connects, waits until that connection is lost, and begins again.
async fn keep(line: Arc<Line>) {
    let (mut number, mut said) = (0, false);
    let mut lost = line.connected.subscribe();
    loop {
        match connect(&line.client, &line.mark).await {
            Ok(connection) => {
                tracing::info!("Redis is there");
                number += 1;
                line.connected.send_replace(Some((number, connection)));
                if lost.wait_for(Option::is_none).await.is_err() {
                    return;
                }
                said = true;
            }
            Err(fault) if !said => {
                tracing::warn!(%fault, "Redis is away; going on without it");
                said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}
