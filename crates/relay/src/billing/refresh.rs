//! One customer, made to stand as Stripe says: the single way from Stripe's state to ours.

use super::apply::{self, ApplyError};
use super::facts::{Facts, Status};
use super::{Billing, BillingError};
use super::{customers, departed, inbox};
use crate::db::DbError;
use crate::stripe::StripeFault;
use crate::stripe::customers::Found;
use autocrea_protocol::{UnixMillis, UserId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Why events of somebody who has left are ignored.
const LEFT: &str = "the customer is nobody's any more";

/// Reads the customer at Stripe, folds, writes, and ends the events that were pending for them.
/// Alone for the customer, so that an older reading is never written over a newer one.
///
/// # Errors
/// [`BillingError`]. When the rules refuse, the events are given up until they are replayed; when
/// Stripe does not answer, they come again.
pub async fn refresh(billing: &Billing, customer: &str) -> Result<(), BillingError> {
    look(billing, customer, false).await
}

/// As [`refresh`], for a customer whom Stripe has just called deleted: its event may still be on its
/// way.
///
/// # Errors
/// As [`refresh`].
pub async fn refresh_deleted(billing: &Billing, customer: &str) -> Result<(), BillingError> {
    look(billing, customer, true).await
}

async fn look(billing: &Billing, customer: &str, is_deleted: bool) -> Result<(), BillingError> {
    let _alone = billing.locks.hold(&format!("customer:{customer}")).await?;
    let name = customer.to_owned();
    // Only what was there before Stripe is asked is answered by what it says.
    let (user, pending, was_deleted) = billing
        .db
        .read(move |tx| {
            let person = customers::person_of(tx, &name)?;
            let deleted = customers::deleted_at(tx, &name)?.is_some();
            Ok::<_, BillingError>((person, inbox::pending_of(tx, &name)?, deleted))
        })
        .await?;
    let announced = Announced {
        deletion: is_deleted || was_deleted || pending.iter().any(|event| event.deletes),
        disputed: pending.iter().filter_map(|event| event.disputes.clone()).collect(),
    };
    let events: Vec<String> = pending.into_iter().map(|event| event.id).collect();
    let user = match user {
        Some(user) => user,
        None => match adopt(billing, customer).await? {
            Some(user) => user,
            None => return ignore(billing, events, "the customer is nobody's here").await,
        },
    };
    // The lock keeps older readings from newer ones; beside a command that runs on the same SQLite
    // file, or if the lock was lost, their times do, as far as clocks can be trusted.
    for last in [false, false, true] {
        let asked_at = billing.clock.now();
        let facts = read(billing, customer, &announced).await?;
        let reading = Reading { customer, facts, asked_at, last };
        if write(billing, &user, reading, &events).await? {
            break;
        }
    }
    // That is another matter, written down by now: reconciliation tries it again, and neither the
    // customer's events nor whoever waits for this look are to wait for it.
    if let Err(error) = undo_duplicates(billing, customer).await {
        tracing::error!(customer, %error, "a second subscription could not be undone yet");
    }
    Ok(())
}

/// What events say of a customer that may not show yet where it is looked for.
struct Announced {
    /// It was deleted.
    deletion: bool,
    /// These charges are, or were, disputed.
    disputed: BTreeSet<String>,
}

/// What Stripe said of a customer, and when it was asked.
struct Reading<'a> {
    customer: &'a str,
    facts: Facts,
    asked_at: UnixMillis,
    /// It is written whatever is known.
    last: bool,
}

/// False if something newer is known already.
async fn write(
    billing: &Billing,
    user: &UserId,
    reading: Reading<'_>,
    events: &[String],
) -> Result<bool, BillingError> {
    let Reading { customer, facts, asked_at, last } = reading;
    let (user, name, book) = (user.clone(), customer.to_owned(), Arc::clone(&billing.book));
    let (events, marked) = (events.to_vec(), events.to_vec());
    let written = billing
        .db
        .write(move |tx| {
            tx.hold_person(&user)?;
            // They may have left while Stripe was asked.
            if customers::person_of(tx, &name)?.as_ref() != Some(&user) {
                inbox::ignore(tx, &marked, LEFT)?;
                return Ok(true);
            }
            if !last && customers::asked_at(tx, &name)?.is_some_and(|known| known > asked_at) {
                return Ok(false);
            }
            customers::store_facts(tx, &name, &facts, asked_at)?;
            apply::apply(tx, &user, &name, &facts, &book)?;
            inbox::done(tx, &marked)?;
            Ok::<_, ApplyError>(true)
        })
        .await;
    if let Err(ApplyError::Fold(refusal)) = &written {
        tracing::error!(customer, %refusal, "billing changed nothing; mend the catalogue and replay the events");
        let why = refusal.to_string();
        billing.db.write(move |tx| inbox::fail(tx, &events, &why)).await?;
    }
    Ok(written?)
}

async fn ignore(
    billing: &Billing,
    events: Vec<String>,
    why: &'static str,
) -> Result<(), BillingError> {
    if !events.is_empty() {
        tracing::warn!(count = events.len(), why, "events of Stripe were ignored");
        billing.db.write(move |tx| inbox::ignore(tx, &events, why)).await?;
    }
    Ok(())
}

