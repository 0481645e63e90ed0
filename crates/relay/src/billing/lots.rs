//! The lots that paid periods bring.
//!
//! Every invoice that was ever paid has its lot here, also one whose period is long over: a relay
//! that hears of it late grants it and ends it at once, and so comes to the same ledger as one
//! that was there. Only a year's later months are granted while they run or not at all; whether one is
//! due follows from times that Stripe still knows, so that it does not matter when that is asked.

use super::facts::{Facts, InvoiceFact, Standing, Status, SubscriptionFact};
use super::fold::first_failure;
use super::months::months;
use super::periods::Period;
use super::pricebook::PriceBook;
use super::share;
use autocrea_protocol::account::Interval;
use autocrea_protocol::{PlanId, Tokens, UnixMillis};

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
    /// It is one of a year's months after the first.
    pub is_later_month: bool,
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

/// Every lot that the paid periods bring.
pub(super) fn of(
    facts: &Facts,
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
            let until =
                if superseded { 0 } else { later_months_until(facts, periods, period, governing) };
            yearly(&mut all, period, superseded, until, book, now, changes);
        } else {
            let tokens = book.tokens_of(&period.plan);
            all.push(Lot {
                source: format!("invoice:{}", period.invoice.id),
                plan: period.plan.clone(),
                tokens,
                refunded: Tokens(period.invoice.refunded_share_of(tokens.get())),
                ..blank(period.invoice, period.start, period.end, superseded)
            });
            all.extend(upgrades(
                period,
                &period.plan,
                (period.start, period.end),
                superseded,
                book,
            ));
        }
    }
    all
}

/// Before when later months of a year may still begin: in a subscription that is paid for, all of
/// them; in one that is overdue, those that began before it was; in one that has ended, those that had
/// begun by then and those of what was paid for; otherwise none.
fn later_months_until(
    facts: &Facts,
    periods: &[Period<'_>],
    period: &Period<'_>,
    governing: Option<&SubscriptionFact>,
) -> i64 {
    let Some(governing) = governing.filter(|it| it.id == period.invoice.subscription) else {
        return 0;
    };
    match governing.status {
        Status::Active | Status::Trialing => period.end,
        Status::PastDue | Status::Unpaid => first_failure(facts, governing, periods),
        Status::Canceled => period.paid_until().max(governing.ended_at.unwrap_or(0)),
        Status::Paused | Status::Incomplete | Status::IncompleteExpired => 0,
    }
}

/// A yearly period: a lot a month, the first at once, each other when its month begins, if that is
/// before `until`.
fn yearly(
    all: &mut Vec<Lot>,
    period: &Period<'_>,
    superseded: bool,
    until: i64,
    book: &PriceBook,
    now: UnixMillis,
    changes: &mut Vec<UnixMillis>,
) {
    for (number, start, end) in months(period.start, period.end) {
        let begins = UnixMillis::from_secs(start);
        if number > 1 && begins > now {
            if start < until {
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
        let bought = if number == 1 { &period.plan } else { period.plan_bought_at(start) };
        let kept = if number == 1 { &period.plan } else { period.plan_at(start) };
        let tokens = book.tokens_of(bought);
        let mut lot = Lot {
            source,
            plan: bought.clone(),
            tokens,
            ..blank(period.invoice, start, end, superseded)
        };
        if number > 1 {
            lot.is_later_month = true;
            lot.grant = start < until && !over;
        }
        // A change that was paid back is taken off what it had brought.
        let undone = (tokens - book.tokens_of(kept)).at_least_zero();
        let share = Tokens(period.invoice.refunded_share_of(tokens.get()));
        lot.refunded = (share + undone).min(tokens);
        all.push(lot);
        all.extend(upgrades(period, kept, (start, end), superseded, book));
    }
}

/// The upgrade lots of the part `start..end` of a period (the whole of it, or a month of a year).
/// A year's later months carry the plan they begin with themselves, so that a change is worth
/// something only in the month it falls in: as much as it is above the most that was paid for in it
/// before, `base` first. A change down is worth nothing, nor is one that only goes back up.
fn upgrades(
    period: &Period<'_>,
    base: &PlanId,
    (start, end): (i64, i64),
    superseded: bool,
    book: &PriceBook,
) -> Vec<Lot> {
    let mut found: Vec<Lot> = Vec::new();
    let mut highest = book.tokens_of(base);
    for change in &period.changes {
        if change.start < start || change.start >= end {
            continue;
        }
        let tokens = book.tokens_of(&change.plan);
        let more = (tokens - highest).at_least_zero();
        // What was wholly paid back can be bought again.
        if !change.invoice.is_refunded() {
            highest = highest.max(tokens);
        }
        let part = change.end.min(end).saturating_sub(change.start).max(0);
        let gain = Tokens(share(more.get(), part, end.saturating_sub(start)));
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
        is_later_month: false,
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

/// The disputes that were won, of whatever period.
pub(super) fn won(periods: &[Period<'_>]) -> Vec<WonDispute> {
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
