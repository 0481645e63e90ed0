//! Stripe, or what stands between it and the relay, on a bad day: nothing that was paid is lost,
//! and trouble with one customer is nobody else's.

use crate::support::gate::Gate;
use crate::support::shop::*;
use crate::support::{ANA, World};
use autocrea_relay::billing::facts::Facts;
use autocrea_relay::billing::refresh::{refresh, refresh_deleted};
use autocrea_relay::billing::{customers, inbox, prices, reconcile, worker};
use serde_json::{Value, json};
use std::time::Duration;

const GATEWAY: &str = "<html><body>502 Bad Gateway</body></html>";
const BAD_KEY: &str =
    r#"{"error":{"type":"invalid_request_error","message":"Invalid API Key provided"}}"#;
const NO_CUSTOMER: &str = r#"{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such customer"}}"#;

/// Lets what is due be tried, as often as would be given up if anything ever were.
async fn try_often(world: &World) {
    let trying = async {
        loop {
            world.clock.advance(Duration::from_secs(300));
            worker::pass(&world.relay.app.billing).await.expect("a database");
            let events = world.relay.app.db.read(|tx| inbox::list(tx, 100)).await;
            let events = events.expect("a database");
            let paid = events.iter().find(|event| event.kind == "invoice.paid").expect("the event");
            assert_eq!(paid.state, "pending");
            // The relay's own worker may have it in hand, so that this pass was none.
            if paid.attempts > 6 {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), trying).await.expect("it is tried again");
}

#[tokio::test]
async fn however_stripe_fails_a_payment_is_credited_once_it_answers_again() {
    for (status, body) in [(502, GATEWAY), (429, "slow down"), (401, BAD_KEY), (200, "{}")] {
        let (world, gate) = Gate::before_stripe(&[]).await;
        let session = checkout(&world, "creator", "month").await;
        gate.instead("/v1/", status, body);
        pay(&world, text(&session, "sessionId"));
        stripe(&world).settled().await;
        try_often(&world).await;
        assert_eq!(account(&world).await["subscription"]["planId"], "free");
        gate.mend();
        world.clock.advance(Duration::from_secs(300));
        world.relay.app.billing.wake.notify_one();
        until(&world, |it| it["subscription"]["planId"] == "creator").await;
    }
}

#[tokio::test]
async fn a_stripe_that_never_answers_is_given_up_before_whoever_asked_gives_up() {
    let world = open().await;
    stripe(&world).delay(Duration::from_secs(600));
    let began = std::time::Instant::now();
    let body = json!({"planId": "creator"});
    let (status, refused) = post(&world, ANA, "/api/stripe/create-checkout", &body).await;
    assert_eq!((status.as_u16(), text(&refused, "code")), (503, "upstream_unavailable"));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_customer_that_stripe_does_not_find_is_not_taken_for_deleted() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let before = account(&world).await;
    let customer = customer(&world).await.expect("a customer");
    gate.instead(&customer, 404, NO_CUSTOMER);
    refresh(&world.relay.app.billing, &customer).await.expect_err("a fault");
    assert_eq!(account(&world).await, before);
    gate.mend();
    settle(&world).await;
    assert_eq!(crate::support::shop::customer(&world).await, Some(customer), "still the same");
    assert_eq!(account(&world).await, before);
}

#[tokio::test]
async fn a_deletion_that_was_announced_holds_though_stripe_knows_the_customer_no_more() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let customer = customer(&world).await.expect("a customer");
    gate.instead(&customer, 404, NO_CUSTOMER);
    refresh_deleted(&world.relay.app.billing, &customer).await.expect("it is over");
    assert_eq!(account(&world).await["subscription"]["status"], "canceled");
}

#[tokio::test]
async fn an_invoice_of_somebody_else_in_the_list_brings_nothing() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let before = grants(&world).await;
    let form = format!("customer={}", customer(&world).await.expect("a customer"));
    let mut listed = call(&world, "GET", "invoices", &form);
    let mut other = listed["data"][0].clone();
    (other["id"], other["customer"]) = (json!("in_other"), json!("cus_other"));
    listed["data"].as_array_mut().expect("a list").push(other);
    gate.instead("/v1/invoices?", 200, &listed.to_string());
    settle(&world).await;
    assert_eq!(grants(&world).await, before);
}

