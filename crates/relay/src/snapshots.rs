//! Account snapshots on their way to the app: read from the database, or from Redis where a replica
//! has left the one of the present version there.
//!
//! The version is always read from the database, so that what Redis holds can be useless but never
//! wrong. A person who has left and come back begins with a version that there has been before;
//! their record's age tells the two apart. What is left there goes by itself after [`KEPT`].

use crate::account;
use crate::db::{Db, DbError, Tx};
use crate::redis::Redis;
use autocrea_protocol::{AccountSnapshot, UnixMillis, UserId};
use futures_util::future::join_all;
use std::time::Duration;

const KEPT: Duration = Duration::from_secs(600);

/// Where snapshots come from.
pub enum Snapshots {
    /// The database.
    Read,
    /// Redis, and the database for those that are not there.
    Cached(Redis),
}

/// A snapshot, and whether its person has been seen this month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// False if the month's free lot may be missing.
    pub seen: bool,
    /// As of one version.
    pub snapshot: AccountSnapshot,
}

impl Snapshots {
    /// From Redis too, if there is one.
    #[must_use]
    pub fn new(redis: Option<Redis>) -> Self {
        redis.map_or(Self::Read, Self::Cached)
    }

    /// The present one of a person.
    ///
    /// # Errors
    /// If the database refuses, or there is no such person.
    pub async fn of(&self, db: &Db, user: &UserId) -> Result<Shown, DbError> {
        let Self::Cached(redis) = self else { return read(db, user).await };
        let id = user.clone();
        let (seen, version, created_at) = db.read(move |tx| present(tx, &id)).await?;
        let name = name(redis, user);
        if let Some(snapshot) = get(redis, &name).await
            && (snapshot.version, snapshot.user.created_at) == (version, created_at)
        {
            return Ok(Shown { seen, snapshot });
        }
        let shown = read(db, user).await?;
        put(redis, &name, &shown.snapshot).await;
        Ok(shown)
    }

    /// The present ones of several people, in their order; none of whoever is not there.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn of_all(&self, db: &Db, users: &[UserId]) -> Result<Vec<Option<Shown>>, DbError> {
        let looked = |shown| match shown {
            Ok(shown) => Ok(Some(shown)),
            Err(DbError::NoRow) => Ok(None),
            Err(error) => Err(error),
        };
        // One is found in less time than it takes to hand the search to another thread.
        if matches!(self, Self::Cached(_)) || users.len() == 1 {
            let all = join_all(users.iter().map(|user| self.of(db, user))).await;
            return all.into_iter().map(looked).collect();
        }
        let users = users.to_vec();
        db.read(move |tx| users.iter().map(|user| looked(look(tx, user))).collect()).await
    }

    /// Removes what is left of a person who has gone.
    pub async fn forget(&self, user: &UserId) {
        let Self::Cached(redis) = self else { return };
        let name = name(redis, user);
        let delete = redis::cmd("DEL").arg(name).to_owned();
        redis.ask(async |mut connection| delete.query_async::<()>(&mut connection).await).await;
    }
}

async fn read(db: &Db, user: &UserId) -> Result<Shown, DbError> {
    let user = user.clone();
    db.glance(move |tx| look(tx, &user)).await
}

fn look(tx: &mut Tx<'_>, user: &UserId) -> Result<Shown, DbError> {
    let seen = account::seen(tx, user)?.is_some();
    Ok(Shown { seen, snapshot: account::snapshot(tx, user)? })
}

/// Whether they have been seen this month, their version, and since when they have been known.
fn present(tx: &mut Tx<'_>, user: &UserId) -> Result<(bool, i64, UnixMillis), DbError> {
    let seen = account::seen(tx, user)?.is_some();
    let (version, created_at) = account::version(tx, user)?;
    Ok((seen, version, created_at))
}

fn name(redis: &Redis, user: &UserId) -> String {
    redis.name("account", user.as_str())
}

async fn get(redis: &Redis, name: &str) -> Option<AccountSnapshot> {
    let get = redis::cmd("GET").arg(name).to_owned();
    let kept =
        redis.ask(async |mut connection| get.query_async::<Option<Vec<u8>>>(&mut connection).await);
    // What another version of the relay wrote may not be readable; then it is not there.
    serde_json::from_slice(&kept.await??).ok()
}

async fn put(redis: &Redis, name: &str, snapshot: &AccountSnapshot) {
    let Ok(bytes) = serde_json::to_vec(snapshot) else { return };
    let set = redis::cmd("SET").arg(name).arg(bytes).arg("EX").arg(KEPT.as_secs()).to_owned();
    redis.ask(async |mut connection| set.query_async::<()>(&mut connection).await).await;
}
