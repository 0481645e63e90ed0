//! Mails about what somebody pays for, caused by Stripe.

use super::post::{arrived, one, sent, states};
use crate::support::ANA;
use crate::support::gate::Gate;
use crate::support::shop::{
    DAY, begin_trial, buy, call, customer, open, pass_time, settle, stripe, subscribe_beside,
    until, use_card,
};
use autocrea_relay::billing::refresh::refresh;
use autocrea_sandbox::stripe::{AfterLastRetry, TestCard};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_first_payment_is_confirmed_once_and_a_renewal_is_not() {
    let world = open().await;
    let wish = json!({"locale": "en"});
    let request = world.ask_as(ANA, Method::PATCH, "/api/user/profile").json(&wish);
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    buy(&world, "creator", "month").await;
    let mail = one(&world, "subscription_confirmed").await;
    assert_eq!(mail.subject, "Your Creator plan is active");
    assert!(mail.text.contains("500,000") && mail.text.contains("Monthly"), "{}", mail.text);
    pass_time(&world, DAY * 32).await;
    one(&world, "subscription_confirmed").await;
    assert!(arrived(&world, "payment_failed").is_empty());
}

#[tokio::test]
async fn a_trial_is_confirmed_when_it_begins_and_its_first_payment_is_not_confirmed_again() {
    let world = open().await;
    begin_trial(&world).await;
    let mail = one(&world, "subscription_confirmed").await;
    assert_eq!(mail.subject, "Tu prueba de Creator ha empezado");
    pass_time(&world, DAY * 15).await;
    until(&world, |it| it["subscription"]["status"] == "active").await;
    one(&world, "subscription_confirmed").await;
}

#[tokio::test]
async fn cancelling_is_told_when_it_is_decided_and_not_again_when_it_happens() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    stripe(&world).cancel_at_period_end(&subscription).expect("a subscription");
    until(&world, |it| it["subscription"]["cancelAtPeriodEnd"] == true).await;
    settle(&world).await;
    let mail = one(&world, "subscription_cancelled").await;
    assert!(mail.text.contains("Conservas Creator"), "{}", mail.text);
    stripe(&world).resume(&subscription).expect("a subscription");
    stripe(&world).cancel_at_period_end(&subscription).expect("a subscription");
    pass_time(&world, DAY * 32).await;
    until(&world, |it| it["subscription"]["status"] == "canceled").await;
    one(&world, "subscription_cancelled").await;
}

#[tokio::test]
async fn cancelled_at_once_is_told_with_what_is_kept() {
    let world = open().await;
    let subscription = buy(&world, "pro", "month").await;
    stripe(&world).cancel_now(&subscription).expect("a subscription");
    until(&world, |it| it["subscription"]["status"] == "canceled").await;
    settle(&world).await;
    let mail = one(&world, "subscription_cancelled").await;
    assert_eq!(mail.subject, "Tu plan Pro está cancelado");
    assert!(mail.text.contains("Conservas Pro"), "paid for until then: {}", mail.text);
}

#[tokio::test]
async fn a_payment_that_fails_is_told_once_an_invoice_however_often_it_is_tried() {
    let world = open().await;
    stripe(&world).after_last_retry(AfterLastRetry::LeavePastDue);
    buy(&world, "creator", "month").await;
    use_card(&world, TestCard::FailsWhenCharged).await;
    pass_time(&world, DAY * 31).await;
    let mail = one(&world, "payment_failed").await;
    assert_eq!(mail.subject, "No hemos podido cobrar tu plan Creator");
    assert!(mail.text.contains("Conservas tu plan hasta el"), "{}", mail.text);
    pass_time(&world, DAY * 5).await;
    pass_time(&world, DAY * 5).await;
    one(&world, "payment_failed").await;
}

#[tokio::test]
async fn of_a_subscription_that_should_not_be_nothing_is_told() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    subscribe_beside(&world, &stripe(&world).prices().pro, "").await;
    settle(&world).await;
    settle(&world).await;
    sent(&world).await;
    one(&world, "subscription_confirmed").await;
    assert!(arrived(&world, "subscription_cancelled").is_empty());
}

#[tokio::test]
async fn a_debit_on_which_the_bank_has_not_decided_is_no_payment_that_failed() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    use_card(&world, TestCard::FailsWhenCharged).await;
    stripe(&world).hold(true);
    world.clock.advance(DAY * 31);
    stripe(&world).advance(DAY * 31);
    // The sandbox has only cards: what Stripe says of a debit is said in its stead.
    let customer = customer(&world).await.expect("a customer");
    let instead = |path: &str, form: &str, changes: &[(&str, Value)]| {
        let form = format!("customer={customer}&limit=100{form}");
        let mut list = call(&world, "GET", path, &form);
        for (name, value) in changes {
            list["data"][0][*name] = value.clone();
        }
        gate.instead(&format!("/v1/{path}?customer="), 200, &list.to_string());
    };
    let undecided =
        [("status", json!("pending")), ("failure_code", Value::Null), ("outcome", Value::Null)];
    instead("charges", "", &undecided);
    instead("subscriptions", "&status=all", &[("status", json!("active"))]);
    let billing = &world.relay.app.billing;
    refresh(billing, &customer).await.expect("Stripe answers");
    assert_eq!(world.get("/api/account").await["subscription"]["status"], "active");
    assert!(states(&world, "payment_failed").await.is_empty());
    // It is turned down after all.
    gate.mend();
    refresh(billing, &customer).await.expect("Stripe answers");
    assert_eq!(world.get("/api/account").await["subscription"]["status"], "past_due");
    one(&world, "payment_failed").await;
}
