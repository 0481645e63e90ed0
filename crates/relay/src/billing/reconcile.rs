//! Reconciliation: whatever the webhook missed, found by asking.
//!
//! At start and every `RELAY_RECONCILE_SECS`: the events that no endpoint took and those made
//! since the last pass go into the same inbox as the webhook's; at start every customer is brought up
//! to date besides who has a live subscription, at Stripe or as far as is known here, so that even an
//! event that Stripe no longer keeps is made good.

use super::inbox::Arrival;
use super::packed::Packed;
use super::{Billing, BillingError, apply, customers, inbox, prices, refresh};
use crate::db::DbError;
use crate::stripe::envelope::Envelope;
use crate::stripe::events::Which;
use autocrea_protocol::UnixMillis;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Events are read again from a little before the last pass: Stripe's record lags behind by
/// moments, and reading one twice costs nothing.
const OVERLAP_SECS: i64 = 120;
/// How soon a pass that failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Runs until the relay stops.
pub async fn run(billing: Arc<Billing>) {
    let mut whole = true;
    loop {
        let every = billing.config.stripe.reconcile.max(Duration::from_secs(1));
        // What is left undone when the relay stops is found again by the next one's first pass.
        let passed = tokio::select! {
            () = billing.stopping.cancelled() => return,
            passed = pass(&billing, whole) => passed,
        };
        let next = match passed {
            Ok(()) => {
                whole = false;
                every
            }
            Err(error) => {
                tracing::warn!(%error, "reconciliation with Stripe did not succeed; it will be tried again");
                AGAIN_AFTER.min(every)
            }
        };
        tokio::select! {
            () = billing.stopping.cancelled() => return,
            () = tokio::time::sleep(next) => {}
        }
    }
}

/// One pass; a `whole` one looks at every live subscription too.
///
/// # Errors
/// [`BillingError`]; what was found before it is kept.
pub async fn pass(billing: &Arc<Billing>, whole: bool) -> Result<(), BillingError> {
    // One replica at a time: the next finds that there is little left to do.
    let _alone = billing.locks.hold("reconciliation").await?;
    prices::refresh(billing).await?;
    let began = billing.clock.now();
    let last = billing.db.read(last_pass).await?;
    missed(billing, Which::Undelivered).await?;
    if let Some(last) = last {
        let since = last.as_secs().saturating_sub(OVERLAP_SECS);
        missed(billing, Which::Since(since)).await?;
    }
    if whole {
        every_customer(billing).await?;
    }
    for customer in billing.db.read(apply::customers_with_duplicates).await? {
        look_at(billing, &customer).await?;
    }
    billing.db.write(move |tx| set_last_pass(tx, began)).await?;
    Ok(())
}

/// Puts the events that had not come into the inbox, page by page: however many there are, what has
/// been read is kept.
async fn missed(billing: &Arc<Billing>, which: Which) -> Result<(), BillingError> {
    let mut after = None;
    loop {
        let page = billing.stripe.events(which, after.as_deref()).await?;
        let found = billing.db.write(move |tx| keep(tx, &page.events)).await?;
        if found > 0 {
            tracing::warn!(found, "events of Stripe had not come by the webhook");
            billing.wake.notify_one();
        }
        if page.next.is_none() {
            return Ok(());
        }
        after = page.next;
    }
}

fn keep(tx: &mut crate::db::Tx<'_>, events: &[String]) -> Result<usize, DbError> {
    // One that is not readable, or changes nothing here, was never worth a delivery.
    let readable = events.iter().filter_map(|raw| {
        let event = Envelope::read(raw.as_bytes()).ok()?;
        event.is_handled().then(|| Arrival { event, payload: Packed::of(raw.as_bytes()) })
    });
    let mut arrivals: Vec<Arrival> = readable.collect();
    arrivals.sort_by(|one, other| one.event.id.cmp(&other.event.id));
    Ok(inbox::receive(tx, &arrivals)?.into_iter().filter(|new| *new).count())
}

/// Brings the customer of every live subscription up to date, also of one that only this database
/// still takes for live.
async fn every_customer(billing: &Arc<Billing>) -> Result<(), BillingError> {
    let mut all: BTreeSet<String> =
        billing.stripe.customers_with_live_subscriptions().await?.into_iter().collect();
    all.extend(billing.db.read(customers::taken_for_live).await?);
    for customer in all {
        look_at(billing, &customer).await?;
        if billing.stopping.is_cancelled() {
            break;
        }
    }
    Ok(())
}

/// Brings one customer up to date. Trouble that is only theirs is loud and no reason to leave the
/// others; an error is one that everybody would meet.
async fn look_at(billing: &Arc<Billing>, customer: &str) -> Result<(), BillingError> {
    match refresh::refresh(billing, customer).await {
        // Told by itself.
        Ok(()) | Err(BillingError::Fold(_)) => Ok(()),
        Err(BillingError::Stripe(fault)) if !fault.is_passing() => {
            tracing::error!(customer, %fault, "reconciliation leaves a customer out");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn last_pass(tx: &mut crate::db::Tx<'_>) -> Result<Option<UnixMillis>, DbError> {
    tx.query_opt("SELECT last_pass_at FROM reconciliation WHERE id = 1", &[], |row| row.get(0))
}

fn set_last_pass(tx: &mut crate::db::Tx<'_>, at: UnixMillis) -> Result<(), DbError> {
    tx.execute(
        "INSERT INTO reconciliation (id, last_pass_at) VALUES (1, ?1)
         ON CONFLICT (id) DO UPDATE SET last_pass_at = excluded.last_pass_at",
        &[&at],
    )?;
    Ok(())
}
