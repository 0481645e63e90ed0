//! async-stripe's types → the facts that billing decides by.

use crate::billing::facts::{
    DisputeFact, InvoiceFact, LineFact, Standing, Status, SubscriptionFact,
};
use autocrea_protocol::account::Interval;
use stripe_shared::{
    BillingBillResourceInvoicingLinesParentsInvoiceLineItemParent as LineParent, Charge,
    ChargeStatus, Dispute, DisputeStatus, Invoice, InvoiceLineItem, InvoiceStatus,
    RecurringInterval, Subscription, SubscriptionStatus,
};

/// A subscription; none if it has a status or shape that this program does not know.
pub(super) fn subscription(from: &Subscription) -> Option<SubscriptionFact> {
    let item = from.items.data.first()?;
    Some(SubscriptionFact {
        id: from.id.to_string(),
        status: status(&from.status)?,
        price: item.price.id.to_string(),
        interval: item.price.recurring.as_ref().and_then(|recurring| match recurring.interval {
            RecurringInterval::Month => Some(Interval::Month),
            RecurringInterval::Year => Some(Interval::Year),
            _ => None,
        }),
        created: from.created,
        period_start: item.current_period_start,
        period_end: item.current_period_end,
        cancel_at: from.cancel_at,
        cancel_at_period_end: from.cancel_at_period_end,
        ended_at: from.ended_at,
        trial_end: from.trial_end,
    })
}

const fn status(from: &SubscriptionStatus) -> Option<Status> {
    Some(match from {
        SubscriptionStatus::Active => Status::Active,
        SubscriptionStatus::Trialing => Status::Trialing,
        SubscriptionStatus::PastDue => Status::PastDue,
        SubscriptionStatus::Unpaid => Status::Unpaid,
        SubscriptionStatus::Paused => Status::Paused,
        SubscriptionStatus::Canceled => Status::Canceled,
        SubscriptionStatus::Incomplete => Status::Incomplete,
        SubscriptionStatus::IncompleteExpired => Status::IncompleteExpired,
        _ => return None,
    })
}

/// An invoice of a subscription, without its charges; none for drafts, voided ones and those of
/// nothing that recurs.
pub(super) fn invoice(from: &Invoice, lines: &[InvoiceLineItem]) -> Option<InvoiceFact> {
    let status = from.status.as_ref()?;
    let paid = *status == InvoiceStatus::Paid;
    let open = matches!(status, InvoiceStatus::Open | InvoiceStatus::Uncollectible);
    if !paid && !open {
        return None;
    }
    Some(InvoiceFact {
        id: from.id.as_ref()?.to_string(),
        subscription: subscription_of(from)?,
        paid,
        open,
        overdue: open && (from.attempted || from.attempt_count > 0),
        created: from.created,
        first_failed_at: open.then_some(from.status_transitions.finalized_at).flatten(),
        lines: lines.iter().filter_map(line).collect(),
        charged: 0,
        refunded: 0,
        disputes: Vec::new(),
    })
}

fn subscription_of(invoice: &Invoice) -> Option<String> {
    invoice
        .parent
        .as_ref()
        .and_then(|parent| parent.subscription_details.as_ref())
        .map(|details| details.subscription.id().to_string())
        .or_else(|| {
            // Where it was before 2025-03-31.basil.
            invoice.subscription.as_ref().map(|subscription| subscription.id().to_string())
        })
}

fn line(from: &InvoiceLineItem) -> Option<LineFact> {
    let price = from.pricing.as_ref()?.price_details.as_ref()?;
    let (proration, credits) = proration(from.parent.as_ref())?;
    Some(LineFact {
        price: price.price.id().to_string(),
        proration,
        credit: from.amount < 0 || credits,
        amount: from.amount,
        start: from.period.start,
        end: from.period.end,
    })
}

/// Whether a line is a proration, and whether it credits earlier lines. None for something sold
/// once, which opens no period.
fn proration(parent: Option<&LineParent>) -> Option<(bool, bool)> {
    let Some(parent) = parent else {
        return Some((false, false));
    };
    if let Some(item) = &parent.subscription_item_details {
        let credits =
            item.proration_details.as_ref().is_some_and(|details| details.credited_items.is_some());
        return Some((item.proration, item.proration && credits));
    }
    let item = parent.invoice_item_details.as_ref()?;
    let credits =
        item.proration_details.as_ref().is_some_and(|details| details.credited_items.is_some());
    item.proration.then_some((true, credits))
}

/// What the attempts at an open invoice say: when it failed first, or that nothing has failed yet: a
/// bank takes days to decide on a debit.
pub(super) fn attempts(invoice: &mut InvoiceFact, charges: &[&Charge]) {
    let failed = charges.iter().filter(|one| one.status == ChargeStatus::Failed);
    let failed = failed.map(|one| one.created).min();
    let undecided = charges.iter().any(|one| one.status == ChargeStatus::Pending);
    invoice.first_failed_at = failed.or(invoice.first_failed_at);
    invoice.overdue &= failed.is_some() || !undecided;
}

/// A dispute, unless it is an inquiry or was prevented: those have moved no money.
pub(super) fn dispute(from: &Dispute) -> Option<DisputeFact> {
    let standing = match from.status {
        DisputeStatus::NeedsResponse | DisputeStatus::UnderReview => Standing::Open,
        DisputeStatus::Lost => Standing::Lost,
        DisputeStatus::Won => Standing::Won,
        _ => return None,
    };
    Some(DisputeFact { id: from.id.to_string(), standing })
}
