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

use super::facts::{Facts, Status, SubscriptionFact};
use super::lots::{self, Lot, WonDispute};
use super::periods::{Period, paid_periods};
use super::pricebook::PriceBook;
use autocrea_protocol::account::{Subscription, SubscriptionStatus};
use autocrea_protocol::{PlanId, UnixMillis};
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
    /// Stripe's ids of the subscriptions that count, oldest first.
    pub counted: Vec<String>,
    /// Every lot that was ever paid for, oldest first.
    pub lots: Vec<Lot>,
    /// Sources of lots that a subscription brought before it was known to be one too many: all that
    /// is unspent of them goes.
    pub withdrawn: Vec<String>,
    /// Won disputes: what was taken on their account comes back.
    pub won: Vec<WonDispute>,
    /// Live subscriptions beside the one in force: to be cancelled and refunded.
    pub duplicates: Vec<String>,
    /// When the newest period began that was paid for (Unix seconds).
    pub opened_at: Option<i64>,
    /// When time alone changes the answer next.
    pub next_change_at: Option<UnixMillis>,
}

impl Outcome {
    /// Says that the person has paid for a newer period as another customer: what these lots have
    /// left ends, and no further month of a year begins.
    pub fn is_followed_elsewhere(&mut self) {
        for lot in &mut self.lots {
            lot.superseded = true;
            lot.grant &= !lot.is_later_month;
        }
        for won in &mut self.won {
            won.superseded = true;
        }
    }
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
    if let Some(governing) = standing.governing {
        known_prices(facts, governing, book)?;
    }
    // Something else that this account sells is nobody's duplicate: better loud than undone.
    for id in &standing.duplicates {
        let duplicate = facts.subscriptions.iter().find(|one| one.id == *id);
        if let Some(one) = duplicate.filter(|one| book.plan_of(&one.price).is_none()) {
            return Err(unknown_price(one, &one.price));
        }
    }
    let periods = paid_periods(facts, &standing.left_out, book);
    let (subscription, mut changes) = standing.governing.map_or_else(
        || (Subscription::none(), Vec::new()),
        |governing| in_force(facts, governing, &periods, book, now),
    );
    let lots = lots::of(facts, &periods, standing.governing, book, now, &mut changes);
    let won = lots::won(&periods);
    let withdrawn = withdrawn(facts, &standing, book, now);
    Ok(Outcome {
        live: standing
            .governing
            .filter(|governing| governing.status.is_live())
            .map(|governing| governing.id.clone()),
        counted: standing.counted,
        subscription,
        lots,
        withdrawn,
        won,
        duplicates: standing.duplicates,
        opened_at: periods.last().map(|period| period.start),
        next_change_at: changes.into_iter().filter(|at| *at > now).min(),
    })
}

/// What the subscriptions that are left out would have brought.
fn withdrawn(
    facts: &Facts,
    standing: &Choice<'_>,
    book: &PriceBook,
    now: UnixMillis,
) -> Vec<String> {
    let others = facts.subscriptions.iter().map(|one| &one.id);
    let others = others.filter(|id| !standing.left_out.contains(*id)).cloned().collect();
    let periods = paid_periods(facts, &others, book);
    let lots = lots::of(facts, &periods, None, book, now, &mut Vec::new());
    lots.into_iter().map(|lot| lot.source).collect()
}

/// Which subscription counts, and which should not be.
struct Choice<'f> {
    governing: Option<&'f SubscriptionFact>,
    /// Those that count.
    counted: Vec<String>,
    /// Live beside it: to be undone.
    duplicates: Vec<String>,
    /// Not counted: the duplicates, known and new, and those that somebody has undone already.
    left_out: HashSet<String>,
}

impl<'f> Choice<'f> {
    fn of(facts: &'f Facts, known: &HashSet<String>) -> Self {
        let mut real: Vec<&SubscriptionFact> =
            facts.subscriptions.iter().filter(|one| one.status.counts()).collect();
        real.sort_by_key(|one| one.created);
        let (counted, duplicates, left_out) = (Vec::new(), Vec::new(), known.clone());
        let mut choice = Self { governing: None, counted, duplicates, left_out };
        let mut counted: Vec<&SubscriptionFact> = Vec::new();
        for one in real {
            if known.contains(&one.id) {
                continue;
            }
            if counted.iter().any(|earlier| earlier.status.is_live()) && one.status.is_live() {
                choice.duplicates.push(one.id.clone());
                choice.left_out.insert(one.id.clone());
            } else if counted.iter().any(|earlier| overlaps(earlier, one)) && was_undone(facts, one)
            {
                choice.left_out.insert(one.id.clone());
            } else {
                counted.push(one);
            }
        }
        let live = counted.iter().find(|one| one.status.is_live());
        choice.governing = live.or_else(|| counted.last()).copied();
        choice.counted = counted.iter().map(|one| one.id.clone()).collect();
        choice
    }
}

/// Whether `later` began while `earlier` had not ended.
fn overlaps(earlier: &SubscriptionFact, later: &SubscriptionFact) -> bool {
    earlier.ended_at.is_none_or(|ended| ended > later.created)
}

/// Whether a subscription has ended and nothing that was collected for it was kept: what becomes of
/// a second one, here or by somebody's hand at Stripe. One that was paid for with credit alone has
/// collected nothing.
fn was_undone(facts: &Facts, subscription: &SubscriptionFact) -> bool {
    let mut paid = facts
        .invoices
        .iter()
        .filter(|invoice| invoice.paid && invoice.subscription == subscription.id);
    !subscription.status.is_live() && paid.all(|invoice| invoice.refunded >= invoice.charged)
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
            return Err(unknown_price(governing, price));
        }
    }
    Ok(())
}

fn unknown_price(of: &SubscriptionFact, price: &str) -> FoldError {
    FoldError::UnknownPrice { subscription: of.id.clone(), price: price.to_owned() }
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
            let failed = UnixMillis::from_secs(first_failure(facts, governing, periods));
            let until = failed.plus_millis(book.grace_millis());
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

/// Since when a subscription is overdue: the first failed attempt at the oldest invoice that is still
/// to be paid. One that is older than a period that was paid for since has been written off, and is
/// nothing to be waited for.
pub(super) fn first_failure(
    facts: &Facts,
    governing: &SubscriptionFact,
    periods: &[Period<'_>],
) -> i64 {
    let paid_since = periods
        .iter()
        .filter(|period| period.invoice.subscription == governing.id)
        .map(|period| period.invoice.created)
        .max();
    let overdue = |attempted: bool| {
        facts
            .invoices
            .iter()
            .filter(|invoice| !invoice.paid && invoice.open)
            .filter(|invoice| invoice.subscription == governing.id)
            .filter(|invoice| paid_since.is_none_or(|since| invoice.created >= since))
            .filter(|invoice| invoice.overdue || !attempted)
            .map(|invoice| invoice.first_failed_at.unwrap_or(invoice.created))
            .min()
    };
    overdue(true).or_else(|| overdue(false)).unwrap_or(governing.period_start)
}
