//! The inbox of Stripe's events.
//!
//! [`receive`] makes events durable; only then is Stripe answered. The worker [`take`]s what is
//! due, which puts it off for a while, so that an event whose worker dies comes again by itself,
//! and ends it in the same transaction as its effect. The key is the event's id: a second delivery
//! changes nothing.

use super::departed;
use super::packed::Packed;
use crate::db::{DbError, Param, Row, Tx};
use crate::stripe::envelope::Envelope;
use autocrea_protocol::UnixMillis;

/// An event that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// `evt_…`
    pub id: String,
    /// Whose, if it is known.
    pub customer: Option<String>,
    /// By which that can be found.
    pub charge: Option<String>,
    /// How often it has been taken, this time included.
    pub attempts: i64,
}

/// An event, for an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// `evt_…`
    pub id: String,
    /// `invoice.paid` and so on.
    pub kind: String,
    /// `pending`, `done`, `ignored`, `failed`.
    pub state: String,
    /// How often it has been taken.
    pub attempts: i64,
    /// When it came.
    pub received_at: UnixMillis,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// An event and its raw body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The event.
    pub event: Listed,
    /// Its packed body, if that is still kept.
    pub payload: Option<Vec<u8>>,
}

/// How long an event is left alone after it was taken for the nth time: seconds at first, never
/// more than five minutes. It need
/// not outlast a fold: a second one waits for the customer's lock and then changes nothing.
fn put_off_millis(attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.clamp(1, 8)).unwrap_or(8);
    (1000_i64 << doublings).min(300_000)
}

/// An event that has come, and its raw body.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What it is about.
    pub event: Envelope,
    /// As it came, packed.
    pub payload: Packed,
}

/// Keeps events; answers of each whether it had not come before. One of a customer of somebody who
/// has left keeps no payload and changes nothing.
///
/// Who has several gives them in the order of their ids, as two relays may be sent the same.
///
/// # Errors
/// If the database refuses.
pub fn receive(tx: &mut Tx<'_>, arrivals: &[Arrival]) -> Result<Vec<bool>, DbError> {
    let now = tx.now();
    let rows: Vec<Columns<'_>> = arrivals.iter().map(|one| Columns::of(one, now)).collect();
    let params: Vec<[&dyn Param; 12]> = rows.iter().map(Columns::params).collect();
    let params: Vec<&[&dyn Param]> = params.iter().map(|params| &params[..]).collect();
    let made = tx.query_each(
        "INSERT INTO stripe_events
             (id, kind, object_id, object_type, customer, charge, created, received_at, payload,
              state, due_at, ended_at, hangs_on)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?8, ?11, ?12)
         ON CONFLICT (id) DO NOTHING
         RETURNING EXISTS (SELECT 1 FROM departed_customers)
             AND NOT EXISTS (SELECT 1 FROM customers WHERE id = ?5)",
        &params,
        |row| row.get::<bool>(0),
    )?;
    for (arrival, made) in arrivals.iter().zip(&made) {
        if *made == Some(true) {
            turn_away_departed(tx, &arrival.event)?;
        }
    }
    Ok(made.iter().map(Option::is_some).collect())
}

/// The columns that are not the event's own.
struct Columns<'a> {
    event: &'a Envelope,
    payload: &'a [u8],
    created: UnixMillis,
    received_at: UnixMillis,
    state: &'static str,
    ended_at: Option<UnixMillis>,
}

impl<'a> Columns<'a> {
    fn of(arrival: &'a Arrival, now: UnixMillis) -> Self {
        let handled = arrival.event.is_handled();
        Self {
            event: &arrival.event,
            payload: arrival.payload.bytes(),
            created: UnixMillis::from_secs(arrival.event.created),
            received_at: now,
            state: if handled { "pending" } else { "ignored" },
            ended_at: (!handled).then_some(now),
        }
    }

    fn params(&self) -> [&dyn Param; 12] {
        let event = self.event;
        [
            &event.id,
            &event.kind,
            &event.object_id,
            &event.object_type,
            &event.customer,
            &event.charge,
            &self.created,
            &self.received_at,
            &self.payload,
            &self.state,
            &self.ended_at,
            &event.hangs_on,
        ]
    }
}

