//! A person who leaves: everything of theirs goes, in one transaction.
//!
//! What stays names nobody: sums over all who have left, and under a keyed hash of the person's id
//! what must not be had twice (the month's free lot, the welcome) or go back (the version). Their
//! Stripe customers become nobody's ([`departed`]); the subscription is cancelled by a durable row
//! that is worked on until Stripe has done it, so that leaving never waits for Stripe.
//!
//! Whatever was under way for them finds no row any more and writes none: each transaction that
//! would begin something of a person's needs that person to be there.

use crate::app::App;
use crate::billing::departed;
use crate::clock::month_of;
use crate::db::{DbError, Tx};
use crate::ledger;
use autocrea_protocol::{GenerationId, UserId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long whoever leaves is kept waiting for Stripe; after that it is done without them.
const WAITS_FOR_STRIPE: Duration = Duration::from_secs(3);

/// The bytes that become the key of the hashes if there is none yet.
pub type FreshKey = [u8; 64];

/// Why somebody could not leave.
#[derive(Debug, thiserror::Error)]
pub enum DepartureError {
    /// The database refused; nothing has happened.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The system gives no randomness.
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

/// Who tells of a departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The person; Clerk still knows them.
    ByThemselves,
    /// Clerk, which knows them no more.
    ByClerk,
}

/// What somebody who has left had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Former {
    /// Their last version.
    pub version: i64,
    /// The last month whose free lot they had.
    pub free_month: Option<String>,
    /// Whether Clerk has said that they are gone.
    pub gone_at_clerk: bool,
}

/// Erases a person, stops what they are running and cancels what they pay for. Stripe is given a
/// moment to do it; if it does not answer, that goes on by itself.
///
/// # Errors
/// [`DepartureError`]; nothing has happened then.
pub async fn erase(app: &Arc<App>, user: &UserId, told: Told) -> Result<(), DepartureError> {
    let mut fresh = [0; 64];
    getrandom::fill(&mut fresh).map_err(DepartureError::Random)?;
    let id = user.clone();
    let customers = app.db.write(move |tx| leave(tx, &id, told, &fresh)).await?;
    app.db.erased();
    // What ran finds its reservation ended, and tells its followers so.
    if let Err(fault) = app.generations.forget(user).await {
        tracing::error!(%fault, "the text of somebody who left could not be removed; it expires");
    }
    app.snapshots.forget(user).await;
    let billing = Arc::clone(&app.billing);
    let cancelling = app.tasks.spawn(async move {
        for customer in &customers {
            departed::attempt(&billing, customer).await;
        }
    });
    if told == Told::ByThemselves {
        timeout(WAITS_FOR_STRIPE, cancelling).await.ok();
    }
    Ok(())
}

/// Erases a person; answers the customers at whom something may still live. Somebody who is not
/// there is only remembered as gone, if Clerk says so.
///
/// # Errors
/// If the database refuses.
pub fn leave(
    tx: &mut Tx<'_>,
    user: &UserId,
    told: Told,
    fresh: &FreshKey,
) -> Result<Vec<String>, DbError> {
    let key = make_key(tx, fresh)?;
    tx.hold_person(user)?;
    let version: Option<i64> =
        tx.query_opt("SELECT version FROM people WHERE id = ?1", &[user], |row| row.get(0))?;
    let Some(version) = version else {
        if told == Told::ByClerk {
            remember(tx, &hash(&key, user.as_str()), 0, None, told)?;
        }
        return Ok(Vec::new());
    };
    let free_month = last_free_month(tx, user)?;
    end_all(tx, user)?;
    count(tx, user)?;
    // The transaction itself may add one.
    remember(tx, &hash(&key, user.as_str()), version + 1, free_month.as_deref(), told)?;
    let customers = departed::leave(tx, user, &key)?;
    for sql in ERASE {
        tx.execute(sql, &[user])?;
    }
    Ok(customers)
}

/// In an order that no reference is in the way of.
const ERASE: [&str; 7] = [
    "DELETE FROM mails WHERE user_id = ?1",
    "DELETE FROM holds WHERE user_id = ?1",
    "DELETE FROM reservations WHERE user_id = ?1",
    "DELETE FROM generations WHERE user_id = ?1",
    "DELETE FROM entries WHERE user_id = ?1",
    "DELETE FROM lots WHERE user_id = ?1",
    "DELETE FROM people WHERE id = ?1",
];

