//! Stripe's objects → the facts that billing decides by.

use super::objects::{Charge, Dispute, Invoice, Line, LineParent, Subscription};
use crate::billing::facts::{
    DisputeFact, InvoiceFact, LineFact, Standing, Status, SubscriptionFact,
};
use autocrea_protocol::account::Interval;

/// The status of a charge whose money came.
pub(super) const SUCCEEDED: &str = "succeeded";

/// A subscription; none if it has a status or shape that this program does not know.
pub(super) fn subscription(from: Subscription) -> Option<SubscriptionFact> {
    let status = status(&from.status)?;
    let item = from.items.data.into_iter().next()?;
    let interval = item.price.recurring.and_then(|recurring| match recurring.interval.as_str() {
        "month" => Some(Interval::Month),
        "year" => Some(Interval::Year),
        _ => None,
    });
    Some(SubscriptionFact {
        id: from.id,
        status,
        price: item.price.id,
        interval,
        created: from.created,
        period_start: item.current_period_start,
        period_end: item.current_period_end,
        cancel_at: from.cancel_at,
        cancel_at_period_end: from.cancel_at_period_end,
        ended_at: from.ended_at,
        trial_end: from.trial_end,
    })
}

/// A subscription's status; none if this program does not know it.
pub(super) fn status(from: &str) -> Option<Status> {
    Some(match from {
        "active" => Status::Active,
        "trialing" => Status::Trialing,
        "past_due" => Status::PastDue,
        "unpaid" => Status::Unpaid,
        "paused" => Status::Paused,
        "canceled" => Status::Canceled,
        "incomplete" => Status::Incomplete,
        "incomplete_expired" => Status::IncompleteExpired,
        _ => return None,
    })
}

/// An invoice of a subscription with the lines that came with it, without its charges; none for
/// drafts, voided ones and those of nothing that recurs.
pub(super) fn invoice(from: Invoice) -> Option<InvoiceFact> {
    let status = from.status.as_deref()?;
    let paid = status == "paid";
    let open = matches!(status, "open" | "uncollectible");
    if !paid && !open {
        return None;
    }
    let subscription = subscription_of(&from)?;
    let finalized_at = from.status_transitions.and_then(|at| at.finalized_at);
    Some(InvoiceFact {
        id: from.id,
        subscription,
        paid,
        open,
        overdue: open && (from.attempted || from.attempt_count > 0),
        created: from.created,
        first_failed_at: open.then_some(finalized_at).flatten(),
        lines: from.lines.data.iter().filter_map(line).collect(),
        charged: from.amount_paid.filter(|_| paid).unwrap_or(0),
        refunded: 0,
        disputes: Vec::new(),
    })
}

fn subscription_of(invoice: &Invoice) -> Option<String> {
    let details = invoice.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
    let at_parent = details.and_then(|details| details.subscription.as_ref());
    // Where it was before 2025-03-31.basil.
    let reference = at_parent.or(invoice.subscription.as_ref())?;
    Some(reference.id().to_owned())
}

/// A line; none for something sold once, which opens no period.
pub(super) fn line(from: &Line) -> Option<LineFact> {
    let price = from.pricing.as_ref()?.price_details.as_ref()?;
    let (proration, credits) = proration(from.parent.as_ref())?;
    Some(LineFact {
        price: price.price.id().to_owned(),
        proration,
        credit: from.amount < 0 || credits,
        amount: from.amount,
        start: from.period.start,
        end: from.period.end,
    })
}

/// Whether a line is a proration, and whether it credits earlier lines.
fn proration(parent: Option<&LineParent>) -> Option<(bool, bool)> {
    let Some(parent) = parent else {
        return Some((false, false));
    };
    if let Some(item) = &parent.subscription_item_details {
        return Some((item.proration, item.proration && item.credits()));
    }
    let item = parent.invoice_item_details.as_ref()?;
    item.proration.then_some((true, item.credits()))
}

/// What the attempts at an open invoice say: when it failed first, or that nothing has failed yet: a
/// bank takes days to decide on a debit.
pub(super) fn attempts(invoice: &mut InvoiceFact, charges: &[&Charge]) {
    let failed = charges.iter().filter(|one| one.status == "failed");
    let failed = failed.map(|one| one.created).min();
    let undecided = charges.iter().any(|one| one.status == "pending");
    invoice.first_failed_at = failed.or(invoice.first_failed_at);
    invoice.overdue &= failed.is_some() || !undecided;
}

/// A dispute, unless it is an inquiry or was prevented: those have moved no money.
pub(super) fn dispute(from: Dispute) -> Option<DisputeFact> {
    let standing = match from.status.as_str() {
        "needs_response" | "under_review" => Standing::Open,
        "lost" => Standing::Lost,
        "won" => Standing::Won,
        _ => return None,
    };
    Some(DisputeFact { id: from.id, standing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn invoice_of(value: Value) -> Option<InvoiceFact> {
        invoice(serde_json::from_value(value).expect("an invoice"))
    }

    #[test]
    fn nothing_needs_to_be_there_that_is_not_read() {
        let price = json!({"id": "price_1", "recurring": {"interval": "year"}});
        let item = json!({"price": price, "current_period_start": 1, "current_period_end": 2});
        let given = json!({"id": "sub_1", "customer": {"id": "cus_1", "deleted": true},
            "status": "active", "created": 1, "items": {"data": [item]}, "cancel_at": 9});
        let read = subscription(serde_json::from_value(given).expect("a subscription"));
        let read = read.expect("a known status");
        assert_eq!((read.price.as_str(), read.interval), ("price_1", Some(Interval::Year)));
        assert_eq!((read.cancel_at, read.cancel_at_period_end), (Some(9), false));
        let line = json!({"id": "il_1", "amount": 5, "period": {"start": 1, "end": 2},
            "pricing": {"price_details": {"price": "price_1"}}});
        let read = invoice_of(json!({"id": "in_1", "status": "paid", "created": 1,
            "currency": "usd", "amount_paid": 5, "lines": {"data": [line]},
            "parent": {"subscription_details": {"subscription": "sub_1"}}}));
        let read = read.expect("of a subscription");
        assert_eq!((read.paid, read.charged, read.lines.len()), (true, 5, 1));
    }

    #[test]
    fn a_subscription_is_found_at_its_old_place_expanded_or_not() {
        let old = |subscription: Value| {
            let read = invoice_of(json!({"id": "in_1", "status": "open", "created": 1,
                "currency": "usd", "lines": {"data": []}, "subscription": subscription}));
            read.map(|read| read.subscription)
        };
        assert_eq!(old(json!("sub_1")).as_deref(), Some("sub_1"));
        assert_eq!(old(json!({"id": "sub_1", "object": "subscription"})).as_deref(), Some("sub_1"));
        assert_eq!(old(Value::Null), None);
    }

    #[test]
    fn a_status_that_is_not_known_is_not_guessed_at() {
        assert_eq!(status("active"), Some(Status::Active));
        assert_eq!(status("resting"), None);
        let inquiry = json!({"id": "du_1", "status": "warning_needs_response"});
        assert_eq!(dispute(serde_json::from_value(inquiry).expect("a dispute")), None);
    }
}
