//! Buying a plan, over HTTP, against the sandbox's Stripe.

use crate::support::shop::*;
use crate::support::{ANA, World};
use autocrea_sandbox::stripe::SessionPayment;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_paid_checkout_brings_plan_and_tokens_by_itself() {
    let world = open().await;
    let before = account(&world).await;
    assert_eq!(before["subscription"]["planId"], "free");
    let session = checkout(&world, "creator", "month").await;
    assert!(text(&session, "url").starts_with("http"));
    assert!(session.get("kind").is_none());
    pay(&world, text(&session, "sessionId"));
    let after = until(&world, |it| it["subscription"]["planId"] == "creator").await;
    let subscription = &after["subscription"];
    assert_eq!(subscription["status"], "active");
    assert_eq!(subscription["interval"], "month");
    assert_eq!(subscription["cancelAtPeriodEnd"], false);
    assert!(
        subscription["currentPeriodEnd"].as_i64() > subscription["currentPeriodStart"].as_i64()
    );
    assert_eq!(after["tokens"]["remaining"], 520_000, "the month's free lot stays");
    assert_eq!(world.get("/api/user/subscription").await, *subscription);
    settle(&world).await;
    let grants = grants(&world).await;
    assert_eq!(grants.len(), 2, "{grants:?}");
    assert!(grants[1].0.starts_with("invoice:in_") && grants[1].1 == 500_000);
    verify(&world).await;
}

#[tokio::test]
async fn every_paid_plan_is_sold_by_the_month_and_by_the_year() {
    let world = open().await;
    for (plan, interval, tokens) in [("pro", "month", 1_500_000), ("business", "year", 5_000_000)] {
        let world = if plan == "pro" { &world } else { &open().await };
        buy(world, plan, interval).await;
        let account = account(world).await;
        assert_eq!(account["subscription"]["interval"], interval);
        assert_eq!(account["tokens"]["remaining"], tokens + 20_000);
    }
}

#[tokio::test]
async fn a_declined_card_changes_nothing_and_another_card_still_can() {
    let world = open().await;
    let session = checkout(&world, "creator", "month").await;
    let id = text(&session, "sessionId");
    let payment = stripe(&world).pay(id, DECLINED).expect("a session");
    assert!(matches!(payment, SessionPayment::Declined { .. }));
    settle(&world).await;
    let after = account(&world).await;
    assert_eq!(after["subscription"]["planId"], "free");
    assert_eq!(after["subscription"]["status"], Value::Null);
    assert_eq!(after["tokens"]["remaining"], 20_000);
    pay(&world, id);
    until(&world, |it| it["subscription"]["planId"] == "creator").await;
}

#[tokio::test]
async fn a_card_that_asks_first_pays_after_it_was_answered() {
    let world = open().await;
    let session = checkout(&world, "creator", "month").await;
    let id = text(&session, "sessionId");
    stripe(&world).pay(id, "4000002500003155").expect("a session");
    settle(&world).await;
    assert_eq!(account(&world).await["subscription"]["planId"], "free");
    stripe(&world).authenticate(id, true).expect("it waits");
    until(&world, |it| it["subscription"]["planId"] == "creator").await;
}

#[tokio::test]
async fn the_return_from_checkout_is_enough_and_the_webhooks_change_nothing_more() {
    let world = open().await;
    stripe(&world).hold(true);
    let session = checkout(&world, "creator", "month").await;
    let id = text(&session, "sessionId").to_owned();
    pay(&world, &id);
    let (status, synced) = post(&world, ANA, "/api/stripe/sync", &json!({"sessionId": id})).await;
    assert_eq!(status, 200);
    assert_eq!(synced["subscription"]["planId"], "creator");
    assert_eq!(synced["tokens"]["remaining"], 520_000);
    stripe(&world).hold(false);
    settle(&world).await;
    assert_eq!(account(&world).await, synced, "version and all");
    assert_eq!(grants(&world).await.len(), 2);
}

#[tokio::test]
async fn sync_needs_no_body_and_no_customer() {
    let world = open().await;
    let answer = world.ask_as(ANA, Method::POST, "/api/stripe/sync").send().await.expect("one");
    assert_eq!(answer.status(), 200);
    let snapshot: Value = answer.json().await.expect("JSON");
    assert_eq!(snapshot, account(&world).await);
    let (status, refused) = post(&world, ANA, "/api/stripe/sync", &json!({"sessionId": 7})).await;
    assert_eq!((status.as_u16(), &refused["field"]), (400, &json!("sessionId")));
}