/// Ends what is open, so that what stays adds up, and signals whoever watches.
fn end_all(tx: &mut Tx<'_>, user: &UserId) -> Result<(), DbError> {
    let open = tx.query_all(
        "SELECT generation_id FROM reservations WHERE user_id = ?1 AND state = 'open'",
        &[user],
        |row| row.get::<GenerationId>(0),
    )?;
    for generation in open {
        ledger::release(tx, user, generation)?;
    }
    let live = tx.query_all(
        "SELECT source FROM lots WHERE user_id = ?1 AND ended_at IS NULL",
        &[user],
        |row| row.get::<String>(0),
    )?;
    for source in &live {
        ledger::end_lot(tx, source)?;
    }
    tx.touch(user)
}

/// Adds a person's sums to those of everybody who has left.
fn count(tx: &mut Tx<'_>, user: &UserId) -> Result<(), DbError> {
    tx.execute(
        "INSERT INTO departed_totals
             (id, people, generations, granted, spent, expired, revoked)
         SELECT 1, 1, (SELECT COUNT(*) FROM generations WHERE user_id = ?1),
             granted, spent, expired, revoked
         FROM people WHERE id = ?1
         ON CONFLICT (id) DO UPDATE SET people = departed_totals.people + 1,
             generations = departed_totals.generations + excluded.generations,
             granted = departed_totals.granted + excluded.granted,
             spent = departed_totals.spent + excluded.spent,
             expired = departed_totals.expired + excluded.expired,
             revoked = departed_totals.revoked + excluded.revoked",
        &[user],
    )?;
    Ok(())
}

/// The last month whose free lot a person had, in this life or the one before.
fn last_free_month(tx: &mut Tx<'_>, user: &UserId) -> Result<Option<String>, DbError> {
    let before =
        tx.query_one("SELECT former_free_month FROM people WHERE id = ?1", &[user], |row| {
            row.get::<Option<String>>(0)
        })?;
    let now = tx.now();
    let source = ledger::free_source(user, now);
    let had = tx.query_opt("SELECT 1 FROM lots WHERE source = ?1", &[&source], |_| Ok(()))?;
    Ok(if had.is_some() { Some(month_of(now)) } else { before })
}

fn remember(
    tx: &mut Tx<'_>,
    person: &[u8; 32],
    version: i64,
    free_month: Option<&str>,
    told: Told,
) -> Result<(), DbError> {
    let (now, gone) = (tx.now(), told == Told::ByClerk);
    tx.execute(
        "INSERT INTO departures (person, version, free_month, gone_at_clerk, left_at)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (person) DO UPDATE SET left_at = excluded.left_at,
             version = CASE WHEN departures.version > excluded.version
                 THEN departures.version ELSE excluded.version END,
             free_month = COALESCE(excluded.free_month, departures.free_month),
             gone_at_clerk = CASE WHEN excluded.gone_at_clerk = 1
                 THEN 1 ELSE departures.gone_at_clerk END",
        &[&&person[..], &version, &free_month, &gone, &now],
    )?;
    Ok(())
}

/// What is remembered of somebody who has left; `None` if they never did.
///
/// # Errors
/// If the database refuses.
pub fn former(tx: &mut Tx<'_>, user: &UserId) -> Result<Option<Former>, DbError> {
    let Some(key) = key(tx)? else { return Ok(None) };
    let person = hash(&key, user.as_str());
    tx.query_opt(
        "SELECT version, free_month, gone_at_clerk FROM departures WHERE person = ?1",
        &[&&person[..]],
        |row| {
            Ok(Former { version: row.get(0)?, free_month: row.get(1)?, gone_at_clerk: row.get(2)? })
        },
    )
}

/// The key of the hashes, if anybody ever left.
///
/// # Errors
/// If the database refuses.
pub fn key(tx: &mut Tx<'_>) -> Result<Option<Vec<u8>>, DbError> {
    tx.query_opt("SELECT key FROM hash_keys WHERE name = 'departures'", &[], |row| row.get(0))
}

fn make_key(tx: &mut Tx<'_>, fresh: &FreshKey) -> Result<Vec<u8>, DbError> {
    if let Some(key) = key(tx)? {
        return Ok(key);
    }
    tx.query_one(
        "INSERT INTO hash_keys (name, key) VALUES ('departures', ?1)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING key",
        &[&&fresh[..]],
        |row| row.get(0),
    )
}

/// What an id is remembered by.
#[must_use]
pub fn hash(key: &[u8], id: &str) -> [u8; 32] {
    // A key of any length will do.
    Hmac::<Sha256>::new_from_slice(key).map_or([0; 32], |mut mac| {
        mac.update(id.as_bytes());
        mac.finalize().into_bytes().into()
    })
}
