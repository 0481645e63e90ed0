//! From what Stripe says now to what should stand here: the whole of billing's judgement, as one
//! pure function.
//!
//! An event never says what to do, only that it is time to look. [`fold`] takes what was seen
//! (all of the customer's subscriptions and invoices), the catalogue and the time, and gives the
//! person's subscription, the lots that should exist, and when time alone will change the answer.
//! Because it looks at nothing else, the order, number and completeness of events cannot matter.
//!
//! Deliberately not here: spending. How much of a lot is left is the ledger's; this says what a
//! lot was granted, when it ends and what share of it was paid back.

use super::facts::{Facts, InvoiceFact, Standing, Status, SubscriptionFact};
use super::months::months;
use super::periods::{Period, paid_periods};
use super::pricebook::PriceBook;
use super::share;
use autocrea_protocol::account::{Interval, Subscription, SubscriptionStatus};
use autocrea_protocol::{PlanId, Tokens, UnixMillis};
use std::collections::HashSet;

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FoldError {
    /// The catalogue does not know the price of the subscription in force, or of its invoice.
    #[error("subscription {subscription} has price {price}, which no plan of the catalogue has")]
    UnknownPrice {
        /// Whose.
        subscription: String,
        /// Which.
        price: String,
    },
}

/// What should stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// As the person is told.
    pub subscription: Subscription,
    /// Stripe's id of the subscription in force, if it is live.
    pub live: Option<String>,
    /// Every lot that was ever paid for, oldest first.
    pub lots: Vec<Lot>,
    /// Won disputes: what was taken on their account comes back.
    pub won: Vec<WonDispute>,
    /// Live subscriptions beside the one in force: to be cancelled and refunded.
    pub duplicates: Vec<String>,
    /// When time alone changes the answer next.
    pub next_change_at: Option<UnixMillis>,
}

/// A lot of a paid plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// `invoice:<id>`, `invoice:<id>:<n>` or `upgrade:<id>`.
    pub source: String,
    /// The invoice that paid for it.
    pub invoice: String,
    /// Of which plan.
    pub plan: PlanId,
    /// How many.
    pub tokens: Tokens,
    /// From when on.
    pub starts_at: UnixMillis,
    /// Until when.
    pub ends_at: UnixMillis,
    /// A lot that is not there yet is to be granted. Never taken as "take away".
    pub grant: bool,
    /// If it is there with another amount, that is to be put right (upgrades only).
    pub adjust: bool,
    /// A later period has begun: what is left of it ends now.
    pub superseded: bool,
    /// How much of it was paid back to the card.
    pub refunded: Tokens,
    /// Disputes that hold or took the money.
    pub contested_by: Vec<String>,
}

/// A dispute that was decided for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WonDispute {
    /// `du_…`
    pub dispute: String,
    /// Of a charge of this invoice.
    pub invoice: String,
    /// The period it paid for is over, or has been followed by another.
    pub superseded: bool,
}

/// Decides. `duplicates` are subscriptions that were found beside a live one before.
///
/// # Errors
/// When the subscription in force has a price that the catalogue does not know: then nothing may
/// be changed.
pub fn fold(
    facts: &Facts,
    duplicates: &HashSet<String>,
    book: &PriceBook,
    now: UnixMillis,
) -> Result<Outcome, FoldError> {
    let standing = Choice::of(facts, duplicates);
    let left_out: HashSet<String> =
        duplicates.iter().cloned().chain(standing.duplicates.iter().cloned()).collect();
    if let Some(governing) = standing.governing {
        known_prices(facts, governing, book)?;
    }
    let periods = paid_periods(facts, &left_out, book);
    let (subscription, mut changes) = standing.governing.map_or_else(
        || (Subscription::none(), Vec::new()),
        |governing| in_force(facts, governing, &periods, book, now),
    );
    let lots = lots(&periods, standing.governing, book, now, &mut changes);
    let won = won(&periods);
    Ok(Outcome {
        live: standing
            .governing
            .filter(|governing| governing.status.is_live())
            .map(|governing| governing.id.clone()),
        subscription,
        lots,
        won,
        duplicates: standing.duplicates,
        next_change_at: changes.into_iter().filter(|at| *at > now).min(),
    })
}

/// Which subscription counts, and which should not be.
struct Choice<'f> {
    governing: Option<&'f SubscriptionFact>,
    duplicates: Vec<String>,
}

impl<'f> Choice<'f> {
    fn of(facts: &'f Facts, known: &HashSet<String>) -> Self {
        let mut real: Vec<&SubscriptionFact> = facts
            .subscriptions
            .iter()
            .filter(|subscription| subscription.status.counts())
            .filter(|subscription| !known.contains(&subscription.id))
            .collect();
        real.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        let mut live = real.iter().filter(|subscription| subscription.status.is_live());
        let first = live.next().copied();
        Self {
            duplicates: live.map(|subscription| subscription.id.clone()).collect(),
            governing: first.or_else(|| real.last().copied()),
        }
    }
}

