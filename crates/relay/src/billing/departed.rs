//! Customers of people who have left: nobody's, for good.
//!
//! Of such a customer only a keyed hash is kept. No event of theirs keeps a payload or changes
//! anything, no person is ever found for them again, and whatever they could still be charged for at
//! Stripe is ended: a row says so from the transaction in which the person leaves until Stripe has
//! done it. Whoever takes a row puts it off, so that one whose worker dies comes again by itself.

use super::{Billing, BillingError};
use crate::db::{DbError, Tx};
use crate::departure;
use crate::stripe::StripeFault;
use crate::stripe::customers::Found;
use autocrea_protocol::UserId;
use std::sync::Arc;
use std::time::Duration;

/// How often the rows are looked at.
const EVERY: Duration = Duration::from_secs(5);
/// A row that was taken is left alone for longer than the calls may take.
const TAKEN_FOR_MILLIS: i64 = 120_000;
const LONGEST_PAUSE_MILLIS: i64 = 15 * 60_000;

/// Makes a person's customers nobody's; answers those at whom something may still live.
///
/// # Errors
/// If the database refuses.
pub fn leave(tx: &mut Tx<'_>, user: &UserId, key: &[u8]) -> Result<Vec<String>, DbError> {
    let customers = tx.query_all(
        "SELECT id, deleted_at IS NULL FROM customers WHERE user_id = ?1 ORDER BY id",
        &[user],
        |row| Ok((row.get::<String>(0)?, row.get::<bool>(1)?)),
    )?;
    let mut present = Vec::new();
    for (customer, is_there) in customers {
        mark(tx, &customer, key)?;
        for sql in ERASE {
            tx.execute(sql, &[&customer])?;
        }
        if is_there {
            arm(tx, &customer)?;
            present.push(customer);
        }
    }
    tx.execute(
        "DELETE FROM dispute_takings
         WHERE source IN (SELECT source FROM lots WHERE user_id = ?1)",
        &[user],
    )?;
    Ok(present)
}

/// Makes a customer nobody's that was made for somebody while they left.
///
/// # Errors
/// If the database refuses.
pub fn turn_away(tx: &mut Tx<'_>, customer: &str) -> Result<(), DbError> {
    let Some(key) = departure::key(tx)? else { return Ok(()) };
    mark(tx, customer, &key)?;
    arm(tx, customer)
}

fn mark(tx: &mut Tx<'_>, customer: &str, key: &[u8]) -> Result<(), DbError> {
    let (now, hash) = (tx.now(), departure::hash(key, customer));
    tx.execute(
        "INSERT INTO departed_customers (customer, left_at) VALUES (?1, ?2)
         ON CONFLICT (customer) DO NOTHING",
        &[&&hash[..], &now],
    )?;
    strip_events(tx, customer)
}

const ERASE: [&str; 3] = [
    "DELETE FROM duplicate_subscriptions WHERE customer = ?1",
    "DELETE FROM checkouts WHERE customer = ?1",
    "DELETE FROM customers WHERE id = ?1",
];

/// Lets go of whatever the events of a customer say, and of whose they are.
///
/// # Errors
/// If the database refuses.
pub fn strip_events(tx: &mut Tx<'_>, customer: &str) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute(
        "UPDATE stripe_events SET payload = NULL, object_id = NULL, hangs_on = NULL
         WHERE hangs_on IN (SELECT object_id FROM stripe_events WHERE customer = ?1)",
        &[&customer],
    )?;
    tx.execute(
        "UPDATE stripe_events SET payload = NULL, customer = NULL, charge = NULL, object_id = NULL,
             error = NULL, ended_at = COALESCE(ended_at, ?2),
             state = CASE WHEN state = 'done' THEN state ELSE 'ignored' END
         WHERE customer = ?1",
        &[&customer, &now],
    )?;
    Ok(())
}

