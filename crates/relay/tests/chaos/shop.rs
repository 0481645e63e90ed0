//! What people do at Stripe: buy, change their minds, fail to pay, want their money back.

use super::form::Chances;
use super::stage::{Person, Stage};
use autocrea_sandbox::stripe::{Proration, SessionPayment, Stripe, TestCard};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const PAYS: &str = "4242424242424242";
const DAY: Duration = Duration::from_secs(86_400);

/// The customers at Stripe that say that they are this person.
pub fn customers(stripe: &Stripe, person: &Person) -> Vec<String> {
    let all = all(stripe, "customers", "");
    let theirs = all.iter().filter(|one| one["metadata"]["userId"] == person.user.as_str());
    theirs.map(id).collect()
}

/// All of a list, however many pages it has.
pub fn all(stripe: &Stripe, path: &str, form: &str) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().map(|last| format!("&starting_after={}", id(last)));
        let form = format!("limit=100{form}{}", after.unwrap_or_default());
        let page = stripe.call("GET", path, &form).expect("a list");
        all.extend(page["data"].as_array().expect("data").iter().cloned());
        if page["has_more"] != true {
            return all;
        }
    }
}

pub fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

fn prices(stripe: &Stripe) -> [String; 6] {
    let it = stripe.prices();
    [it.creator, it.pro, it.business, it.creator_yearly, it.pro_yearly, it.business_yearly]
}

/// The tokens of a period of what a price buys.
pub fn tokens_of(stripe: &Stripe, price: &str) -> i64 {
    let known = prices(stripe);
    let at = known.iter().position(|it| it == price).expect("one of ours");
    [500_000, 1_500_000, 5_000_000][at % 3]
}

/// Somebody shops until told to stop.
pub async fn go_shopping(
    stage: &Stage,
    person: &Person,
    chances: Chances,
    stop: &CancellationToken,
) {
    let stripe = &stage.sandbox.stripe;
    while !stop.is_cancelled() {
        let customer = customers(stripe, person).pop();
        let live = customer.as_deref().and_then(|customer| live(stripe, customer));
        match (customer, live, chances.below(10)) {
            (_, None, 0..=5) => buy(stage, person, &chances).await,
            (Some(_), Some(live), 0..=2) => {
                let price = chances.of_these(&prices(stripe)).clone();
                stripe.change_plan(&live, &price, Proration::AlwaysInvoice).ok();
            }
            (Some(_), Some(live), 3) => {
                stripe.cancel_at_period_end(&live).ok();
            }
            (Some(_), Some(live), 4) => {
                stripe.resume(&live).ok();
            }
            (Some(_), Some(live), 5) if chances.once_in(2) => {
                stripe.cancel_now(&live).ok();
            }
            (Some(customer), _, 6) => refund(stripe, &customer, &chances),
            (Some(customer), _, 7) => change_card(stripe, &customer, &chances),
            (_, _, 8) => sync(stage, person).await,
            // Buying with a subscription leads to the portal, and looking changes nothing.
            (_, Some(_), _) => buy(stage, person, &chances).await,
            _ => {
                stage.get(person, "/api/account").await;
            }
        }
        chances.pause(5, 120).await;
    }
}

/// Somebody has had enough: what they subscribed to ends.
pub fn cancel_all(stripe: &Stripe, person: &Person) {
    let customers = customers(stripe, person);
    for live in customers.iter().filter_map(|customer| live(stripe, customer)) {
        stripe.cancel_now(&live).expect("it was live");
    }
}

fn live(stripe: &Stripe, customer: &str) -> Option<String> {
    let form = format!("&customer={customer}&status=all");
    let live = |one: &&Value| {
        let status = one["status"].as_str().unwrap_or_default();
        ["active", "trialing", "past_due", "unpaid", "paused"].contains(&status)
    };
    all(stripe, "subscriptions", &form).iter().find(live).map(id)
}

/// Through the relay, as the app does; pays what it is shown.
async fn buy(stage: &Stage, person: &Person, chances: &Chances) {
    let plan = chances.of_these(&["creator", "pro", "business"]);
    let interval = if chances.once_in(4) { "year" } else { "month" };
    let body = json!({"planId": plan, "interval": interval});
    let path = "/api/stripe/create-checkout";
    let answer = stage.insist(|relay| person.ask(relay, Method::POST, path).json(&body)).await;
    let status = answer.status();
    let Ok(page) = answer.json::<Value>().await else { return };
    // Stripe was away, or the relay died while it answered.
    assert!(status == 200 || status == 502 || status == 503, "{status} {page}");
    let Some(session) = page["sessionId"].as_str() else { return };
    let paid = stage.sandbox.stripe.pay(session, PAYS);
    if matches!(paid, Ok(SessionPayment::Paid { .. })) && chances.once_in(2) {
        sync(stage, person).await;
    }
}

async fn sync(stage: &Stage, person: &Person) {
    let path = "/api/stripe/sync";
    let answer = stage.insist(|relay| person.ask(relay, Method::POST, path).json(&json!({}))).await;
    let status = answer.status();
    assert!(status == 200 || status == 502 || status == 503, "{status}");
}

fn refund(stripe: &Stripe, customer: &str, chances: &Chances) {
    let charges = all(stripe, "charges", &format!("&customer={customer}"));
    if let Some(charge) = charges.iter().find(|one| one["status"] == "succeeded") {
        let amount = charge["amount"].as_i64().expect("an amount");
        let percent = i64::try_from(chances.below(100)).expect("small");
        stripe.refund(&id(charge), Some((amount * percent / 100).max(1))).ok();
    }
}

fn change_card(stripe: &Stripe, customer: &str, chances: &Chances) {
    if chances.once_in(3) {
        stripe.set_card(customer, TestCard::FailsWhenCharged).ok();
        return;
    }
    stripe.set_card(customer, TestCard::Pays).ok();
    for invoice in all(stripe, "invoices", &format!("&customer={customer}&status=open")) {
        stripe.call("POST", &format!("invoices/{}/pay", id(&invoice)), "").ok();
    }
}

/// Stripe's time goes on, some days at once, until told to stop; `months` of it at most. Now and
/// then Stripe or Resend has a bad moment.
pub async fn pass_time(stage: &Stage, months: u64, chances: Chances, stop: &CancellationToken) {
    let stripe = &stage.sandbox.stripe;
    let mut left = months * 30;
    while !stop.is_cancelled() {
        chances.pause(50, 700).await;
        let days = (3 + chances.below(18)).min(left);
        left -= days;
        stripe.advance(DAY * u32::try_from(days).expect("small"));
        match chances.below(8) {
            0 => stripe.lose_answers(2),
            1 => {
                stripe.set_down(true);
                chances.pause(20, 300).await;
                stripe.set_down(false);
            }
            2 => stripe.delay(Duration::from_millis(chances.below(40))),
            3 => stage.sandbox.resend.refuse(*chances.of_these(&[500, 503, 429]), 2, 1),
            _ => {}
        }
    }
    stripe.lose_answers(0);
    stripe.delay(Duration::ZERO);
}