/// The subscription in force, and the paid lines of its running period, must be of known prices.
/// What ended long ago may have had a price that is no longer sold.
fn known_prices(
    facts: &Facts,
    governing: &SubscriptionFact,
    book: &PriceBook,
) -> Result<(), FoldError> {
    let running = facts
        .invoices
        .iter()
        .filter(|invoice| invoice.paid && invoice.subscription == governing.id)
        .flat_map(|invoice| &invoice.lines)
        .filter(|line| !line.credit && line.end > governing.period_start)
        .map(|line| &line.price);
    for price in std::iter::once(&governing.price).chain(running) {
        if book.plan_of(price).is_none() {
            return Err(FoldError::UnknownPrice {
                subscription: governing.id.clone(),
                price: price.clone(),
            });
        }
    }
    Ok(())
}

/// What the person is told, and the times at which that changes by itself.
fn in_force(
    facts: &Facts,
    governing: &SubscriptionFact,
    periods: &[Period<'_>],
    book: &PriceBook,
    now: UnixMillis,
) -> (Subscription, Vec<UnixMillis>) {
    let mut changes = Vec::new();
    let bought = book.plan_of(&governing.price).map_or_else(PlanId::free, |(plan, _)| plan.clone());
    let latest = periods.iter().rev().find(|period| period.invoice.subscription == governing.id);
    let paid = latest.map(|period| period.latest_plan().clone());
    let mut grace_until = None;
    let (plan_id, status) = match governing.status {
        Status::Active | Status::Trialing => {
            let plan = if is_unpaid_step_up(facts, governing, paid.as_ref(), book) {
                paid.unwrap_or_else(PlanId::free)
            } else {
                bought
            };
            let status = if governing.status == Status::Trialing {
                SubscriptionStatus::Trialing
            } else {
                SubscriptionStatus::Active
            };
            (plan, status)
        }
        Status::PastDue | Status::Unpaid => {
            let until = grace_end(facts, governing, book);
            grace_until = Some(until);
            changes.push(until);
            let plan = if now < until { paid.unwrap_or(bought) } else { PlanId::free() };
            (plan, SubscriptionStatus::PastDue)
        }
        Status::Paused => (PlanId::free(), SubscriptionStatus::Paused),
        Status::Canceled | Status::Incomplete | Status::IncompleteExpired => {
            let until = latest.map_or(0, Period::paid_until);
            let until = UnixMillis::from_secs(until);
            changes.push(until);
            let plan = if now < until { paid.unwrap_or(bought) } else { PlanId::free() };
            (plan, SubscriptionStatus::Canceled)
        }
    };
    let subscription = Subscription {
        plan_id,
        status: Some(status),
        interval: governing
            .interval
            .or_else(|| book.plan_of(&governing.price).map(|(_, interval)| *interval)),
        current_period_start: Some(UnixMillis::from_secs(governing.period_start)),
        current_period_end: Some(UnixMillis::from_secs(governing.period_end)),
        cancel_at_period_end: governing.cancel_at_period_end || governing.cancel_at.is_some(),
        grace_until,
    };
    (subscription, changes)
}

/// Whether Stripe already shows a higher plan whose invoice is still to be paid: a plan is not
/// given before it is.
fn is_unpaid_step_up(
    facts: &Facts,
    governing: &SubscriptionFact,
    paid: Option<&PlanId>,
    book: &PriceBook,
) -> bool {
    let Some(paid) = paid else {
        return false;
    };
    let paid_worth = book.tokens_of(paid);
    facts
        .invoices
        .iter()
        .filter(|invoice| invoice.open && !invoice.paid && invoice.subscription == governing.id)
        .flat_map(|invoice| &invoice.lines)
        .filter(|line| !line.credit && line.price == governing.price)
        .filter_map(|line| book.plan_of(&line.price))
        .any(|(plan, _)| book.tokens_of(plan) > paid_worth)
}

/// The end of the days of grace: counted from the first failed attempt at the oldest invoice that
/// is still to be paid.
fn grace_end(facts: &Facts, governing: &SubscriptionFact, book: &PriceBook) -> UnixMillis {
    let overdue = |attempted: bool| {
        facts
            .invoices
            .iter()
            .filter(|invoice| !invoice.paid && invoice.open)
            .filter(|invoice| invoice.subscription == governing.id)
            .filter(|invoice| invoice.overdue || !attempted)
            .map(|invoice| invoice.first_failed_at.unwrap_or(invoice.created))
            .min()
    };
    let failed = overdue(true).or_else(|| overdue(false)).unwrap_or(governing.period_start);
    UnixMillis::from_secs(failed).plus_millis(book.grace_millis())
}

/// Every lot that the paid periods bring.
fn lots(
    periods: &[Period<'_>],
    governing: Option<&SubscriptionFact>,
    book: &PriceBook,
    now: UnixMillis,
    changes: &mut Vec<UnixMillis>,
) -> Vec<Lot> {
    let mut all = Vec::new();
    for (index, period) in periods.iter().enumerate() {
        let superseded = index + 1 < periods.len();
        if period.interval == Interval::Year && !period.is_trial {
            let running = governing.filter(|governing| {
                governing.id == period.invoice.subscription
                    && matches!(
                        governing.status,
                        Status::Active | Status::Trialing | Status::Canceled
                    )
            });
            let more = running.is_some() && !superseded;
            yearly(&mut all, period, superseded, more, book, now, changes);
        } else {
            let tokens = book.tokens_of(&period.plan);
            all.push(Lot {
                source: format!("invoice:{}", period.invoice.id),
                plan: period.plan.clone(),
                tokens,
                refunded: Tokens(period.invoice.refunded_share_of(tokens.get())),
                ..blank(period.invoice, period.start, period.end, superseded)
            });
            all.extend(upgrades(period, period.start, period.end, superseded));
        }
    }
    all
}

/// A yearly period: a lot a month, the first at once, each other when its month begins.
fn yearly(
    all: &mut Vec<Lot>,
    period: &Period<'_>,
    superseded: bool,
    more: bool,
    book: &PriceBook,
    now: UnixMillis,
    changes: &mut Vec<UnixMillis>,
) {
    let given_back = period.invoice.is_refunded() || period.invoice.is_contested();
    for (number, start, end) in months(period.start, period.end) {
        let begins = UnixMillis::from_secs(start);
        if number > 1 && begins > now {
            if more && !given_back {
                changes.push(begins);
            }
            break;
        }
        let over = UnixMillis::from_secs(end) <= now;
        let source = if number == 1 {
            format!("invoice:{}", period.invoice.id)
        } else {
            format!("invoice:{}:{number}", period.invoice.id)
        };
        let (plan, tokens) = if number == 1 {
            (period.plan.clone(), book.tokens_of(&period.plan))
        } else {
            period.highest_at(start, book)
        };
        let mut lot = Lot { source, plan, tokens, ..blank(period.invoice, start, end, superseded) };
        if number > 1 {
            lot.grant = more && !given_back && !over;
        }
        lot.refunded = Tokens(period.invoice.refunded_share_of(lot.tokens.get()));
        all.push(lot);
        all.extend(upgrades(period, start, end, superseded));
    }
}

/// The upgrade lots of the part `start..end` of a period (the whole of it, or a month of a year).
/// A year's later months carry the higher plan themselves, so that a change is worth something
/// only in the month it falls in.
fn upgrades(period: &Period<'_>, start: i64, end: i64, superseded: bool) -> Vec<Lot> {
    let mut found: Vec<Lot> = Vec::new();
    for change in &period.changes {
        if change.start < start || change.start >= end {
            continue;
        }
        let part = change.end.min(end).saturating_sub(change.start).max(0);
        let gain = Tokens(share(change.gain.get(), part, end.saturating_sub(start)));
        let source = format!("upgrade:{}", change.invoice.id);
        if let Some(known) = found.iter_mut().find(|lot| lot.source == source) {
            known.tokens += gain;
            known.plan = change.plan.clone();
        } else {
            found.push(Lot {
                source,
                plan: change.plan.clone(),
                tokens: gain,
                adjust: true,
                ..blank(change.invoice, change.start, end, superseded)
            });
        }
    }
    for lot in &mut found {
        // A change that brought nothing makes no lot, but one that was made before may shrink.
        lot.grant = lot.tokens > Tokens::ZERO;
        if let Some(change) = period.changes.iter().find(|change| change.invoice.id == lot.invoice)
        {
            lot.refunded = Tokens(change.invoice.refunded_share_of(lot.tokens.get()));
        }
    }
    found
}

fn blank(invoice: &InvoiceFact, start: i64, end: i64, superseded: bool) -> Lot {
    Lot {
        source: String::new(),
        invoice: invoice.id.clone(),
        plan: PlanId::free(),
        tokens: Tokens::ZERO,
        starts_at: UnixMillis::from_secs(start),
        ends_at: UnixMillis::from_secs(end),
        grant: true,
        adjust: false,
        superseded,
        refunded: Tokens::ZERO,
        contested_by: invoice
            .disputes
            .iter()
            .filter(|dispute| dispute.standing != Standing::Won)
            .map(|dispute| dispute.id.clone())
            .collect(),
    }
}

fn won(periods: &[Period<'_>]) -> Vec<WonDispute> {
    let newest = periods.len().saturating_sub(1);
    let mut all = Vec::new();
    for (index, period) in periods.iter().enumerate() {
        let invoices = std::iter::once(period.invoice)
            .chain(period.changes.iter().map(|change| change.invoice));
        for invoice in invoices {
            all.extend(
                invoice.disputes.iter().filter(|dispute| dispute.standing == Standing::Won).map(
                    |dispute| WonDispute {
                        dispute: dispute.id.clone(),
                        invoice: invoice.id.clone(),
                        superseded: index < newest,
                    },
                ),
            );
        }
    }
    all
}