#[tokio::test]
async fn somebody_elses_session_is_not_found_and_brings_nothing() {
    let world = open().await;
    stripe(&world).hold(true);
    let session = checkout(&world, "creator", "month").await;
    pay(&world, text(&session, "sessionId"));
    for id in [text(&session, "sessionId"), "cs_test_none", "../customers", "", "cs_../../x"] {
        let luis = "luis@example.com";
        let (status, refused) =
            post(&world, luis, "/api/stripe/sync", &json!({"sessionId": id})).await;
        assert_eq!((status.as_u16(), text(&refused, "code")), (404, "not_found"), "{id}");
    }
}

#[tokio::test]
async fn two_taps_end_on_the_same_page_and_another_choice_shuts_it() {
    let world = open().await;
    let (one, two) =
        tokio::join!(checkout(&world, "creator", "month"), checkout(&world, "creator", "month"));
    assert_eq!(one, two);
    let other = checkout(&world, "pro", "month").await;
    assert_ne!(one["sessionId"], other["sessionId"]);
    let shut = call(&world, "GET", &format!("checkout/sessions/{}", text(&one, "sessionId")), "");
    assert_eq!(shut["status"], "expired", "nobody can pay twice");
    let made = stripe(&world)
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST" && request.path == "/v1/customers")
        .count();
    assert_eq!(made, 1, "one customer a person");
}

