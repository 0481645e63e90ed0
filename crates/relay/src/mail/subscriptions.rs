//! What a fold of billing gives to tell: a subscription has begun, will end, or could not be paid.
//!
//! Read from the same facts as the fold, in the same transaction, so that it is told exactly when it
//! is so here. Each is told once a subscription or invoice, whatever events announce it; what
//! happened long before this relay heard of it (a database that was lost, say) is told no more.

use super::news::News;
use super::outbox;
use crate::billing::facts::{Facts, InvoiceFact, Status, SubscriptionFact};
use crate::billing::fold::Outcome;
use crate::billing::pricebook::PriceBook;
use crate::db::{DbError, Tx};
use autocrea_protocol::{PlanId, UnixMillis, UserId};

/// What is older than this is no news.
const NEWS_FOR_MILLIS: i64 = 7 * 24 * 3_600_000;

/// Tells what is new.
///
/// # Errors
/// If the database refuses.
pub fn tell(
    tx: &mut Tx<'_>,
    user: &UserId,
    facts: &Facts,
    outcome: &Outcome,
    book: &PriceBook,
) -> Result<(), DbError> {
    let (now, counts) = (tx.now(), |id: &String| outcome.counted.contains(id));
    for one in facts.subscriptions.iter().filter(|one| counts(&one.id)) {
        let Some((plan, _)) = book.plan_of(&one.price) else { continue };
        if let Some(news) = confirmed(facts, one, plan, now) {
            outbox::put(tx, user, &news, &one.id, now)?;
        }
        if let Some(news) = cancelled(one, plan, outcome, now) {
            outbox::put(tx, user, &news, &one.id, now)?;
        }
        let invoices = facts.invoices.iter().filter(|invoice| invoice.subscription == one.id);
        for invoice in invoices.filter(|invoice| could_not_be_paid(invoice, now)) {
            let plan = bought(invoice, book).unwrap_or(plan).clone();
            let news = News::PaymentFailed { plan, kept_until: outcome.subscription.grace_until };
            outbox::put(tx, user, &news, &invoice.id, now)?;
        }
    }
    Ok(())
}

fn is_news(secs: i64, now: UnixMillis) -> bool {
    now.millis_since(UnixMillis::from_secs(secs)) < NEWS_FOR_MILLIS
}

/// Its first invoice is paid, or its trial has begun.
fn confirmed(
    facts: &Facts,
    one: &SubscriptionFact,
    plan: &PlanId,
    now: UnixMillis,
) -> Option<News> {
    let trial = one.status == Status::Trialing;
    let paid = facts.invoices.iter().filter(|it| it.paid && it.subscription == one.id);
    let first_paid = paid.map(|invoice| invoice.created).min();
    let began = if trial { Some(one.created) } else { first_paid };
    began.filter(|began| is_news(*began, now))?;
    Some(News::SubscriptionConfirmed {
        plan: plan.clone(),
        interval: one.interval,
        trial,
        until: UnixMillis::from_secs(one.trial_end.filter(|_| trial).unwrap_or(one.period_end)),
    })
}

/// It has been decided that it will not go on, or it has ended.
fn cancelled(
    one: &SubscriptionFact,
    plan: &PlanId,
    outcome: &Outcome,
    now: UnixMillis,
) -> Option<News> {
    let until = if one.status == Status::Canceled {
        one.ended_at.filter(|ended| is_news(*ended, now))?;
        // What was paid for is kept to its end, unless the money went back.
        let end = UnixMillis::from_secs(one.period_end);
        let shown = &outcome.subscription;
        let kept = !shown.plan_id.is_free() && shown.current_period_end == Some(end);
        (outcome.live.is_none() && kept && end > now).then_some(end)
    } else if one.cancel_at_period_end || one.cancel_at.is_some() {
        Some(UnixMillis::from_secs(one.cancel_at.unwrap_or(one.period_end)))
    } else {
        return None;
    };
    Some(News::SubscriptionCancelled { plan: plan.clone(), until })
}

fn could_not_be_paid(invoice: &InvoiceFact, now: UnixMillis) -> bool {
    let failed = !invoice.paid && invoice.open && invoice.overdue;
    failed && is_news(invoice.first_failed_at.unwrap_or(invoice.created), now)
}

/// The plan that an invoice is for.
fn bought<'b>(invoice: &InvoiceFact, book: &'b PriceBook) -> Option<&'b PlanId> {
    let lines = invoice.lines.iter().filter(|line| !line.credit);
    lines.filter_map(|line| book.plan_of(&line.price)).map(|(plan, _)| plan).next_back()
}
