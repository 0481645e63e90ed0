//! Whose customer is whose, and what Stripe last said of each.
//!
//! People are found by customer id and by nothing else; the id is written down here before a
//! checkout is ever opened for it.

use super::departed;
use super::facts::Facts;
use crate::db::{DbError, Tx};
use autocrea_protocol::{UnixMillis, UserId};

/// The customer of a person, if they have one that is not deleted.
///
/// # Errors
/// If the database refuses.
pub fn of_person(tx: &mut Tx<'_>, user: &UserId) -> Result<Option<String>, DbError> {
    tx.query_opt(
        "SELECT id FROM customers WHERE user_id = ?1 AND deleted_at IS NULL",
        &[user],
        |row| row.get(0),
    )
}

/// How many customers a person has had: part of the key under which the next one is made, so that
/// one deleted at Stripe is not given back by its idempotency.
///
/// # Errors
/// If the database refuses.
pub fn count_of(tx: &mut Tx<'_>, user: &UserId) -> Result<i64, DbError> {
    tx.query_one("SELECT COUNT(*) FROM customers WHERE user_id = ?1", &[user], |row| row.get(0))
}

/// The person of a customer.
///
/// # Errors
/// If the database refuses.
pub fn person_of(tx: &mut Tx<'_>, customer: &str) -> Result<Option<UserId>, DbError> {
    tx.query_opt("SELECT user_id FROM customers WHERE id = ?1", &[&customer], |row| row.get(0))
}

/// Writes a person's customer down; false if they have another one, if it is one of somebody who has
/// left, or if there is no such person (any more).
///
/// # Errors
/// If the database refuses.
pub fn link(tx: &mut Tx<'_>, user: &UserId, customer: &str) -> Result<bool, DbError> {
    tx.hold_person(user)?;
    let known = tx.query_opt("SELECT 1 FROM people WHERE id = ?1", &[user], |_| Ok(()))?;
    if known.is_none() || departed::is_departed(tx, customer)? {
        return Ok(false);
    }
    let now = tx.now();
    tx.execute(
        "INSERT INTO customers (id, user_id, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        &[&customer, user, &now],
    )?;
    Ok(of_person(tx, user)?.as_deref() == Some(customer))
}

/// What Stripe last said of a customer.
///
/// # Errors
/// If the database refuses, or what is there cannot be read.
pub fn facts_of(tx: &mut Tx<'_>, customer: &str) -> Result<Option<Facts>, DbError> {
    let text = tx.query_opt("SELECT facts FROM customers WHERE id = ?1", &[&customer], |row| {
        row.get::<Option<String>>(0)
    })?;
    match text.flatten() {
        None => Ok(None),
        Some(text) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|_| DbError::Column { index: 0, expected: "a customer's facts" }),
    }
}

/// When Stripe was asked for what is known of a customer.
///
/// # Errors
/// If the database refuses.
pub fn asked_at(tx: &mut Tx<'_>, customer: &str) -> Result<Option<UnixMillis>, DbError> {
    let found =
        tx.query_opt("SELECT folded_at FROM customers WHERE id = ?1", &[&customer], |row| {
            row.get::<Option<UnixMillis>>(0)
        })?;
    Ok(found.flatten())
}

/// Keeps what Stripe said when it was asked at `asked_at`.
///
/// # Errors
/// If the database refuses.
pub fn store_facts(
    tx: &mut Tx<'_>,
    customer: &str,
    facts: &Facts,
    asked_at: UnixMillis,
) -> Result<(), DbError> {
    let text = serde_json::to_string(facts)
        .map_err(|_| DbError::Column { index: 0, expected: "a customer's facts" })?;
    let deleted = facts.deleted_at.map(UnixMillis::from_secs);
    tx.execute(
        // One that is there after all is no longer deleted, unless another has taken its place.
        "UPDATE customers SET facts = ?2, folded_at = ?3, deleted_at = CASE
             WHEN CAST(?4 AS BIGINT) IS NULL AND EXISTS (
                 SELECT 1 FROM customers AS other WHERE other.user_id = customers.user_id
                     AND other.id <> customers.id AND other.deleted_at IS NULL)
             THEN customers.deleted_at ELSE ?4 END
         WHERE id = ?1",
        &[&customer, &text, &asked_at, &deleted],
    )?;
    Ok(())
}

/// When a customer was deleted at Stripe, if it was.
///
/// # Errors
/// If the database refuses.
pub fn deleted_at(tx: &mut Tx<'_>, customer: &str) -> Result<Option<UnixMillis>, DbError> {
    let found =
        tx.query_opt("SELECT deleted_at FROM customers WHERE id = ?1", &[&customer], |row| {
            row.get::<Option<UnixMillis>>(0)
        })?;
    Ok(found.flatten())
}

/// Every customer that a person has been, the present one last.
///
/// # Errors
/// If the database refuses.
pub fn all_of(tx: &mut Tx<'_>, user: &UserId) -> Result<Vec<String>, DbError> {
    tx.query_all(
        "SELECT id FROM customers WHERE user_id = ?1
         ORDER BY CASE WHEN deleted_at IS NULL THEN 1 ELSE 0 END, created_at, id",
        &[user],
        |row| row.get(0),
    )
}

/// The customers of everybody who is told that their subscription is live.
///
/// # Errors
/// If the database refuses.
pub fn taken_for_live(tx: &mut Tx<'_>) -> Result<Vec<String>, DbError> {
    tx.query_all(
        "SELECT customers.id FROM customers JOIN people ON people.id = customers.user_id
         WHERE customers.deleted_at IS NULL
             AND people.subscription_status IN ('active', 'trialing', 'past_due', 'paused')",
        &[],
        |row| row.get(0),
    )
}

/// Says when time alone will change what follows from the facts.
///
/// # Errors
/// If the database refuses.
pub fn set_next_change(
    tx: &mut Tx<'_>,
    customer: &str,
    at: Option<UnixMillis>,
) -> Result<(), DbError> {
    tx.execute("UPDATE customers SET next_change_at = ?2 WHERE id = ?1", &[&customer, &at])?;
    Ok(())
}

/// Customers for whom that time has come.
///
/// # Errors
/// If the database refuses.
pub fn changing(tx: &mut Tx<'_>, most: u32) -> Result<Vec<(String, UserId)>, DbError> {
    let now = tx.now();
    tx.query_all(
        "SELECT id, user_id FROM customers WHERE next_change_at <= ?1
         ORDER BY next_change_at LIMIT ?2",
        &[&now, &most],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}
