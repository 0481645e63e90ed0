//! The webhook and the inbox: what is taken, what is refused, what becomes of it.

use crate::support::World;
use crate::support::shop::*;
use autocrea_relay::billing::{commands, inbox, reconcile, worker};
use autocrea_sandbox::stripe::{official, sign};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn send(world: &World, signature: Option<&str>, body: &str) -> (StatusCode, Value) {
    let mut request = world.ask(Method::POST, "/api/stripe/webhooks").body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    (status, answer.json().await.expect("JSON"))
}

fn now(world: &World) -> i64 {
    world.clock.now().as_secs()
}

/// Signed as the sandbox does, with the secret that the relay was given.
fn signed(world: &World, at: i64, body: &str) -> String {
    use secrecy::ExposeSecret;
    let secrets = &world.relay.app.config.stripe.webhook_secrets;
    sign(body.as_bytes(), secrets[0].expose_secret(), at)
}

fn event(id: &str, kind: &str) -> String {
    json!({"id": id, "object": "event", "type": kind, "created": 1, "api_version": "2026-09-30.endive",
        "data": {"object": {"id": "x_1", "object": "thing"}}})
    .to_string()
}

/// Id, type and state of each event, newest first.
async fn states(world: &World) -> Vec<(String, String, String)> {
    let listed = commands::list_events(&world.relay.app.db, 1_000).await.expect("a database");
    listed
        .lines()
        .map(|line| {
            let mut parts = line.split('\t').map(str::to_owned);
            let mut next = || parts.next().expect("three parts");
            (next(), next(), next())
        })
        .collect()
}

#[tokio::test]
async fn a_webhook_that_is_too_large_is_refused_in_the_contracts_form() {
    let world = World::start().await;
    let (status, answer) = send(&world, Some("t=1,v1=00"), &"x".repeat(9 << 20)).await;
    assert_eq!((status.as_u16(), &answer["code"]), (413, &json!("payload_too_large")));
    assert_eq!(answer["error"], "Webhook handler failed");
}

#[tokio::test]
async fn a_bad_signature_is_400_and_leaves_no_trace() {
    let world = World::start().await;
    let body = event("evt_bad", "invoice.paid");
    let good = signed(&world, now(&world), &body);
    let old = signed(&world, now(&world) - 301, &body);
    let other = sign(body.as_bytes(), "whsec_other", now(&world));
    let spaced = format!("{body} ");
    for (signature, body) in [
        (None, &body),
        (Some("t=1,v1=00"), &body),
        (Some(old.as_str()), &body),
        (Some(other.as_str()), &body),
        (Some(good.as_str()), &spaced),
    ] {
        let (status, refused) = send(&world, signature, body).await;
        assert_eq!(status, 400);
        assert_eq!(refused["error"], "Webhook handler failed");
        assert_eq!(refused["code"], "invalid_request");
    }
    assert!(states(&world).await.is_empty());
}

#[tokio::test]
async fn what_stripes_own_package_signs_is_taken_and_nothing_else() {
    use secrecy::ExposeSecret;
    let world = World::start().await;
    let body = event("evt_official", "customer.créé");
    let secret = world.relay.app.config.stripe.webhook_secrets[0].expose_secret().to_owned();
    let official = async |secret: &str, at: i64| {
        let (body, secret) = (body.clone(), secret.to_owned());
        tokio::task::spawn_blocking(move || official::sign(body.as_bytes(), &secret, at))
            .await
            .expect("a thread")
            .expect("npm and node")
    };
    let good = official(&secret, now(&world)).await;
    let old = official(&secret, now(&world) - 301).await;
    let other = official("whsec_other", now(&world)).await;
    let changed = body.replace("evt_official", "evt_official2");
    for (signature, body) in [(&good, &changed), (&old, &body), (&other, &body)] {
        assert_eq!(send(&world, Some(signature), body).await.0, 400, "{signature}");
    }
    assert!(states(&world).await.is_empty());
    let (status, answer) = send(&world, Some(&good), &body).await;
    assert_eq!((status.as_u16(), answer), (200, json!({"received": true})));
    assert_eq!(states(&world).await.len(), 1);
}

#[tokio::test]
async fn an_event_that_nobody_handles_is_kept_acknowledged_and_ignored() {
    let world = World::start().await;
    let body = event("evt_other", "radar.early_fraud_warning.created");
    for _ in 0..2 {
        let (status, answer) = send(&world, Some(&signed(&world, now(&world), &body)), &body).await;
        assert_eq!((status.as_u16(), answer), (200, json!({"received": true})));
    }
    let states = states(&world).await;
    assert_eq!(states.len(), 1);
    assert_eq!(states[0].2, "ignored");
    let shown = commands::show_event(&world.relay.app.db, "evt_other".to_owned()).await;
    assert!(shown.expect("a database").expect("an event").contains(&body), "as it came");
}