/// Luis's customer, who has paid unseen.
async fn luis_pays_unseen(world: &World) -> String {
    let luis = "luis@example.com";
    let body = json!({"planId": "pro"});
    let (status, session) = post(world, luis, "/api/stripe/create-checkout", &body).await;
    assert_eq!(status, 200, "{session}");
    let user = world.user(luis);
    let billing = &world.relay.app.billing;
    let customer = autocrea_relay::billing::checkout::customer_of(billing, &user).await;
    pay(world, text(&session, "sessionId"));
    customer.expect("a database").expect("a customer")
}

async fn plan_of(world: &World, email: &str) -> Value {
    let answer = world.ask_as(email, reqwest::Method::GET, "/api/account").send();
    let account: Value = answer.await.expect("an answer").json().await.expect("JSON");
    account["subscription"]["planId"].clone()
}

#[tokio::test]
async fn one_bad_customer_and_one_bad_price_do_not_stop_reconciliation() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    stripe(&world).hold(true);
    let session = checkout(&world, "creator", "month").await;
    pay(&world, text(&session, "sessionId"));
    let luis = (luis_pays_unseen(&world).await, "luis@example.com", "pro");
    let ana = (customer(&world).await.expect("a customer"), ANA, "creator");
    // The bad one is the first that is looked at.
    let (bad, good) = if ana.0 < luis.0 { (ana, luis) } else { (luis, ana) };
    gate.instead(&format!("invoices?customer={}", bad.0), 200, "{}");
    gate.instead(&format!("/v1/prices/{}", stripe(&world).prices().business), 403, BAD_KEY);
    reconcile::pass(&world.relay.app.billing, true).await.expect("the others are well");
    assert_eq!(plan_of(&world, good.1).await, good.2);
    assert_eq!(plan_of(&world, bad.1).await, "free");
    gate.mend();
    reconcile::pass(&world.relay.app.billing, true).await.expect("Stripe answers");
    assert_eq!(plan_of(&world, bad.1).await, bad.2);
}

#[tokio::test]
async fn a_price_that_cannot_be_read_stays_as_it_was() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    let billing = &world.relay.app.billing;
    prices::refresh(billing).await.expect("Stripe answers");
    let before = world.get("/api/plans").await;
    gate.instead(&format!("/v1/prices/{}", stripe(&world).prices().creator), 404, NO_CUSTOMER);
    prices::refresh(billing).await.expect("Stripe answers");
    assert_eq!(world.get("/api/plans").await, before);
    assert_eq!(before["plans"][1]["prices"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_second_subscription_that_cannot_be_undone_holds_nothing_else_up() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let customer = customer(&world).await.expect("a customer");
    stripe(&world).hold(true);
    pass_clock(&world);
    let later = subscribe_beside(&world, &stripe(&world).prices().pro, "").await;
    let path = format!("subscriptions/{later}");
    gate.instead(&format!("/v1/{path}"), 403, BAD_KEY);
    refresh(&world.relay.app.billing, &customer).await.expect("the customer stands as they should");
    assert_eq!(call(&world, "GET", &path, "")["status"], "active");
    gate.mend();
    reconcile::pass(&world.relay.app.billing, false).await.expect("Stripe answers");
    assert_eq!(call(&world, "GET", &path, "")["status"], "canceled");
}

fn pass_clock(world: &World) {
    world.clock.advance(Duration::from_secs(60));
    stripe(world).advance(Duration::from_secs(60));
}

#[tokio::test]
async fn however_many_events_were_missed_each_is_found() {
    let (world, _gate) = Gate::before_stripe(&[]).await;
    stripe(&world).hold(true);
    let session = checkout(&world, "creator", "month").await;
    pay(&world, text(&session, "sessionId"));
    // More than Stripe lists in twenty pages, and all of them newer.
    for number in 0..2_100 {
        let customer = customer(&world).await.expect("a customer");
        call(&world, "POST", &format!("customers/{customer}"), &format!("name=Ana {number}"));
    }
    let events = stripe(&world).events();
    let handled = events.iter().filter(|event| event.kind != "customer.updated").count();
    assert!(events.len() > 2_000 + handled);
    reconcile::pass(&world.relay.app.billing, false).await.expect("Stripe answers");
    until(&world, |it| it["subscription"]["planId"] == "creator").await;
}

#[tokio::test]
async fn a_checkout_that_is_paid_while_it_is_being_shut_leads_to_the_portal() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    let first = checkout(&world, "creator", "month").await;
    gate.hold("/expire", 400, NO_CUSTOMER);
    let paid = async {
        gate.asked().await;
        pay(&world, text(&first, "sessionId"));
        gate.release();
    };
    let (second, ()) = tokio::join!(checkout(&world, "pro", "month"), paid);
    assert_eq!(second["kind"], "portal", "nobody pays twice");
}