/// What begins something that can be charged for.
const BEGINNINGS: [&str; 2] = ["checkout.session.completed", "customer.subscription.created"];

fn turn_away_departed(tx: &mut Tx<'_>, event: &Envelope) -> Result<(), DbError> {
    let Some(customer) = &event.customer else {
        // Whose that is cannot be told any more; somebody who is here loses nothing by it.
        if event.hangs_on.is_some() {
            tx.execute("UPDATE stripe_events SET payload = NULL WHERE id = ?1", &[&event.id])?;
        }
        return Ok(());
    };
    if departed::is_departed(tx, customer)? {
        departed::strip_events(tx, customer)?;
        if BEGINNINGS.contains(&event.kind.as_str()) {
            departed::arm(tx, customer)?;
        }
    }
    Ok(())
}

/// Takes at most `most` events that are due, oldest first, and puts each off.
///
/// # Errors
/// If the database refuses.
pub fn take(tx: &mut Tx<'_>, most: u32) -> Result<Vec<Due>, DbError> {
    let now = tx.now();
    let due = tx.query_all(
        "SELECT id, customer, charge, attempts + 1 FROM stripe_events
         WHERE state = 'pending' AND due_at <= ?1 ORDER BY due_at, received_at LIMIT ?2
         /*pg: FOR UPDATE SKIP LOCKED */",
        &[&now, &most],
        |row| {
            Ok(Due {
                id: row.get(0)?,
                customer: row.get(1)?,
                charge: row.get(2)?,
                attempts: row.get(3)?,
            })
        },
    )?;
    for event in &due {
        let until = now.plus_millis(put_off_millis(event.attempts));
        tx.execute(
            "UPDATE stripe_events SET attempts = ?2, due_at = ?3 WHERE id = ?1",
            &[&event.id, &event.attempts, &until],
        )?;
    }
    Ok(due)
}

/// When the next pending event is due.
///
/// # Errors
/// If the database refuses.
pub fn next_due(tx: &mut Tx<'_>) -> Result<Option<UnixMillis>, DbError> {
    tx.query_one("SELECT MIN(due_at) FROM stripe_events WHERE state = 'pending'", &[], |row| {
        row.get(0)
    })
}

/// Writes down whose an event is, once that has been found out.
///
/// # Errors
/// If the database refuses.
pub fn set_customer(tx: &mut Tx<'_>, event: &str, customer: &str) -> Result<(), DbError> {
    tx.execute("UPDATE stripe_events SET customer = ?2 WHERE id = ?1", &[&event, &customer])?;
    Ok(())
}

/// A customer's event that has not been answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// `evt_…`
    pub id: String,
    /// It says that the customer was deleted.
    pub deletes: bool,
    /// The charge that it says is, or was, disputed.
    pub disputes: Option<String>,
}

/// The pending events of a customer.
///
/// # Errors
/// If the database refuses.
pub fn pending_of(tx: &mut Tx<'_>, customer: &str) -> Result<Vec<Pending>, DbError> {
    tx.query_all(
        "SELECT id, kind = 'customer.deleted',
                CASE WHEN kind LIKE 'charge.dispute.%' THEN charge END
         FROM stripe_events WHERE customer = ?1 AND state = 'pending' ORDER BY id",
        &[&customer],
        |row| Ok(Pending { id: row.get(0)?, deletes: row.get(1)?, disputes: row.get(2)? }),
    )
}

/// Ends events whose effect is in this transaction.
///
/// # Errors
/// If the database refuses.
pub fn done(tx: &mut Tx<'_>, events: &[String]) -> Result<(), DbError> {
    end(tx, events, "done", None)
}

/// Ends events that are about nobody here.
///
/// # Errors
/// If the database refuses.
pub fn ignore(tx: &mut Tx<'_>, events: &[String], why: &str) -> Result<(), DbError> {
    end(tx, events, "ignored", Some(why))
}

/// Gives events up until somebody replays them.
///
/// # Errors
/// If the database refuses.
pub fn fail(tx: &mut Tx<'_>, events: &[String], why: &str) -> Result<(), DbError> {
    end(tx, events, "failed", Some(why))
}