#[tokio::test]
async fn any_of_several_secrets_may_have_signed() {
    let world = open_with(&[("STRIPE_WEBHOOK_SECRET", "whsec_old,whsec_new")]).await;
    for secret in ["whsec_old", "whsec_new"] {
        let body = event(&format!("evt_{secret}"), "x.y");
        let signature = sign(body.as_bytes(), secret, now(&world));
        assert_eq!(send(&world, Some(&signature), &body).await.0, 200);
    }
}

#[tokio::test]
async fn what_is_signed_but_no_event_is_400() {
    let world = World::start().await;
    for body in ["", "[]", "{}", "not json"] {
        let (status, _) = send(&world, Some(&signed(&world, now(&world), body)), body).await;
        assert_eq!(status, 400, "{body:?}");
    }
}

#[tokio::test]
async fn a_slow_stripe_never_makes_the_webhook_slow() {
    let world = open().await;
    stripe(&world).hold(true);
    let session = checkout(&world, "creator", "month").await;
    pay(&world, text(&session, "sessionId"));
    stripe(&world).delay(Duration::from_secs(8));
    let began = Instant::now();
    for event in stripe(&world).events() {
        assert_eq!(stripe(&world).deliver(&event.id).await, [200]);
    }
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(states(&world).await.iter().any(|(_, _, state)| state == "pending"));
    stripe(&world).delay(Duration::ZERO);
    until(&world, |it| it["subscription"]["planId"] == "creator").await;
}

#[tokio::test]
async fn while_stripe_is_down_events_wait_and_nothing_is_lost() {
    let world = open().await;
    let session = checkout(&world, "creator", "month").await;
    stripe(&world).set_down(true);
    pay(&world, text(&session, "sessionId"));
    stripe(&world).settled().await;
    assert_eq!(account(&world).await["subscription"]["planId"], "free");
    stripe(&world).set_down(false);
    world.clock.advance(Duration::from_secs(300));
    world.relay.app.billing.wake.notify_one();
    until(&world, |it| it["subscription"]["planId"] == "creator").await;
}

#[tokio::test]
async fn paid_and_payment_succeeded_are_one_grant_and_so_is_any_repetition() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let before = account(&world).await;
    let events = stripe(&world).events();
    for kind in ["invoice.paid", "invoice.payment_succeeded"] {
        assert!(events.iter().any(|event| event.kind == kind), "{kind}");
    }
    for event in events.iter().rev().chain(&events) {
        assert_eq!(stripe(&world).deliver(&event.id).await, [200]);
    }
    // Even handled again, they change nothing.
    for event in &events {
        let billing = &world.relay.app.billing;
        commands::replay_event(billing, event.id.clone()).await.expect("Stripe answers");
    }
    settle(&world).await;
    assert_eq!(account(&world).await, before);
    assert_eq!(grants(&world).await.len(), 2);
    verify(&world).await;
}

#[tokio::test]
async fn two_events_of_one_fact_are_one_grant() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let before = account(&world).await;
    let paid = stripe(&world).events().into_iter().find(|event| event.kind == "invoice.paid");
    let mut twin = stripe(&world).event(&paid.expect("it was paid").id).expect("an event");
    twin["id"] = json!("evt_twin");
    let body = twin.to_string();
    assert_eq!(send(&world, Some(&signed(&world, now(&world), &body)), &body).await.0, 200);
    worked_on(&world).await;
    assert!(states(&world).await.iter().any(|(id, _, state)| id == "evt_twin" && state == "done"));
    assert_eq!(account(&world).await, before);
    assert_eq!(grants(&world).await.len(), 2);
}

#[tokio::test]
async fn an_old_shaped_event_does_the_same() {
    let world = open().await;
    stripe(&world).hold(true);
    let session = checkout(&world, "creator", "month").await;
    let subscription = pay(&world, text(&session, "sessionId"));
    let customer = customer(&world).await.expect("a customer");
    let body = json!({"id": "evt_old", "object": "event", "type": "invoice.payment_succeeded",
        "created": now(&world), "api_version": "2020-08-27",
        "data": {"object": {"id": "in_x", "object": "invoice", "customer": customer,
            "subscription": subscription}}})
    .to_string();
    assert_eq!(send(&world, Some(&signed(&world, now(&world), &body)), &body).await.0, 200);
    until(&world, |it| it["subscription"]["planId"] == "creator").await;
}