#[tokio::test]
async fn a_reading_that_is_older_than_what_is_known_is_made_again() {
    let (world, _gate) = Gate::before_stripe(&[]).await;
    let session = checkout(&world, "creator", "month").await;
    stripe(&world).hold(true);
    pay(&world, text(&session, "sessionId"));
    let customer = customer(&world).await.expect("a customer");
    // A command beside the relay has looked in the meantime; its clock runs an hour ahead.
    let (name, later) = (customer.clone(), world.clock.now().plus_millis(3_600_000));
    let db = &world.relay.app.db;
    db.write(move |tx| customers::store_facts(tx, &name, &Facts::default(), later))
        .await
        .expect("a database");
    let readings = || {
        let requests = stripe(&world).requests();
        requests.iter().filter(|one| one.path == "/v1/invoices").count()
    };
    let before = readings();
    refresh(&world.relay.app.billing, &customer).await.expect("Stripe answers");
    assert_eq!(readings() - before, 3, "again, but not for ever");
    assert_eq!(account(&world).await["subscription"]["planId"], "creator");
}

#[tokio::test]
async fn one_slow_customer_holds_up_no_other() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    let session = checkout(&world, "creator", "month").await;
    let ana = customer(&world).await.expect("a customer");
    gate.hold(&format!("invoices?customer={ana}"), 502, GATEWAY);
    pay(&world, text(&session, "sessionId"));
    gate.asked().await;
    luis_pays_unseen(&world).await;
    let seen = async {
        while plan_of(&world, "luis@example.com").await != "pro" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), seen).await.expect("Luis has his plan");
    assert_eq!(plan_of(&world, ANA).await, "free");
}

/// Five minutes go by, for Stripe and the relay alike, and the relay's own rounds are made.
async fn five_minutes_pass(world: &World) {
    let five = Duration::from_secs(300);
    world.clock.advance(five);
    stripe(world).sign_with_own_clock(true);
    stripe(world).advance(five);
    sweep(world).await;
    worker::pass(&world.relay.app.billing).await.expect("a database");
}

async fn buy_as(world: &World, email: &str, plan: &str) -> String {
    let (status, page) =
        post(world, email, "/api/stripe/create-checkout", &json!({"planId": plan})).await;
    assert_eq!(status, 200, "{page}");
    pay(world, text(&page, "sessionId"))
}

