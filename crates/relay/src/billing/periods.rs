//! The periods that paid invoices open, and what was bought in each.
//!
//! A paid invoice with a line that is not a proration opens a period, whatever its
//! `billing_reason` says: a month-to-year change arrives as `subscription_update` and is a new
//! period all the same. Proration lines raise (or do not raise) the plan within a period. All of
//! this is derived from the invoices as Stripe lists them, so it does not matter which event
//! announced which.

use super::facts::{Facts, InvoiceFact, LineFact, SubscriptionFact};
use super::pricebook::PriceBook;
use autocrea_protocol::PlanId;
use autocrea_protocol::account::Interval;
use std::collections::HashSet;

/// One period that was paid for.
#[derive(Clone, Debug)]
pub struct Period<'f> {
    /// The invoice that opened it.
    pub invoice: &'f InvoiceFact,
    /// First second.
    pub start: i64,
    /// The second after the last.
    pub end: i64,
    /// What the opening line bought.
    pub plan: PlanId,
    /// How often that is paid.
    pub interval: Interval,
    /// The opening line is a trial's.
    pub is_trial: bool,
    /// Changes within it, oldest first.
    pub changes: Vec<Change<'f>>,
}

/// A paid change of plan within a period.
#[derive(Clone, Debug)]
pub struct Change<'f> {
    /// The invoice that paid for it.
    pub invoice: &'f InvoiceFact,
    /// From when on.
    pub start: i64,
    /// Until when.
    pub end: i64,
    /// To which plan.
    pub plan: PlanId,
}

impl Period<'_> {
    /// The plan paid for last.
    #[must_use]
    pub fn latest_plan(&self) -> &PlanId {
        self.plan_at(i64::MAX)
    }

    /// The plan at `at`: that of the last change until then whose money was not given back, or
    /// else the opening one.
    #[must_use]
    pub fn plan_at(&self, at: i64) -> &PlanId {
        self.changes
            .iter()
            .rfind(|change| change.start <= at && !change.invoice.is_refunded())
            .map_or(&self.plan, |change| &change.plan)
    }

    /// The plan at `at`, whatever was given back since.
    #[must_use]
    pub fn plan_bought_at(&self, at: i64) -> &PlanId {
        let change = self.changes.iter().rfind(|change| change.start <= at);
        change.map_or(&self.plan, |change| &change.plan)
    }

    /// Until when the period counts as paid for: a refund of a share takes that share off its
    /// end, so that a whole refund ends it before it began.
    #[must_use]
    pub fn paid_until(&self) -> i64 {
        let length = self.end.saturating_sub(self.start);
        self.end.saturating_sub(self.invoice.refunded_share_of(length))
    }
}

/// All paid periods, oldest first, leaving out subscriptions that never should have been.
#[must_use]
pub fn paid_periods<'f>(
    facts: &'f Facts,
    left_out: &HashSet<String>,
    book: &PriceBook,
) -> Vec<Period<'f>> {
    let mut paid: Vec<&InvoiceFact> = facts
        .invoices
        .iter()
        .filter(|invoice| invoice.paid && !left_out.contains(&invoice.subscription))
        .collect();
    // Stable, here and below: within one second Stripe's own order stands.
    paid.sort_by_key(|invoice| invoice.created);
    let mut periods: Vec<Period<'f>> = Vec::new();
    for period in paid.iter().filter_map(|invoice| opened_by(invoice, facts, book)) {
        if !periods.iter().any(|earlier| goes_on_with_trial(&period, earlier)) {
            periods.push(period);
        }
    }
    periods.sort_by_key(|period| (period.start, period.invoice.created));
    for invoice in paid {
        if periods.iter().any(|period| period.invoice.id == invoice.id) {
            // Prorations on the invoice of a new period are of the period before, which is over.
            continue;
        }
        add_change(&mut periods, invoice, book);
    }
    periods
}

/// Whether what looks like a period is a change within a trial: changing plans for nothing must not
/// bring a plan's tokens anew each time.
fn goes_on_with_trial(later: &Period<'_>, trial: &Period<'_>) -> bool {
    let same = later.invoice.subscription == trial.invoice.subscription;
    same && later.is_trial && trial.is_trial && later.start < trial.end
}

fn opened_by<'f>(invoice: &'f InvoiceFact, facts: &Facts, book: &PriceBook) -> Option<Period<'f>> {
    let line = opening_line(invoice, book)?;
    let (plan, interval) = book.plan_of(&line.price)?;
    let is_trial = line.amount == 0
        && subscription(facts, &invoice.subscription)
            .and_then(|subscription| subscription.trial_end)
            .is_some_and(|end| line.end <= end);
    Some(Period {
        invoice,
        start: line.start,
        end: line.end,
        plan: plan.clone(),
        interval: *interval,
        is_trial,
        changes: Vec::new(),
    })
}

fn opening_line<'f>(invoice: &'f InvoiceFact, book: &PriceBook) -> Option<&'f LineFact> {
    invoice
        .lines
        .iter()
        .filter(|line| !line.proration && !line.credit && line.end > line.start)
        .filter(|line| book.plan_of(&line.price).is_some())
        .max_by_key(|line| line.start)
}

/// Adds what `invoice`, which opens no period, raised to the period that it falls in. Called oldest
/// first.
fn add_change<'f>(periods: &mut [Period<'f>], invoice: &'f InvoiceFact, book: &PriceBook) {
    let mut debits: Vec<&LineFact> = invoice.lines.iter().filter(|line| !line.credit).collect();
    debits.sort_by_key(|line| line.start);
    for line in debits {
        let Some((plan, _)) = book.plan_of(&line.price) else {
            continue;
        };
        let Some(period) = periods.iter_mut().rev().find(|period| {
            period.invoice.subscription == invoice.subscription
                && period.start <= line.start
                && line.start < period.end
        }) else {
            continue;
        };
        period.changes.push(Change {
            invoice,
            start: line.start,
            end: line.end.min(period.end),
            plan: plan.clone(),
        });
    }
}

/// The subscription with this id.
#[must_use]
pub fn subscription<'f>(facts: &'f Facts, id: &str) -> Option<&'f SubscriptionFact> {
    facts.subscriptions.iter().find(|subscription| subscription.id == id)
}