#[tokio::test]
async fn an_event_about_nobody_here_is_ignored() {
    let world = open().await;
    let stranger = call(&world, "POST", "customers", "email=x@example.com");
    let body = json!({"id": "evt_s", "object": "event", "type": "invoice.paid", "created": 1,
        "data": {"object": {"id": "in_s", "object": "invoice", "customer": stranger["id"]}}})
    .to_string();
    assert_eq!(send(&world, Some(&signed(&world, now(&world), &body)), &body).await.0, 200);
    let billing = &world.relay.app.billing;
    loop {
        worker::pass(billing).await.expect("Stripe answers");
        let pending = billing.db.read(inbox::next_due).await.expect("a database");
        if pending.is_none() {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(states(&world).await[0].2, "ignored");
}

#[tokio::test]
async fn an_unknown_price_changes_nothing_is_kept_as_failed_and_can_be_replayed() {
    let world = open_with(&[("STRIPE_PRO_PRICE_ID", "price_of_another_day")]).await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let before = account(&world).await;
    let customer = customer(&world).await.expect("a customer");
    let all = call(&world, "GET", "subscriptions", &format!("customer={customer}"));
    let subscription = text(&all["data"][0], "id");
    let unknown = stripe(&world).prices().pro;
    stripe(&world)
        .change_plan(subscription, &unknown, autocrea_sandbox::stripe::Proration::AlwaysInvoice)
        .expect("a change");
    stripe(&world).settled().await;
    worked_on(&world).await;
    assert!(failed(&world).await > 0);
    assert_eq!(account(&world).await, before);
    // Syncing says what is here, and changes nothing either.
    let (status, synced) = post(&world, crate::support::ANA, "/api/stripe/sync", &json!({})).await;
    assert_eq!((status.as_u16(), &synced), (200, &before));

    // The catalogue comes to know it.
    let world = world.restart_with(&[("STRIPE_PRO_PRICE_ID", &unknown)]).await;
    for (id, _, _) in states(&world).await.into_iter().filter(|(_, _, state)| state == "failed") {
        let replayed = commands::replay_event(&world.relay.app.billing, id).await;
        assert!(replayed.expect("Stripe answers").is_some());
    }
    worked_on(&world).await;
    assert_eq!(failed(&world).await, 0);
    assert_eq!(account(&world).await["subscription"]["planId"], "pro");
    assert!(grants(&world).await.iter().any(|(source, _)| source.starts_with("upgrade:")));
    verify(&world).await;
}

async fn failed(world: &World) -> usize {
    states(world).await.iter().filter(|(_, _, state)| state == "failed").count()
}

/// Waits until no event is still to be worked on.
async fn worked_on(world: &World) {
    let all = async {
        while states(world).await.iter().any(|(_, _, state)| state == "pending") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("all are worked on");
}

#[tokio::test]
async fn what_the_webhook_missed_is_found_by_reconciliation() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    stripe(&world).hold(true);
    let customer = customer(&world).await.expect("a customer");
    let all = call(&world, "GET", "subscriptions", &format!("customer={customer}"));
    stripe(&world).cancel_at_period_end(text(&all["data"][0], "id")).expect("a subscription");
    assert_eq!(account(&world).await["subscription"]["cancelAtPeriodEnd"], false);
    reconcile::pass(&world.relay.app.billing, false).await.expect("Stripe answers");
    until(&world, |it| it["subscription"]["cancelAtPeriodEnd"] == true).await;
}

#[tokio::test]
async fn a_relay_that_was_away_finds_everything_at_its_start() {
    let world = open().await;
    stripe(&world).hold(true);
    let session = checkout(&world, "creator", "month").await;
    pay(&world, text(&session, "sessionId"));
    let world = world.restart().await;
    until(&world, |it| it["subscription"]["planId"] == "creator").await;
    assert_eq!(account(&world).await["tokens"]["remaining"], 520_000);
}

#[tokio::test]
async fn a_relay_that_was_away_for_longer_than_stripe_keeps_events_finds_what_has_ended() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    settle(&world).await;
    stripe(&world).hold(true);
    stripe(&world).cancel_now(&subscription).expect("a subscription");
    world.clock.advance(DAY * 33);
    stripe(&world).advance(DAY * 33);
    assert_eq!(account(&world).await["subscription"]["status"], "active");
    reconcile::pass(&world.relay.app.billing, true).await.expect("Stripe answers");
    let subscription = &account(&world).await["subscription"];
    assert_eq!(
        (&subscription["planId"], &subscription["status"]),
        (&json!("free"), &json!("canceled"))
    );
}

#[tokio::test]
async fn an_event_that_was_taken_when_the_relay_died_is_worked_on_by_the_next() {
    let world = open().await;
    stripe(&world).hold(true);
    let session = checkout(&world, "creator", "month").await;
    stripe(&world).set_down(true);
    pay(&world, text(&session, "sessionId"));
    for event in stripe(&world).events() {
        assert_eq!(stripe(&world).deliver(&event.id).await, [200]);
    }
    let world = world.restart().await;
    stripe(&world).set_down(false);
    until(&world, |it| it["subscription"]["planId"] == "creator").await;
}
