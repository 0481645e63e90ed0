//! What is between replicas, on one connection: who was changed, and locks that hold across them.
//!
//! The people of many commits are told in one `NOTIFY`, outside of any transaction of theirs: inside
//! it would make all commits of the database wait for each other. A word that is lost costs little,
//! since replicas also look for themselves (`crate::sweep`).
//!
//! Locks are advisory and belong to this connection's session, so they go with the process, however
//! that ends. They are only ever tried, never waited for, so that one that is taken holds up nobody
//! else's. When the connection is lost they are, too; what they guard is also guarded by the rows.

use super::address::Address;
use super::fault::Fault;
use crate::changes::Changes;
use crate::db::DbError;
use autocrea_protocol::UserId;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::{AsyncMessage, Client};

const CHANNEL: &str = "autocrea_changes";
/// PostgreSQL takes less than 8,000 bytes at once.
const LARGEST_PAYLOAD: usize = 7_900;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a lost line may take to come back before a lock is given up.
const PATIENCE: Duration = Duration::from_secs(5);
const FIRST_TRY_AGAIN: Duration = Duration::from_millis(5);
const LAST_TRY_AGAIN: Duration = Duration::from_millis(100);

/// The way to the thread that has the connection; cheap to clone.
#[derive(Clone)]
pub(in crate::db) struct Line {
    words: mpsc::UnboundedSender<Word>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

enum Word {
    /// These people were changed.
    Changed(BTreeSet<UserId>),
    TryLock(Wish),
    Unlock(i64),
    Close,
}

/// For a lock. The answer is the lock itself, so that it is given back when whoever asked has gone.
struct Wish {
    key: i64,
    words: mpsc::UnboundedSender<Word>,
    reply: oneshot::Sender<Result<Option<Held>, DbError>>,
}

/// A lock that holds across replicas, until this is dropped.
#[derive(Debug)]
pub struct Held {
    key: i64,
    words: mpsc::UnboundedSender<Word>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.words.send(Word::Unlock(self.key)).ok();
    }
}

impl Line {
    pub(super) fn open(address: Address, changes: Changes) -> Result<Self, DbError> {
        let (words, heard) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| DbError::Postgres(Fault::said(&error.to_string())))?;
        let thread = std::thread::Builder::new()
            .name("postgres-line".to_owned())
            .spawn(move || runtime.block_on(End::new(address, changes, heard).run()))
            .map_err(|_| DbError::Closed)?;
        Ok(Self { words, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// Tells the other replicas whom a commit has changed.
    pub(in crate::db) fn tell(&self, users: BTreeSet<UserId>) {
        self.words.send(Word::Changed(users)).ok();
    }

    /// Waits until no other replica holds `key`. Within this process the caller sees to it.
    pub(in crate::db) async fn hold(&self, key: &str) -> Result<Held, DbError> {
        let digest = Sha256::digest(key.as_bytes());
        let key = digest.iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte));
        let (began, mut pause) = (Instant::now(), FIRST_TRY_AGAIN);
        loop {
            let (reply, answer) = oneshot::channel();
            let wish = Wish { key, words: self.words.clone(), reply };
            self.words.send(Word::TryLock(wish)).map_err(|_| DbError::Closed)?;
            match answer.await.unwrap_or(Err(DbError::Closed)) {
                Ok(Some(held)) => return Ok(held),
                Ok(None) => {}
                Err(DbError::Postgres(fault))
                    if fault.is_absence() && began.elapsed() < PATIENCE => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_TRY_AGAIN);
        }
    }

    /// Says what is still to be said and ends, by `until` at the latest.
    pub(super) fn close(&self, until: Instant) {
        self.words.send(Word::Close).ok();
        if let Some(thread) = self.thread.lock().take() {
            super::ended(thread, until);
        }
    }
}

/// The other end of the way: the connection.
struct End {
    address: Address,
    changes: Changes,
    words: mpsc::UnboundedReceiver<Word>,
    /// By which this process knows its own words.
    name: String,
}

/// Whether the line is to go on.
#[derive(PartialEq)]
enum Go {
    On,
    Home,
}

impl End {
    fn new(address: Address, changes: Changes, words: mpsc::UnboundedReceiver<Word>) -> Self {
        Self { address, changes, words, name: uuid::Uuid::now_v7().simple().to_string() }
    }