/// Whether a customer is one of somebody who has left.
///
/// # Errors
/// If the database refuses.
pub fn is_departed(tx: &mut Tx<'_>, customer: &str) -> Result<bool, DbError> {
    let Some(key) = departure::key(tx)? else { return Ok(false) };
    let hash = departure::hash(&key, customer);
    let found = tx.query_opt(
        "SELECT 1 FROM departed_customers WHERE customer = ?1",
        &[&&hash[..]],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Says that something may live at a customer who is nobody's any more. Whoever is looking at them
/// just now looks again.
///
/// # Errors
/// If the database refuses.
pub fn arm(tx: &mut Tx<'_>, customer: &str) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO cancellations (customer, due_at) VALUES (?1, ?2)
         ON CONFLICT (customer) DO UPDATE SET due_at = excluded.due_at,
             attempts = cancellations.attempts + 1",
        &[&customer, &now],
    )?;
    Ok(())
}

/// The customer whose turn it is, if any; of several that ask at the same time only one is given it.
fn take(tx: &mut Tx<'_>) -> Result<Option<(String, i64)>, DbError> {
    let now = tx.now();
    let due = tx.query_opt(
        "SELECT customer FROM cancellations WHERE due_at <= ?1 ORDER BY due_at, customer LIMIT 1
         /*pg: FOR UPDATE SKIP LOCKED */",
        &[&now],
        |row| row.get::<String>(0),
    )?;
    match due {
        Some(customer) => Ok(take_this(tx, &customer)?.map(|attempts| (customer, attempts))),
        None => Ok(None),
    }
}

/// Takes one that is due; answers how often it has been taken.
fn take_this(tx: &mut Tx<'_>, customer: &str) -> Result<Option<i64>, DbError> {
    let now = tx.now();
    tx.query_opt(
        "UPDATE cancellations SET attempts = attempts + 1, due_at = ?3
         WHERE customer = ?1 AND due_at <= ?2 RETURNING attempts",
        &[&customer, &now, &now.plus_millis(TAKEN_FOR_MILLIS)],
        |row| row.get(0),
    )
}

fn put_off(tx: &mut Tx<'_>, customer: &str, attempts: i64) -> Result<(), DbError> {
    let until = tx.now().plus_millis(pause_millis(attempts));
    tx.execute("UPDATE cancellations SET due_at = ?2 WHERE customer = ?1", &[&customer, &until])?;
    Ok(())
}

/// Two seconds after the first attempt, and ever longer.
fn pause_millis(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(1, 16)).unwrap_or(16);
    (1000_i64 << doublings).min(LONGEST_PAUSE_MILLIS)
}

/// Ends the row, unless it was armed again meanwhile.
fn done(tx: &mut Tx<'_>, customer: &str, attempts: i64) -> Result<(), DbError> {
    // What came in the moment of leaving had not heard of it.
    strip_events(tx, customer)?;
    tx.execute(
        "DELETE FROM cancellations WHERE customer = ?1 AND attempts = ?2",
        &[&customer, &attempts],
    )?;
    Ok(())
}

/// Runs until the relay stops.
pub async fn run(billing: Arc<Billing>) {
    loop {
        let passed = tokio::select! {
            () = billing.stopping.cancelled() => return,
            passed = pass(&billing) => passed,
        };
        if let Err(error) = passed {
            tracing::error!(%error, "cancellations could not be worked on; they will be tried again");
        }
        tokio::select! {
            () = billing.stopping.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Works on everything that is due.
///
/// # Errors
/// If the database refuses.
pub async fn pass(billing: &Billing) -> Result<(), DbError> {
    while any_due(billing).await? {
        let Some((customer, attempts)) = billing.db.write(take).await? else { break };
        work(billing, &customer, attempts).await;
    }
    Ok(())
}

async fn any_due(billing: &Billing) -> Result<bool, DbError> {
    let found = billing.db.read(|tx| {
        let now = tx.now();
        tx.query_opt("SELECT 1 FROM cancellations WHERE due_at <= ?1 LIMIT 1", &[&now], |_| Ok(()))
    });
    Ok(found.await?.is_some())
}

/// One attempt now, unless somebody else is at it.
pub(crate) async fn attempt(billing: &Billing, customer: &str) {
    let name = customer.to_owned();
    match billing.db.write(move |tx| take_this(tx, &name)).await {
        Ok(Some(attempts)) => work(billing, customer, attempts).await,
        Ok(None) => {}
        Err(error) => tracing::error!(%error, "a cancellation could not be taken"),
    }
}

async fn work(billing: &Billing, customer: &str, attempts: i64) {
    let ended = end_everything(billing, customer).await;
    let name = customer.to_owned();
    let written = match ended {
        Ok(()) => billing.db.write(move |tx| done(tx, &name, attempts)).await,
        Err(error) => {
            tracing::warn!(customer, attempts, %error, "somebody who left still pays; it will be tried again");
            billing.db.write(move |tx| put_off(tx, &name, attempts)).await
        }
    };
    if let Err(error) = written {
        tracing::error!(%error, "what became of a cancellation could not be written down");
    }
}

/// Ends whatever a customer could still be charged for. The customer itself stays, for the invoices.
async fn end_everything(billing: &Billing, customer: &str) -> Result<(), BillingError> {
    match end_all_of(billing, customer).await {
        // Only Stripe's own word that the customer is deleted means that nothing is left to end.
        Err(StripeFault::NotFound(_))
            if billing.stripe.customer(customer).await? == Found::Deleted =>
        {
            Ok(())
        }
        ended => Ok(ended?),
    }
}

async fn end_all_of(billing: &Billing, customer: &str) -> Result<(), StripeFault> {
    let shut = shut_checkouts(billing, customer).await;
    // Whatever became of that: these are what costs.
    for subscription in billing.stripe.unended_subscriptions(customer).await? {
        let key = format!("autocrea:cancel:{subscription}");
        billing.stripe.cancel_now(&subscription, &key).await?;
    }
    shut
}

async fn shut_checkouts(billing: &Billing, customer: &str) -> Result<(), StripeFault> {
    for session in billing.stripe.open_checkouts(customer).await? {
        billing.stripe.expire_checkout(&session.id).await?;
    }
    Ok(())
}
