//! What time brings.

use autocrea_sandbox::stripe::{AfterLastRetry, SessionPayment, TestCard};
use serde_json::Value;

use crate::support::{CARD, DAY, kinds_after, number, session, stripe, subscribed, text};

#[tokio::test]
async fn months_that_pass_at_once_are_billed_one_by_one() {
    let stripe = stripe().await;
    let paid = subscribed(&stripe, &stripe.prices().creator, "");
    stripe.advance(95 * DAY);
    let invoices = paid.invoices(&stripe);
    assert_eq!(invoices.len(), 4);
    let periods: Vec<(i64, i64)> = invoices
        .iter()
        .rev()
        .map(|invoice| {
            let line = &invoice["lines"]["data"][0];
            (number(line, "/period/start"), number(line, "/period/end"))
        })
        .collect();
    for pair in periods.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "no gap between periods");
    }
    for (invoice, (start, _)) in invoices.iter().rev().zip(&periods) {
        assert_eq!(text(invoice, "/status"), "paid");
        assert_eq!(number(invoice, "/created"), *start, "invoiced when the period began");
    }
    let reasons: Vec<String> =
        invoices.iter().map(|invoice| text(invoice, "/billing_reason")).collect();
    assert_eq!(reasons[0], "subscription_cycle");
    assert_eq!(reasons[3], "subscription_create");
}

#[tokio::test]
async fn a_failing_card_is_tried_four_times_and_then_the_subscription_ends() {
    let stripe = stripe().await;
    let paid = subscribed(&stripe, &stripe.prices().creator, "");
    stripe.set_card(&paid.customer, TestCard::FailsWhenCharged).expect("a card");
    let seen = stripe.events().len();
    stripe.advance(31 * DAY);
    let due = paid.now(&stripe);
    assert_eq!(text(&due, "/status"), "past_due");
    assert_eq!(number(&due, "/latest_invoice/attempt_count"), 1);
    assert!(number(&due, "/latest_invoice/next_payment_attempt") > stripe.now());
    stripe.advance(16 * DAY);
    let ended = paid.now(&stripe);
    assert_eq!(text(&ended, "/status"), "canceled");
    assert_eq!(text(&ended, "/cancellation_details/reason"), "payment_failed");
    assert_eq!(number(&ended, "/latest_invoice/attempt_count"), 4);
    let kinds = kinds_after(&stripe, seen);
    let failed = kinds.iter().filter(|kind| *kind == "invoice.payment_failed").count();
    assert_eq!(failed, 4);
    assert_eq!(kinds.last().map(String::as_str), Some("customer.subscription.deleted"));
}

#[tokio::test]
async fn a_failing_card_can_also_end_in_unpaid() {
    let stripe = stripe().await;
    stripe.after_last_retry(AfterLastRetry::MarkUnpaid);
    let paid = subscribed(&stripe, &stripe.prices().creator, "");
    stripe.set_card(&paid.customer, TestCard::AuthenticatesAlways).expect("a card");
    let seen = stripe.events().len();
    stripe.advance(50 * DAY);
    assert_eq!(text(&paid.now(&stripe), "/status"), "unpaid");
    let kinds = kinds_after(&stripe, seen);
    assert!(kinds.contains(&"invoice.payment_action_required".to_owned()));
}

#[tokio::test]
async fn a_decided_cancellation_comes_when_the_period_ends() {
    let stripe = stripe().await;
    let paid = subscribed(&stripe, &stripe.prices().creator, "");
    let decided = stripe.cancel_at_period_end(&paid.subscription).expect("cancelled");
    let at = number(&decided, "/cancel_at");
    stripe.advance(40 * DAY);
    let ended = paid.now(&stripe);
    assert_eq!(text(&ended, "/status"), "canceled");
    assert_eq!(number(&ended, "/ended_at"), at);
    assert_eq!(paid.invoices(&stripe).len(), 1, "nothing is billed after the end");
}

#[tokio::test]
async fn a_trial_is_announced_before_it_ends_and_then_billed() {
    let stripe = stripe().await;
    let paid =
        subscribed(&stripe, &stripe.prices().pro, "&subscription_data[trial_period_days]=14");
    let trial = paid.now(&stripe);
    assert_eq!(text(&trial, "/status"), "trialing");
    assert_eq!(number(&trial, "/latest_invoice/amount_due"), 0);
    assert_eq!(text(&trial, "/latest_invoice/status"), "paid");
    assert_eq!(trial["trial_end"], trial["items"]["data"][0]["current_period_end"]);
    let seen = stripe.events().len();
    stripe.advance(12 * DAY);
    assert_eq!(kinds_after(&stripe, seen), ["customer.subscription.trial_will_end"]);
    stripe.advance(3 * DAY);
    let billed = paid.now(&stripe);
    assert_eq!(text(&billed, "/status"), "active");
    assert_eq!(number(&billed, "/latest_invoice/amount_paid"), 7_900);
    assert_eq!(text(&billed, "/latest_invoice/billing_reason"), "subscription_cycle");
}

#[tokio::test]
async fn an_open_session_expires_after_a_day() {
    let stripe = stripe().await;
    let session = session(&stripe, &stripe.prices().creator, "");
    stripe.advance(DAY);
    let outcome = stripe.pay(&text(&session, "/id"), CARD).expect("an outcome");
    assert!(matches!(outcome, SessionPayment::Closed(_)), "{outcome:?}");
    assert_eq!(kinds_after(&stripe, 1), ["checkout.session.expired"]);
}

#[tokio::test]
async fn refunds_and_disputes_move_the_charge_and_not_the_subscription() {
    let stripe = stripe().await;
    let paid = subscribed(&stripe, &stripe.prices().creator, "");
    let form = format!("customer={}", paid.customer);
    let charge = text(&stripe.call("GET", "charges", &form).expect("charges"), "/data/0/id");
    let seen = stripe.events().len();
    stripe.refund(&charge, Some(1_000)).expect("a refund");
    assert!(stripe.refund(&charge, Some(2_000)).is_err(), "more than is left");
    let dispute = stripe.dispute(&charge).expect("a dispute");
    assert!(stripe.refund(&charge, None).is_err(), "disputed");
    stripe.decide_dispute(&text(&dispute, "/id"), true).expect("a decision");
    let charge: Value = stripe.call("GET", &format!("charges/{charge}"), "").expect("the charge");
    assert_eq!(number(&charge, "/amount_refunded"), 1_000);
    assert_eq!(
        (charge["disputed"].clone(), charge["refunded"].clone()),
        (true.into(), false.into())
    );
    assert_eq!(text(&paid.now(&stripe), "/status"), "active");
    let kinds = kinds_after(&stripe, seen);
    for kind in ["charge.refunded", "charge.dispute.created", "charge.dispute.closed"] {
        assert!(kinds.contains(&kind.to_owned()), "{kind}");
    }
}
