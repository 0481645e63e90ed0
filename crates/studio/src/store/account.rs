//! Tables `accounts`, `relay_configs` and `checkouts`: copies of what the relay knows, and what
//! the app has to remember of its own sign-in. One account at a time is in the store.

use super::StoreError;
use super::columns::word;
use crate::ipc::{CheckoutWait, SecretPlace};
use autocrea_protocol::{AccountSnapshot, PlanId, RelayConfig, UnixMillis, UserId};
use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;

/// The account that is signed in, or was until its sign-in ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// Clerk's id.
    pub user_id: UserId,
    /// The sign-in has ended; the data stays.
    pub expired: bool,
    /// Where its refresh token is.
    pub secret_place: SecretPlace,
    /// The newest snapshot.
    pub snapshot: Option<AccountSnapshot>,
    /// When it was received or confirmed.
    pub snapshot_at: Option<UnixMillis>,
}

/// A checkout that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkout {
    /// As the page sees it.
    pub wait: CheckoutWait,
    /// Stripe's session; none for a plan change in the portal.
    pub session_id: Option<String>,
}

const fn place_word(place: SecretPlace) -> &'static str {
    match place {
        SecretPlace::Keyring => "keyring",
        SecretPlace::File => "file",
        SecretPlace::Memory => "memory",
    }
}

fn place_of(text: &str) -> Option<SecretPlace> {
    Some(match text {
        "keyring" => SecretPlace::Keyring,
        "file" => SecretPlace::File,
        "memory" => SecretPlace::Memory,
        _ => return None,
    })
}

/// JSON that a former program may have written in another shape is as if it were not there: it is
/// a copy and comes again.
fn copy<T: DeserializeOwned>(text: Option<String>) -> Option<T> {
    text.and_then(|text| serde_json::from_str(&text).ok())
}

fn json<T: serde::Serialize>(column: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|source| StoreError::Value { column, source })
}

/// Who is signed in, if anybody.
pub fn current(db: &Connection) -> Result<Option<Account>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT user_id, session, secret_place, snapshot, snapshot_at FROM accounts LIMIT 1",
        )?
        .query_row([], |row| {
            let place: Option<String> = row.get(2)?;
            Ok(Account {
                user_id: UserId(row.get(0)?),
                expired: word(row, 1, |text| Some(text == "expired"))?,
                secret_place: place.as_deref().and_then(place_of).unwrap_or(SecretPlace::Memory),
                snapshot: copy(row.get(3)?),
                snapshot_at: row.get::<_, Option<i64>>(4)?.map(UnixMillis),
            })
        })
        .optional()?)
}

/// Signs somebody in: what is known of others goes, what is known of them stays.
pub fn sign_in(db: &Connection, user: &UserId, place: SecretPlace) -> Result<(), StoreError> {
    let others = [
        "DELETE FROM accounts WHERE user_id <> ?1",
        "DELETE FROM checkouts WHERE user_id <> ?1",
        "DELETE FROM ledger_entries WHERE user_id <> ?1",
    ];
    for sql in others {
        db.prepare_cached(sql)?.execute([user.as_str()])?;
    }
    db.prepare_cached(
        "INSERT INTO accounts (user_id, session, secret_place) VALUES (?1, 'signed_in', ?2)
         ON CONFLICT (user_id) DO UPDATE
         SET session = 'signed_in', secret_place = excluded.secret_place",
    )?
    .execute(params![user.as_str(), place_word(place)])?;
    super::sign_in::clear(db)
}

/// The secret has moved.
pub fn set_place(db: &Connection, user: &UserId, place: SecretPlace) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE accounts SET secret_place = ?2 WHERE user_id = ?1")?
        .execute(params![user.as_str(), place_word(place)])?;
    Ok(())
}

/// The sign-in has ended by itself; the person's data stays.
pub fn expire(db: &Connection, user: &UserId) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE accounts SET session = 'expired' WHERE user_id = ?1")?
        .execute([user.as_str()])?;
    Ok(())
}

/// Forgets everybody: snapshot, ledger, checkouts, attempts. Projects and generations stay.
pub fn sign_out(db: &Connection) -> Result<(), StoreError> {
    for sql in ["DELETE FROM accounts", "DELETE FROM checkouts", "DELETE FROM ledger_entries"] {
        db.prepare_cached(sql)?.execute([])?;
    }
    super::sign_in::clear(db)
}

/// Keeps a snapshot unless a newer one is there.
pub fn save_snapshot(
    db: &Connection,
    user: &UserId,
    snapshot: &AccountSnapshot,
    at: UnixMillis,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE accounts SET snapshot = ?3, snapshot_version = ?2, snapshot_at = ?4
         WHERE user_id = ?1 AND (snapshot_version IS NULL OR snapshot_version <= ?2)",
    )?
    .execute(params![
        user.as_str(),
        snapshot.version,
        json("accounts.snapshot", snapshot)?,
        at.0
    ])?;
    Ok(())
}

/// The relay has confirmed that the snapshot is the newest.
pub fn confirm_snapshot(db: &Connection, user: &UserId, at: UnixMillis) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE accounts SET snapshot_at = ?2 WHERE user_id = ?1 AND snapshot IS NOT NULL",
    )?
    .execute(params![user.as_str(), at.0])?;
    Ok(())
}

/// The relay's configuration as last received.
pub fn config(db: &Connection, relay: &str) -> Result<Option<RelayConfig>, StoreError> {
    let text = db
        .prepare_cached("SELECT config FROM relay_configs WHERE relay_url = ?1")?
        .query_row([relay], |row| row.get(0))
        .optional()?;
    Ok(copy(text))
}

/// Keeps it.
pub fn save_config(
    db: &Connection,
    relay: &str,
    config: &RelayConfig,
    at: UnixMillis,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO relay_configs (relay_url, received_at, config) VALUES (?1, ?2, ?3)
         ON CONFLICT (relay_url) DO UPDATE
         SET received_at = excluded.received_at, config = excluded.config",
    )?
    .execute(params![relay, at.0, json("relay_configs.config", config)?])?;
    Ok(())
}

/// The checkout that is waited for.
pub fn checkout(db: &Connection, user: &UserId) -> Result<Option<Checkout>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT plan_id, url, started_at, session_id FROM checkouts WHERE user_id = ?1",
        )?
        .query_row([user.as_str()], |row| {
            let wait = CheckoutWait {
                plan_id: PlanId(row.get(0)?),
                url: row.get(1)?,
                started_at: UnixMillis(row.get(2)?),
            };
            Ok(Checkout { wait, session_id: row.get(3)? })
        })
        .optional()?)
}

/// Waits for this one and no other.
pub fn save_checkout(db: &Connection, user: &UserId, all: &Checkout) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO checkouts (user_id, plan_id, url, started_at, session_id)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id) DO UPDATE SET plan_id = excluded.plan_id, url = excluded.url,
             started_at = excluded.started_at, session_id = excluded.session_id",
    )?
    .execute(params![
        user.as_str(),
        all.wait.plan_id.as_str(),
        all.wait.url,
        all.wait.started_at.0,
        all.session_id,
    ])?;
    Ok(())
}

/// Waits no longer.
pub fn forget_checkout(db: &Connection, user: &UserId) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM checkouts WHERE user_id = ?1")?.execute([user.as_str()])?;
    Ok(())
}