async fn until_plan(world: &World, email: &str, plan: &str) {
    let seen = async {
        while plan_of(world, email).await != plan {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.unwrap_or_else(|_| {
        panic!("{email} never had {plan}");
    });
}

const EVA: &str = "eva@example.com";
const LUIS: &str = "luis@example.com";

/// What an hour of trouble must leave: Ana changed up and paid the difference, Luis paid, Eva
/// cancelled; and whoever could not be served is served now.
async fn assert_mended(world: &World) {
    until_plan(world, ANA, "pro").await;
    until_plan(world, LUIS, "creator").await;
    until_plan(world, EVA, "free").await;
    settle(world).await;
    verify(world).await;
    let granted = grants(world).await;
    let of = |kind: &str| granted.iter().filter(|(source, _)| source.starts_with(kind)).count();
    assert_eq!((of("invoice:"), of("upgrade:")), (1, 1), "{granted:?}");
    let events = world.relay.app.db.read(|tx| inbox::list(tx, 1_000)).await.expect("a database");
    let open = events.iter().filter(|event| !["done", "ignored"].contains(&event.state.as_str()));
    assert_eq!(open.count(), 0);
    let late = "late@example.com";
    buy_as(world, late, "creator").await;
    until_plan(world, late, "creator").await;
}

#[tokio::test]
async fn an_hour_without_stripe_mends_itself_when_stripe_is_back() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    let evas = buy_as(&world, EVA, "creator").await;
    until_plan(&world, EVA, "creator").await;
    let luis = json!({"planId": "creator"});
    let (_, open_page) = post(&world, LUIS, "/api/stripe/create-checkout", &luis).await;
    stripe(&world).set_down(true);
    for minutes in (0..60).step_by(5) {
        match minutes {
            5 => drop(pay(&world, text(&open_page, "sessionId"))),
            20 => {
                let dearer = stripe(&world).prices().pro;
                let at_once = autocrea_sandbox::stripe::Proration::AlwaysInvoice;
                stripe(&world).change_plan(&subscription, &dearer, at_once).expect("a change");
            }
            35 => {
                let newest = format!("customer={}", customer_of(&world, EVA).await);
                let charges = call(&world, "GET", "charges", &newest);
                stripe(&world).refund(text(&charges["data"][0], "id"), None).expect("a refund");
                stripe(&world).cancel_now(&evas).expect("a subscription");
            }
            _ => {}
        }
        stripe(&world).settled().await;
        five_minutes_pass(&world).await;
        // Who has tokens goes on; who wants to buy is told that it cannot be done now.
        spend(&world, 10).await;
        assert_eq!(plan_of(&world, LUIS).await, "free");
        assert_eq!(plan_of(&world, ANA).await, "creator");
        if minutes % 15 == 0 {
            let (status, refused) =
                post(&world, "late@example.com", "/api/stripe/create-checkout", &luis).await;
            assert_eq!((status.as_u16(), text(&refused, "code")), (503, "upstream_unavailable"));
            let missed = reconcile::pass(&world.relay.app.billing, false).await;
            assert!(missed.is_err(), "Stripe is down");
        }
    }
    stripe(&world).set_down(false);
    world.clock.advance(Duration::from_secs(300));
    assert_mended(&world).await;
}

async fn customer_of(world: &World, email: &str) -> String {
    let user = world.user(email);
    let found = autocrea_relay::billing::checkout::customer_of(&world.relay.app.billing, &user);
    found.await.expect("a database").expect("a customer")
}

/// The same hour, when not even the webhooks get through and Stripe gives them up.
#[tokio::test]
async fn an_hour_in_which_stripe_can_say_nothing_either_is_made_good_by_reconciliation_alone() {
    let world = open_with(&[("RELAY_RECONCILE_SECS", "1")]).await;
    let subscription = buy(&world, "creator", "month").await;
    let evas = buy_as(&world, EVA, "creator").await;
    until_plan(&world, EVA, "creator").await;
    let (_, page) =
        post(&world, LUIS, "/api/stripe/create-checkout", &json!({"planId": "creator"})).await;
    settle(&world).await;
    stripe(&world).hold(true);
    stripe(&world).set_down(true);
    pay(&world, text(&page, "sessionId"));
    let dearer = stripe(&world).prices().pro;
    let at_once = autocrea_sandbox::stripe::Proration::AlwaysInvoice;
    stripe(&world).change_plan(&subscription, &dearer, at_once).expect("a change");
    let newest = format!("customer={}", customer_of(&world, EVA).await);
    let charges = call(&world, "GET", "charges", &newest);
    stripe(&world).refund(text(&charges["data"][0], "id"), None).expect("a refund");
    stripe(&world).cancel_now(&evas).expect("a subscription");
    for _ in 0..12 {
        five_minutes_pass(&world).await;
    }
    assert_eq!(plan_of(&world, LUIS).await, "free");
    stripe(&world).set_down(false);
    until_plan(&world, LUIS, "creator").await;
    until_plan(&world, ANA, "pro").await;
    until_plan(&world, EVA, "free").await;
    let before = (account(&world).await, grants(&world).await);
    // What comes late after all changes nothing more.
    stripe(&world).hold(false);
    stripe(&world).settled().await;
    settle(&world).await;
    assert_eq!((account(&world).await, grants(&world).await), before);
    assert_mended(&world).await;
}