    async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.converse(&mut pause).await {
                Ok(()) => return,
                Err(fault) => tracing::warn!(%fault, "the line to other replicas was lost"),
            }
            if self.away(pause).await == Go::Home {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Until the line is closed, or lost.
    async fn converse(&mut self, pause: &mut Duration) -> Result<(), Fault> {
        let (client, mut wire) = self.address.connect().await?;
        let (changes, name) = (self.changes.clone(), self.name.clone());
        let mut moving = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| wire.poll_message(cx)).await {
                if let AsyncMessage::Notification(word) = message {
                    changes.heard(&name, word.payload());
                }
            }
        });
        client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
        *pause = FIRST_PAUSE;
        // Whatever was said while nobody listened.
        self.changes.signal_all();
        loop {
            let word = tokio::select! {
                _ = &mut moving => return Err(Fault::said("the connection ended")),
                word = self.words.recv() => word.unwrap_or(Word::Close),
            };
            if self.say(&client, word).await? == Go::Home {
                return Ok(());
            }
        }
    }

    /// Says a word and whatever has queued up behind it, the changed people of all of them at once.
    async fn say(&mut self, client: &Client, first: Word) -> Result<Go, Fault> {
        let (mut go, mut changed, mut next) = (Go::On, BTreeSet::new(), Some(first));
        while let Some(word) = next {
            match word {
                Word::Changed(mut users) => changed.append(&mut users),
                Word::TryLock(wish) => try_lock(client, wish).await?,
                Word::Unlock(key) => {
                    client.execute("SELECT pg_advisory_unlock($1)", &[&key]).await?;
                }
                Word::Close => go = Go::Home,
            }
            next = self.words.try_recv().ok();
        }
        for payload in payloads(&self.name, &changed) {
            client.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &payload]).await?;
        }
        Ok(go)
    }

    /// Waits before the line is tried again. Nobody is kept waiting for it.
    async fn away(&mut self, pause: Duration) -> Go {
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Go::On,
                word = self.words.recv() => match word {
                    Some(Word::TryLock(wish)) => {
                        let away = Fault::said("the line to other replicas is lost");
                        wish.reply.send(Err(DbError::Postgres(away))).ok();
                    }
                    Some(Word::Changed(_) | Word::Unlock(_)) => {}
                    Some(Word::Close) | None => return Go::Home,
                },
            }
        }
    }
}

async fn try_lock(client: &Client, wish: Wish) -> Result<(), Fault> {
    let Wish { key, words, reply } = wish;
    let tried = client.query_one("SELECT pg_try_advisory_lock($1)", &[&key]).await;
    match tried.and_then(|row| row.try_get::<_, bool>(0)).map_err(Fault::from) {
        Ok(taken) => {
            reply.send(Ok(taken.then(|| Held { key, words }))).ok();
            Ok(())
        }
        Err(fault) => {
            reply.send(Err(DbError::Postgres(fault.clone()))).ok();
            Err(fault)
        }
    }
}

/// The people of a word, one a line after the name of whoever says it.
fn payloads(name: &str, changed: &BTreeSet<UserId>) -> Vec<String> {
    let mut payloads: Vec<String> = Vec::new();
    for user in changed {
        let user = user.as_str();
        match payloads.last_mut() {
            Some(last) if last.len() + 1 + user.len() <= LARGEST_PAYLOAD => {
                last.push('\n');
                last.push_str(user);
            }
            _ => payloads.push(format!("{name}\n{user}")),
        }
    }
    payloads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_people_are_told_in_few_words_and_none_is_left_out() {
        let users: BTreeSet<UserId> = (0..1_000).map(|n| format!("user_{n:027}").into()).collect();
        let said = payloads("me", &users);
        assert!(said.len() <= 5 && said.iter().all(|payload| payload.len() < 8_000));
        let heard: BTreeSet<UserId> = said
            .iter()
            .flat_map(|payload| payload.lines().skip(1).map(UserId::from).collect::<Vec<_>>())
            .collect();
        assert_eq!(heard, users);
        assert!(payloads("me", &BTreeSet::new()).is_empty());
    }
}
