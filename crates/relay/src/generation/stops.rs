//! Requests to stop what another replica runs, addressed to that replica's lease.
//!
//! Each replica takes its own a few times a second, so that none is lost with a signal and an idle
//! table is all that they cost. Only where several replicas share the database.

use super::live::{Key, StopReason};
use crate::db::{DbError, Tx};
use autocrea_protocol::{GenerationId, UserId};

/// A request that nobody took belonged to a replica that died.
const KEPT_MILLIS: i64 = 3_600_000;

/// What is to be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// One generation, by its creator.
    One(Key),
    /// All of a person who has left.
    AllOf(UserId),
}

/// Asks whoever has this lease to stop a generation, for its creator.
///
/// # Errors
/// If the database refuses.
pub fn request(tx: &mut Tx<'_>, lease: &str, key: &Key) -> Result<(), DbError> {
    tx.execute(
        "INSERT INTO stop_requests (lease, user_id, generation_id, at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (lease, user_id, generation_id) DO NOTHING",
        &[&lease, &key.user, &key.generation, &tx.now()],
    )?;
    Ok(())
}

/// Asks everybody but `own` to stop all that somebody is running who has left.
///
/// # Errors
/// If the database refuses.
pub fn request_all_of(tx: &mut Tx<'_>, own: &str, user: &UserId) -> Result<(), DbError> {
    tx.execute(
        "INSERT INTO stop_requests (lease, user_id, generation_id, at)
         SELECT id, ?2, '', ?3 FROM leases WHERE id <> ?1
         ON CONFLICT (lease, user_id, generation_id) DO NOTHING",
        &[&own, user, &tx.now()],
    )?;
    Ok(())
}

/// Whether one of these has still to be taken.
///
/// # Errors
/// If the database refuses.
pub fn is_pending(tx: &mut Tx<'_>, user: &UserId) -> Result<bool, DbError> {
    let pending =
        tx.query_opt("SELECT 1 FROM stop_requests WHERE user_id = ?1", &[user], |_| Ok(()))?;
    Ok(pending.is_some())
}

/// Takes what is addressed to this lease.
///
/// # Errors
/// If the database refuses.
pub fn take(tx: &mut Tx<'_>, lease: &str) -> Result<Vec<Stop>, DbError> {
    let old = tx.now().plus_millis(-KEPT_MILLIS);
    let taken = tx.query_all(
        "DELETE FROM stop_requests WHERE lease = ?1 OR at < ?2
         RETURNING lease, user_id, NULLIF(generation_id, '')",
        &[&lease, &old],
        |row| {
            let is_ours = row.get::<String>(0)? == lease;
            let user = row.get(1)?;
            let stop = match row.get::<Option<GenerationId>>(2)? {
                Some(generation) => Stop::One(Key { user, generation }),
                None => Stop::AllOf(user),
            };
            Ok(is_ours.then_some(stop))
        },
    )?;
    Ok(taken.into_iter().flatten().collect())
}

impl Stop {
    /// Whether a running generation is meant.
    #[must_use]
    pub fn means(&self, key: &Key) -> bool {
        match self {
            Self::One(wanted) => wanted == key,
            Self::AllOf(user) => *user == key.user,
        }
    }

    /// What its followers are told.
    #[must_use]
    pub const fn reason(&self) -> StopReason {
        match self {
            Self::One(_) => StopReason::Creator,
            Self::AllOf(_) => StopReason::Relay,
        }
    }
}