fn end(tx: &mut Tx<'_>, events: &[String], state: &str, why: Option<&str>) -> Result<(), DbError> {
    let now = tx.now();
    for event in events {
        tx.execute(
            "UPDATE stripe_events SET state = ?2, ended_at = ?3, error = ?4
             WHERE id = ?1 AND state = 'pending'",
            &[event, &state, &now, &why],
        )?;
    }
    Ok(())
}

/// Says why an attempt failed; the event comes again when it is due.
///
/// # Errors
/// If the database refuses.
pub fn note(tx: &mut Tx<'_>, events: &[String], why: &str) -> Result<(), DbError> {
    for event in events {
        tx.execute(
            "UPDATE stripe_events SET error = ?2 WHERE id = ?1 AND state = 'pending'",
            &[event, &why],
        )?;
    }
    Ok(())
}

/// Makes everything that is pending due at once: what an earlier process had taken has nobody. What
/// a living replica has in hand is looked at twice then, under its customer's lock, and the second
/// look changes nothing.
///
/// # Errors
/// If the database refuses.
pub fn take_back_all(tx: &mut Tx<'_>) -> Result<usize, DbError> {
    let now = tx.now();
    tx.execute(
        "UPDATE stripe_events SET due_at = ?1 WHERE state = 'pending' AND due_at > ?1",
        &[&now],
    )
}

/// Puts an event back, whatever its state. False if there is no such event.
///
/// # Errors
/// If the database refuses.
pub fn replay(tx: &mut Tx<'_>, event: &str) -> Result<bool, DbError> {
    let now = tx.now();
    let found = tx.execute(
        "UPDATE stripe_events SET state = 'pending', due_at = ?2, attempts = 0, ended_at = NULL,
             error = NULL
         WHERE id = ?1",
        &[&event, &now],
    )?;
    Ok(found > 0)
}

/// The events, newest first.
///
/// # Errors
/// If the database refuses.
pub fn list(tx: &mut Tx<'_>, most: u32) -> Result<Vec<Listed>, DbError> {
    tx.query_all(
        "SELECT id, kind, state, attempts, received_at, error FROM stripe_events
         ORDER BY received_at DESC, id DESC LIMIT ?1",
        &[&most],
        listed,
    )
}

/// One event and its raw body, if that is still kept.
///
/// # Errors
/// If the database refuses.
pub fn show(tx: &mut Tx<'_>, event: &str) -> Result<Option<Shown>, DbError> {
    tx.query_opt(
        "SELECT id, kind, state, attempts, received_at, error, payload FROM stripe_events
         WHERE id = ?1",
        &[&event],
        |row| Ok(Shown { event: listed(row)?, payload: row.get(6)? }),
    )
}

/// Lets go of at most `most` raw bodies that came before `before`; answers how many. What is still
/// to be worked on keeps its own.
///
/// # Errors
/// If the database refuses.
pub fn forget_payloads(tx: &mut Tx<'_>, before: UnixMillis, most: u32) -> Result<usize, DbError> {
    tx.execute(
        "UPDATE stripe_events SET payload = NULL WHERE id IN (
             SELECT id FROM stripe_events
             WHERE received_at < ?1 AND payload IS NOT NULL AND state <> 'pending' LIMIT ?2)",
        &[&before, &most],
    )
}

/// Lets go of at most `most` events that ended before `before`, by when Stripe has long stopped
/// sending and listing them; answers how many. What failed is kept until it is replayed.
///
/// # Errors
/// If the database refuses.
pub fn forget_ended(tx: &mut Tx<'_>, before: UnixMillis, most: u32) -> Result<usize, DbError> {
    tx.execute(
        "DELETE FROM stripe_events WHERE id IN (
             SELECT id FROM stripe_events
             WHERE received_at < ?1 AND state IN ('done', 'ignored') LIMIT ?2)",
        &[&before, &most],
    )
}

fn listed(row: &Row<'_>) -> Result<Listed, DbError> {
    Ok(Listed {
        id: row.get(0)?,
        kind: row.get(1)?,
        state: row.get(2)?,
        attempts: row.get(3)?,
        received_at: row.get(4)?,
        error: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::put_off_millis;

    #[test]
    fn an_event_that_keeps_failing_is_tried_ever_less_often_but_for_ever() {
        assert_eq!(put_off_millis(1), 2_000);
        assert_eq!(put_off_millis(3), 8_000);
        assert_eq!(put_off_millis(1_000_000), 256_000);
    }
}