/// Finds the person of a customer that is not written down here (the database is younger than the
/// customer): by the metadata that only this relay writes.
async fn adopt(billing: &Billing, customer: &str) -> Result<Option<UserId>, BillingError> {
    let name = customer.to_owned();
    if billing.db.read(move |tx| departed::is_departed(tx, &name)).await? {
        let name = customer.to_owned();
        let turned_away = billing.db.write(move |tx| {
            departed::strip_events(tx, &name)?;
            departed::arm(tx, &name)
        });
        turned_away.await?;
        return Ok(None);
    }
    let found = match billing.stripe.customer(customer).await {
        Ok(Found::Present { user: Some(user) }) => UserId(user),
        Ok(_) | Err(StripeFault::NotFound(_)) => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    let customer = customer.to_owned();
    billing
        .db
        .write(move |tx| {
            let linked = customers::link(tx, &found, &customer)?;
            Ok(linked.then_some(found))
        })
        .await
}

/// What Stripe says of the customer. Only Stripe's own word makes one deleted: one that it does not
/// know (another account's key, say) is a fault that may be mended.
async fn read(
    billing: &Billing,
    customer: &str,
    announced: &Announced,
) -> Result<Facts, BillingError> {
    let listed = billing.stripe.facts(customer, &announced.disputed).await;
    let missing = matches!(listed, Err(StripeFault::NotFound(_)));
    if !(announced.deletion || missing) {
        return Ok(listed?);
    }
    match billing.stripe.customer(customer).await {
        Ok(Found::Deleted) => {}
        // Its deletion was announced, and nothing is left of it.
        Err(StripeFault::NotFound(_)) if announced.deletion => {}
        found => {
            found?;
            return Ok(listed?);
        }
    }
    let listed = match listed {
        Err(StripeFault::NotFound(_)) => None,
        listed => Some(listed?),
    };
    last_words(billing, customer, listed).await
}

/// Of a deleted customer: what Stripe still lists, if that is all that was known (a refund may come
/// after the deletion), or else what it listed last; with everything ended.
async fn last_words(
    billing: &Billing,
    customer: &str,
    listed: Option<Facts>,
) -> Result<Facts, BillingError> {
    let name = customer.to_owned();
    let (kept, deleted_at) = billing
        .db
        .read(move |tx| {
            Ok::<_, DbError>((customers::facts_of(tx, &name)?, customers::deleted_at(tx, &name)?))
        })
        .await?;
    let kept = kept.unwrap_or_default();
    let at = deleted_at.unwrap_or_else(|| billing.clock.now()).as_secs();
    let mut facts = listed.filter(|listed| listed.covers(&kept)).unwrap_or(kept);
    facts.deleted_at = Some(at);
    for subscription in &mut facts.subscriptions {
        if subscription.status.is_live() {
            subscription.status = Status::Canceled;
            subscription.ended_at = Some(at);
        }
    }
    Ok(facts)
}

/// Cancels what should never have been, and gives back what it cost. Remembered durably before, so that a crash
/// between the two does not keep anybody's money.
async fn undo_duplicates(billing: &Billing, customer: &str) -> Result<(), BillingError> {
    let name = customer.to_owned();
    let (known, facts) = billing
        .db
        .read(move |tx| {
            let known = apply::duplicates(tx, &name)?;
            let facts = if known.is_empty() { None } else { customers::facts_of(tx, &name)? };
            Ok::<_, DbError>((known, facts.unwrap_or_default()))
        })
        .await?;
    for (subscription, undone) in known {
        let paid = facts.invoices.iter().filter(|it| it.subscription == subscription && it.paid);
        // What was still open when it was cancelled may be paid later.
        let keeps_money = paid.clone().any(|invoice| !invoice.is_returned());
        if undone && !keeps_money {
            continue;
        }
        tracing::error!(
            customer,
            subscription,
            "a second live subscription is cancelled and refunded"
        );
        let key = format!("autocrea:cancel:{subscription}");
        billing.stripe.cancel_now(&subscription, &key).await?;
        for invoice in paid {
            let refunded = billing.stripe.refund_invoice(&invoice.id).await?;
            if !refunded && !invoice.is_returned() {
                return Err(StripeFault::Unreadable("invoice payments").into());
            }
            billing.stripe.put_credit_back(customer, &invoice.id).await?;
        }
        billing.db.write(move |tx| apply::undone(tx, &subscription)).await?;
    }
    Ok(())
}

/// How long a customer is left alone whom time could not change.
const TROUBLED_MILLIS: i64 = 3_600_000;

/// Folds again, from what is kept, for everybody whose time has come; answers how many.
///
/// # Errors
/// If the database refuses.
pub async fn sweep(billing: &Billing) -> Result<usize, DbError> {
    let due = billing.db.read(|tx| customers::changing(tx, 200)).await?;
    let count = due.len();
    for (customer, user) in due {
        let (name, book) = (customer.clone(), Arc::clone(&billing.book));
        let swept = billing.db.write(move |tx| apply::apply_again(tx, &user, &name, &book)).await;
        if let Err(error) = swept {
            tracing::error!(customer, %error, "time could change nothing for a customer");
            billing
                .db
                .write(move |tx| {
                    let later = tx.now().plus_millis(TROUBLED_MILLIS);
                    customers::set_next_change(tx, &customer, Some(later))
                })
                .await?;
        }
    }
    Ok(count)
}