#[tokio::test]
async fn every_post_carries_an_idempotency_key_and_the_api_version() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    post(&world, ANA, "/api/stripe/create-portal", &json!({})).await;
    let requests = stripe(&world).requests();
    assert!(requests.iter().any(|request| request.method == "POST"));
    for request in requests {
        assert_eq!(request.version.as_deref(), Some("2026-09-30.endive"));
        assert!(request.status < 400, "{request:?}");
        if request.method == "POST" {
            assert!(request.idempotency_key.is_some(), "{request:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_neither_a_second_customer_nor_a_second_session() {
    let world = open().await;
    stripe(&world).lose_answers(1);
    let session = checkout(&world, "creator", "month").await;
    let customer = customer(&world).await.expect("a customer");
    let customers = call(&world, "GET", "customers", "");
    assert_eq!(customers["data"].as_array().map(Vec::len), Some(1));
    let sessions =
        call(&world, "GET", "checkout/sessions", &format!("customer={customer}&status=open"));
    assert_eq!(sessions["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(sessions["data"][0]["id"], session["sessionId"]);
}

#[tokio::test]
async fn the_person_is_named_on_customer_session_and_subscription() {
    let world = open().await;
    let session = checkout(&world, "creator", "month").await;
    let user = world.user(ANA);
    let made =
        call(&world, "GET", &format!("checkout/sessions/{}", text(&session, "sessionId")), "");
    assert_eq!(made["metadata"]["userId"], user.as_str());
    assert_eq!(made["metadata"]["planId"], "creator");
    assert_eq!(made["client_reference_id"], user.as_str());
    assert_eq!(made["locale"], "es");
    assert_eq!(made["allow_promotion_codes"], true);
    let base = world.relay.app.config.public_url.clone();
    let back = format!("{base}/return/checkout?session_id={{CHECKOUT_SESSION_ID}}");
    assert_eq!(made["success_url"], back.as_str());
    assert_eq!(made["cancel_url"], format!("{back}&cancelled=1").as_str());
    let subscription = pay(&world, text(&session, "sessionId"));
    let subscription = call(&world, "GET", &format!("subscriptions/{subscription}"), "");
    assert_eq!(subscription["metadata"]["userId"], user.as_str());
    let customer = customer(&world).await.expect("a customer");
    let customer = call(&world, "GET", &format!("customers/{customer}"), "");
    assert_eq!(customer["metadata"]["userId"], user.as_str());
    assert_eq!(customer["email"], ANA);
}

#[tokio::test]
async fn who_has_a_live_subscription_is_sent_to_the_portal_to_change_it() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    let answer = checkout(&world, "pro", "month").await;
    assert_eq!(answer["kind"], "portal");
    assert!(answer.get("sessionId").is_none());
    assert!(text(&answer, "url").starts_with("http"));
    let request = stripe(&world).requests().into_iter().rfind(|request| request.method == "POST");
    let request = request.expect("a request");
    assert_eq!(request.path, "/v1/billing_portal/sessions");
    assert!(request.form.contains("subscription_update"), "{}", request.form);
}

#[tokio::test]
async fn the_portal_is_for_customers() {
    let world = open().await;
    let (status, refused) = post(&world, ANA, "/api/stripe/create-portal", &json!({})).await;
    assert_eq!((status.as_u16(), text(&refused, "code")), (404, "no_subscription"));
    assert!(text(&refused, "error").starts_with("No hay suscripción activa"));
    buy(&world, "creator", "month").await;
    let answer = world.ask_as(ANA, Method::POST, "/api/stripe/create-portal").send().await;
    let answer: Value = answer.expect("an answer").json().await.expect("JSON");
    assert!(text(&answer, "url").starts_with("http"));
}

#[tokio::test]
async fn what_is_not_sold_is_refused() {
    let world = open().await;
    for body in [
        json!({"planId": "free"}),
        json!({"planId": "enterprise"}),
        json!({"planId": "toString"}),
        json!({"planId": "free", "interval": "year"}),
    ] {
        let (status, refused) = post(&world, ANA, "/api/stripe/create-checkout", &body).await;
        assert_eq!((status.as_u16(), text(&refused, "code")), (400, "invalid_plan"), "{body}");
        assert!(text(&refused, "error").starts_with("Plan inválido"));
    }
    let weekly = json!({"planId": "creator", "interval": "week"});
    let (status, refused) = post(&world, ANA, "/api/stripe/create-checkout", &weekly).await;
    assert_eq!((status.as_u16(), text(&refused, "code")), (400, "invalid_request"));
    assert!(stripe(&world).requests().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn a_price_that_stripe_does_not_know_is_not_sold() {
    let unknown = [("STRIPE_PRO_PRICE_ID", "price_of_another_account")];
    let world = open_with(&unknown).await;
    let body = json!({"planId": "pro"});
    let (status, refused) = post(&world, ANA, "/api/stripe/create-checkout", &body).await;
    assert_eq!((status.as_u16(), text(&refused, "code")), (400, "invalid_plan"));
    assert!(text(&refused, "error").starts_with("Plan inválido"));
    let body = json!({"planId": "creator"});
    let (status, _) = post(&world, ANA, "/api/stripe/create-checkout", &body).await;
    assert_eq!(status.as_u16(), 200);
}

#[tokio::test]
async fn to_sync_takes_an_object_or_nothing() {
    let world = open().await;
    let (status, refused) = post(&world, ANA, "/api/stripe/sync", &json!([null])).await;
    assert_eq!((status.as_u16(), text(&refused, "code")), (400, "invalid_request"));
    let (status, _) = post(&world, ANA, "/api/stripe/sync", &json!({})).await;
    assert_eq!(status.as_u16(), 200);
}

#[tokio::test]
async fn while_stripe_is_down_nobody_is_told_lies() {
    let world = open().await;
    stripe(&world).set_down(true);
    let body = json!({"planId": "creator"});
    let (status, refused) = post(&world, ANA, "/api/stripe/create-checkout", &body).await;
    assert_eq!((status.as_u16(), text(&refused, "code")), (503, "upstream_unavailable"));
    assert!(text(&refused, "error").starts_with("Error al crear sesión de pago"));
    stripe(&world).set_down(false);
    checkout(&world, "creator", "month").await;
}

#[tokio::test]
async fn nobody_buys_without_signing_in() {
    let world = World::start().await;
    for path in ["create-checkout", "create-portal", "sync"] {
        let answer = world.ask(Method::POST, &format!("/api/stripe/{path}")).send().await;
        assert_eq!(answer.expect("an answer").status(), 401, "{path}");
    }
    let answer = world.ask(Method::GET, "/api/user/invoices").send().await;
    assert_eq!(answer.expect("an answer").status(), 401);
}

#[tokio::test]
async fn the_invoices_are_stripes_newest_first() {
    let world = open().await;
    assert_eq!(world.get("/api/user/invoices").await, json!({"invoices": []}));
    buy(&world, "creator", "month").await;
    let invoices = world.get("/api/user/invoices").await;
    let only = &invoices["invoices"][0];
    assert_eq!(only["amount"], 2900);
    assert_eq!(only["currency"], "usd");
    assert_eq!(only["status"], "paid");
    for key in ["number", "hostedUrl", "pdfUrl"] {
        assert!(only[key].is_string(), "{only}");
    }
    assert!(only["date"].as_i64() > Some(1_600_000_000_000));
    pass_time(&world, DAY * 32).await;
    let invoices = world.get("/api/user/invoices").await;
    let dates: Vec<i64> = invoices["invoices"]
        .as_array()
        .expect("invoices")
        .iter()
        .map(|one| one["date"].as_i64().expect("a time"))
        .collect();
    assert!(dates.len() == 2 && dates[0] > dates[1], "{dates:?}");
}

#[tokio::test]
async fn prices_are_read_from_stripe() {
    let world = open().await;
    autocrea_relay::billing::prices::refresh(&world.relay.app.billing).await.expect("Stripe");
    let plans = world.get("/api/plans").await;
    assert_eq!(plans["plans"][0]["prices"], json!([]));
    let creator = json!([
        {"interval": "month", "amount": 2900, "currency": "usd"},
        {"interval": "year", "amount": 29_000, "currency": "usd"},
    ]);
    assert_eq!(plans["plans"][1]["prices"], creator);
}

#[tokio::test]
async fn who_was_deleted_at_stripe_can_buy_again() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    let old = customer(&world).await.expect("a customer");
    call(&world, "DELETE", &format!("customers/{old}"), "");
    until(&world, |it| it["subscription"]["status"] == "canceled").await;
    let session = checkout(&world, "pro", "month").await;
    assert!(session.get("kind").is_none());
    assert_ne!(customer(&world).await, Some(old));
    pay(&world, text(&session, "sessionId"));
    until(&world, |it| it["subscription"]["planId"] == "pro").await;
}

/// Ana's first customer, with a plan that was paid for, deleted at Stripe.
async fn bought_and_deleted(world: &World) -> String {
    buy(world, "creator", "month").await;
    let old = customer(world).await.expect("a customer");
    call(world, "DELETE", &format!("customers/{old}"), "");
    until(world, |it| it["subscription"]["status"] == "canceled").await;
    old
}

#[tokio::test]
async fn a_customer_that_was_deleted_a_moment_ago_opens_no_portal() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    stripe(&world).hold(true);
    let old = customer(&world).await.expect("a customer");
    call(&world, "DELETE", &format!("customers/{old}"), "");
    let (status, refused) = post(&world, ANA, "/api/stripe/create-portal", &json!({})).await;
    assert_eq!((status.as_u16(), text(&refused, "code")), (404, "no_subscription"));
    assert_eq!(account(&world).await["subscription"]["status"], "canceled");
}

#[tokio::test]
async fn what_a_deleted_customer_had_left_ends_when_the_next_one_buys() {
    for interval in ["month", "year"] {
        let world = open().await;
        buy(&world, "creator", interval).await;
        let old = customer(&world).await.expect("a customer");
        call(&world, "DELETE", &format!("customers/{old}"), "");
        until(&world, |it| it["subscription"]["status"] == "canceled").await;
        pass_time(&world, std::time::Duration::from_secs(60)).await;
        let session = checkout(&world, "pro", "month").await;
        pay(&world, text(&session, "sessionId"));
        until(&world, |it| it["subscription"]["planId"] == "pro").await;
        settle(&world).await;
        assert_eq!(account(&world).await["tokens"]["remaining"], 1_520_000);
        // What is heard of the old one later brings nothing back, nor do the rest of its year.
        let refresh = autocrea_relay::billing::refresh::refresh;
        refresh(&world.relay.app.billing, &old).await.expect("Stripe answers");
        assert_eq!(account(&world).await["tokens"]["remaining"], 1_520_000);
        pass_time(&world, DAY * 40).await;
        refresh(&world.relay.app.billing, &old).await.expect("Stripe answers");
        let plan_tokens: Vec<i64> = grants(&world)
            .await
            .into_iter()
            .filter(|(source, _)| source.starts_with("invoice:"))
            .map(|(_, tokens)| tokens)
            .collect();
        assert_eq!(plan_tokens, [500_000, 1_500_000, 1_500_000]);
        assert_eq!(account(&world).await["tokens"]["remaining"], 1_500_000);
        verify(&world).await;
    }
}

#[tokio::test]
async fn a_deleted_customer_says_nothing_over_the_present_one() {
    let world = open().await;
    let old = bought_and_deleted(&world).await;
    let charge = call(&world, "GET", "charges", &format!("customer={old}"));
    pass_time(&world, DAY * 5).await;
    let session = checkout(&world, "pro", "month").await;
    pay(&world, text(&session, "sessionId"));
    until(&world, |it| it["subscription"]["planId"] == "pro").await;
    settle(&world).await;
    let before = account(&world).await;
    // Money goes back through it, and then its own date comes.
    stripe(&world).hold(true);
    stripe(&world).refund(text(&charge["data"][0], "id"), None).expect("a charge");
    autocrea_relay::billing::refresh::refresh(&world.relay.app.billing, &old).await.expect("one");
    assert_eq!(account(&world).await["subscription"], before["subscription"]);
    assert_ne!(customer(&world).await, Some(old), "it stays deleted");
    world.clock.advance(DAY * 27);
    sweep(&world).await;
    assert_eq!(account(&world).await["subscription"], before["subscription"]);
    verify(&world).await;
}

#[tokio::test]
async fn a_new_customer_who_has_not_bought_keeps_what_was_paid_through_the_old_one() {
    let world = open().await;
    let old = bought_and_deleted(&world).await;
    let before = account(&world).await;
    assert_eq!(before["subscription"]["planId"], "creator");
    checkout(&world, "pro", "month").await;
    assert_ne!(customer(&world).await, Some(old));
    settle(&world).await;
    let (status, synced) = post(&world, ANA, "/api/stripe/sync", &json!({})).await;
    assert_eq!((status.as_u16(), &synced["subscription"]), (200, &before["subscription"]));
    world.clock.advance(DAY * 32);
    sweep(&world).await;
    assert_eq!(account(&world).await["subscription"]["planId"], "free");
}
