//! The worker: takes events from the inbox and brings each one's customer up to date.
//!
//! Several customers at once, one at a time each. Events of one customer are answered together by
//! one look at Stripe. Nothing here ever waits for the webhook, nor the webhook for it.

use super::inbox::{self, Due};
use super::refresh::refresh;
use super::{Billing, BillingError};
use crate::stripe::StripeFault;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Events taken in one go.
const AT_ONCE: u32 = 200;
/// Customers brought up to date side by side.
const SIDE_BY_SIDE: usize = 8;
/// Customers waiting for that, at most; further events stay in the inbox.
const IN_HAND: usize = 256;
/// While some are being worked on, how often the inbox is looked at for what has become due.
const AMONG_OTHERS: Duration = Duration::from_secs(1);
/// However wrong the clocks are, the inbox is looked at this often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(5);

/// Runs until the relay stops.
pub async fn run(billing: Arc<Billing>) {
    if let Err(error) = billing.db.write(inbox::take_back_all).await {
        tracing::error!(%error, "the inbox could not be taken over");
    }
    loop {
        // An event whose work is cut short by a stop is still pending and comes again.
        let passed = tokio::select! {
            () = billing.stopping.cancelled() => return,
            passed = pass(&billing) => passed,
        };
        let next = match passed {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "the inbox could not be worked on; it will be tried again");
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = billing.stopping.cancelled() => return,
            () = billing.wake.notified() => {}
            () = tokio::time::sleep(next) => {}
        }
    }
}

/// Works until nothing is due and nobody is being worked on; answers how long to wait at most.
///
/// # Errors
/// If the database refuses.
pub async fn pass(billing: &Arc<Billing>) -> Result<Duration, BillingError> {
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    let mut running = JoinSet::new();
    let mut subjects: HashMap<tokio::task::Id, Subject> = HashMap::new();
    loop {
        let due = if running.len() < IN_HAND {
            billing.db.write(|tx| inbox::take(tx, AT_ONCE)).await?
        } else {
            Vec::new()
        };
        let found = !due.is_empty();
        for (subject, events) in by_subject(due) {
            // What came for somebody who is being worked on comes again in a moment: the look at
            // Stripe that is under way may be older than it.
            if subjects.values().any(|busy| *busy == subject) {
                continue;
            }
            let (billing, places) = (Arc::clone(billing), Arc::clone(&places));
            let (name, whom) = (subject.clone(), subject);
            let task = running.spawn(async move {
                let _place = places.acquire().await;
                work(&billing, whom, events).await;
            });
            subjects.insert(task.id(), name);
        }
        if found {
            continue;
        }
        if running.is_empty() {
            break;
        }
        tokio::select! {
            ended = running.join_next_with_id() => {
                let id = match ended {
                    Some(Ok((id, ()))) => id,
                    Some(Err(error)) => {
                        // Its events are still pending and come again.
                        tracing::error!(%error, "the work on a customer did not end well");
                        error.id()
                    }
                    None => continue,
                };
                subjects.remove(&id);
            }
            () = billing.wake.notified() => {}
            () = tokio::time::sleep(AMONG_OTHERS) => {}
        }
    }
    let next = billing.db.read(inbox::next_due).await?;
    let millis = next.map_or(i64::MAX, |at| at.millis_since(billing.clock.now()).max(50));
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or(0)).min(AT_LEAST_EVERY))
}

/// What events are about, as far as they say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    /// A customer.
    Customer(String),
    /// Whoever paid this charge.
    Charge(String),
    /// Nobody.
    Nobody,
}

fn by_subject(due: Vec<Due>) -> BTreeMap<Subject, Vec<Due>> {
    let mut subjects: BTreeMap<Subject, Vec<Due>> = BTreeMap::new();
    for event in due {
        let subject = match (&event.customer, &event.charge) {
            (Some(customer), _) => Subject::Customer(customer.clone()),
            (None, Some(charge)) => Subject::Charge(charge.clone()),
            (None, None) => Subject::Nobody,
        };
        subjects.entry(subject).or_default().push(event);
    }
    subjects
}

async fn work(billing: &Billing, subject: Subject, events: Vec<Due>) {
    let attempts = events.iter().map(|event| event.attempts).max().unwrap_or(0);
    // In the order in which everybody takes them.
    let mut ids: Vec<String> = events.into_iter().map(|event| event.id).collect();
    ids.sort();
    let Err(error) = bring_up(billing, &subject, ids.clone()).await else {
        return;
    };
    tracing::warn!(?subject, attempts, %error, "a customer could not be brought up to date");
    // Nothing that Stripe answers is a reason to give an event up: a key that was changed, a gateway
    // that answers for Stripe, are mended without anybody thinking of the events. Only a price that
    // the catalogue does not know ends them, and that is done where it is found.
    let why = error.to_string();
    let noted = billing.db.write(move |tx| inbox::note(tx, &ids, &why)).await;
    if let Err(error) = noted {
        tracing::error!(%error, "what became of an event could not be written down");
    }
}

async fn bring_up(
    billing: &Billing,
    subject: &Subject,
    ids: Vec<String>,
) -> Result<(), BillingError> {
    let customer = match subject {
        Subject::Customer(customer) => Some(customer.clone()),
        Subject::Charge(charge) => match billing.stripe.customer_of_charge(charge).await {
            Err(StripeFault::NotFound(_)) => None,
            found => found?,
        },
        Subject::Nobody => None,
    };
    let Some(customer) = customer else {
        billing.db.write(move |tx| inbox::ignore(tx, &ids, "it is about no customer")).await?;
        return Ok(());
    };
    if matches!(subject, Subject::Charge(_)) {
        let name = customer.clone();
        billing
            .db
            .write(move |tx| ids.iter().try_for_each(|event| inbox::set_customer(tx, event, &name)))
            .await?;
    }
    refresh(billing, &customer).await
}
