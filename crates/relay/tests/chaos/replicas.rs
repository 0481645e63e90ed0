//! Two relays on one database: either does for the other, also when that one dies.

use super::crashes::{Load, assert_all_is_right, kill_often, say, under_load};
use super::form::{Chances, in_form};
use super::model;
use super::relay::PATIENCE;
use super::stage::Stage;
use super::writers::{End, Events};
use autocrea_protocol::generation::{StreamCode, StreamEvent};
use autocrea_sandbox::stripe::SessionPayment;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_survives_two_relays_of_which_now_one_dies_and_now_the_other() {
    let chances = Chances::of("replicas");
    let kills = in_form(12, 200);
    let stage = Stage::set(in_form(4, 6), 2).await;
    stage.open().await;
    let load = Load::of_all(&stage);
    let left = under_load(&stage, load, &chances, kill_often(&stage, kills, &chances)).await;
    assert_all_is_right(&stage, &left).await;
    say(&stage, kills, &left);
}

/// Reads an account's stream until it is so.
async fn until(stream: &mut Events, wanted: impl Fn(&Value) -> bool) -> Value {
    let watching = async {
        loop {
            let account = stream.account().await.expect("the stream goes on");
            if wanted(&account) {
                return account;
            }
        }
    };
    timeout(PATIENCE, watching).await.expect("it came to be so")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_survivor_knows_and_tells_what_the_other_did() {
    let stage = Stage::set(1, 2).await;
    stage.open().await;
    let (ana, [first, second]) = (&stage.people[0], [&stage.relays[0], &stage.relays[1]]);
    let watched = ana.ask(second, Method::GET, "/api/account/events").send().await;
    let mut account = Events::of(watched.expect("an answer"));
    until(&mut account, |it| it["subscription"]["planId"] == "free").await;

    let body = json!({"planId": "creator"});
    let path = "/api/stripe/create-checkout";
    let page = ana.ask(first, Method::POST, path).json(&body).send().await.expect("an answer");
    let page: Value = page.json().await.expect("JSON");
    let session = page["sessionId"].as_str().expect("a session");
    let paid = stage.sandbox.stripe.pay(session, "4242424242424242").expect("a session");
    assert!(matches!(paid, SessionPayment::Paid { .. }));
    let sync = json!({"sessionId": session});
    let synced = ana.ask(first, Method::POST, "/api/stripe/sync").json(&sync).send().await;
    assert_eq!(synced.expect("an answer").status(), 200);
    until(&mut account, |it| it["subscription"]["planId"] == "creator").await;

    // A generation that the first runs is followed at the second, and outlives it as interrupted.
    let (id, number) = (Uuid::now_v7(), model::SLOW);
    let begun: Response = ana.begin(first, id, number).send().await.expect("an answer");
    let (mut here, mut there) = (Events::of(begun), None);
    let mut text = String::new();
    while there.is_none() {
        if let Some(StreamEvent::Delta { text: piece, .. }) = here.next().await {
            text.push_str(&piece);
            let path = format!("/api/joxcoder/generate/{id}");
            let attached = ana.ask(second, Method::GET, &path).send().await.expect("an answer");
            assert_eq!(attached.status(), 200);
            there = Some(Events::of(attached));
        }
    }
    let mut there = there.expect("attached");
    let followed = timeout(Duration::from_secs(5), there.first_text()).await;
    assert!(!followed.expect("soon").is_empty());
    until(&mut account, |it| it["tokens"]["reserved"] != 0).await;
    first.kill().await;
    let end = timeout(PATIENCE, there.end()).await.expect("within two minutes");
    let interrupted = matches!(&end, End::Failed(it) if it.code == StreamCode::Interrupted);
    assert!(interrupted, "{end:?}");
    until(&mut account, |it| it["tokens"]["reserved"] == 0 && it["tokens"]["used"] == 0).await;
}
