//! The outbox and its worker, with the first mail that everybody gets.

use super::post::{arrived, kinds, one, sent, states, until};
use crate::support::served::Served;
use crate::support::shop::{DAY, attach, sweep};
use crate::support::{ANA, World};
use autocrea_relay::changes::Changes;
use autocrea_relay::db::DbError;
use autocrea_relay::mail::{Mail, worker};
use autocrea_sandbox::clerk::Switches;
use autocrea_sandbox::resend::Resend;
use futures_util::future::join_all;
use http::header;
use reqwest::Method;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn somebody_new_is_welcomed_once_in_their_language() {
    let world = World::start().await;
    let answer = world.ask_as(ANA, Method::GET, "/api/account");
    let answer = answer.header(header::ACCEPT_LANGUAGE, "en").send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    world.get("/api/account").await;
    let mail = one(&world, "welcome").await;
    assert_eq!(mail.to, [ANA]);
    assert!(mail.from.contains("noreply@autocrea.joxai.org"), "{}", mail.from);
    assert_eq!(mail.subject, "Welcome to AUTOCREA");
    assert!(mail.html.contains("lang=\"en\"") && mail.text.contains("20,000"));
    assert_eq!(mail.tags, [("kind".to_owned(), "welcome".to_owned())]);
    assert!(mail.headers.is_empty(), "nobody can ask not to be told of their account");

    world.ask_as("luis@example.com", Method::GET, "/api/account").send().await.expect("an answer");
    sent(&world).await;
    let spanish = &arrived(&world, "welcome")[1];
    assert_eq!(spanish.subject, "Te damos la bienvenida a AUTOCREA");
    assert!(spanish.text.contains("20.000") && spanish.html.contains("lang=\"es\""));
}

#[tokio::test]
async fn whoever_signs_up_at_clerk_is_welcomed_before_they_call_and_not_again_when_they_do() {
    let world = World::start().await;
    attach(&world);
    for _ in 0..2 {
        assert_eq!(world.sandbox.clerk.send_user_event("user.created", ANA).await, Some(200));
    }
    one(&world, "welcome").await;
    world.get("/api/account").await;
    one(&world, "welcome").await;
}

#[tokio::test]
async fn a_mail_waits_for_an_address_that_is_not_known_yet() {
    let world = World::start().await;
    world.sandbox.clerk.set_switches(Switches { userinfo_down: true, ..Default::default() });
    world.get("/api/account").await;
    sent(&world).await;
    assert_eq!(states(&world, "welcome").await, ["waiting"]);
    world.sandbox.clerk.set_switches(Switches::default());
    world.clock.advance(Duration::from_secs(61));
    world.get("/api/account").await;
    assert_eq!(one(&world, "welcome").await.to, [ANA]);
}

#[tokio::test]
async fn resends_bad_days_are_waited_for_and_a_mail_still_comes_once() {
    let world = World::start().await;
    world.sandbox.resend.refuse(500, 1, 0);
    world.sandbox.resend.refuse(429, 1, 3_600);
    world.get("/api/account").await;
    failed(&world).await;
    world.clock.advance(Duration::from_secs(3));
    failed(&world).await;
    // An hour was asked for; nothing is tried before.
    world.clock.advance(Duration::from_secs(3_500));
    assert_eq!(worker::pass(&world.relay.app.mail).await.expect("a database"), 0);
    assert!(kinds(&world).is_empty());
    world.clock.advance(Duration::from_secs(120));
    one(&world, "welcome").await;
}

/// Waits until the latest attempt at the welcome mail is over, without success.
async fn failed(world: &World) {
    const TRIED: &str = "SELECT COUNT(*) FROM mails WHERE kind = 'welcome' AND due_at > ?1
        AND error IS NOT NULL";
    let tried = async {
        loop {
            let tried: Result<i64, DbError> = world
                .relay
                .app
                .db
                .read(|tx| {
                    let now = tx.now();
                    tx.query_one(TRIED, &[&now], |row| row.get(0))
                })
                .await;
            if tried.expect("a database") > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), tried).await.expect("it is tried");
}

#[tokio::test]
async fn what_resend_refuses_is_parked_and_tried_no_more() {
    for status in [400, 403, 404, 422, 451] {
        let world = World::start().await;
        world.sandbox.resend.refuse(status, 1, 0);
        world.get("/api/account").await;
        until(&world, "welcome", "parked").await;
        world.clock.advance(Duration::from_secs(86_400));
        sent(&world).await;
        assert!(arrived(&world, "welcome").is_empty());
    }
}

#[tokio::test]
async fn a_key_that_resend_does_not_take_is_waited_for_and_costs_nobody_a_mail() {
    let world = World::start().await;
    world.sandbox.resend.refuse(401, 3, 0);
    world.get("/api/account").await;
    for _ in 0..3 {
        failed(&world).await;
        assert_eq!(states(&world, "welcome").await, ["pending"]);
        world.clock.advance(Duration::from_secs(901));
    }
    // Whoever came meanwhile waited as well.
    world.ask_as("luis@example.com", Method::GET, "/api/account").send().await.expect("one");
    sent(&world).await;
    assert_eq!(kinds(&world), ["welcome", "welcome"]);
    assert_eq!(states(&world, "welcome").await, ["sent", "sent"]);
}

#[tokio::test]
async fn a_relay_that_dies_between_the_sending_and_the_mark_sends_the_same_under_the_same_key() {
    let world = World::start().await;
    world.sandbox.resend.lose_answers(1);
    world.get("/api/account").await;
    failed(&world).await;
    let first = arrived(&world, "welcome").remove(0);
    // Whatever would be written otherwise by now: what may have arrived is not written anew.
    let patch = serde_json::json!({"locale": "en", "name": "Somebody else"});
    let request = world.ask_as(ANA, Method::PATCH, "/api/user/profile").json(&patch);
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    let world = world.restart().await;
    world.clock.advance(Duration::from_secs(3));
    until(&world, "welcome", "sent").await;
    let mail = one(&world, "welcome").await;
    assert_eq!((mail.id, mail.idempotency_key), (first.id, first.idempotency_key));
}

#[tokio::test]
async fn what_may_have_arrived_longer_ago_than_resend_remembers_is_not_sent_again() {
    let world = World::start().await;
    world.sandbox.resend.lose_answers(1);
    world.get("/api/account").await;
    failed(&world).await;
    world.clock.advance(Duration::from_secs(24 * 3_600));
    until(&world, "welcome", "parked").await;
    assert_eq!(arrived(&world, "welcome").len(), 1);
}

#[tokio::test]
async fn without_a_key_mails_are_written_and_kept() {
    let world = World::with(&[("RESEND_API_KEY", "")]).await;
    world.get("/api/account").await;
    until(&world, "welcome", "skipped").await;
    let sql = "SELECT payload FROM mails WHERE kind = 'welcome'";
    let payload: Result<String, DbError> =
        world.relay.app.db.read(move |tx| tx.query_one(sql, &[], |row| row.get(0))).await;
    assert!(payload.expect("kept").contains("Te damos la bienvenida"));
    assert!(kinds(&world).is_empty());
}

#[tokio::test]
async fn two_relays_at_one_outbox_hand_each_mail_in_once() {
    let world = World::start().await;
    // On SQLite there is never a second relay: there both work at the same.
    let db = if world.place.is_shared() {
        world.place.open(&world.clock, Changes::default()).expect("a database")
    } else {
        world.relay.app.db.clone()
    };
    let (config, clock) = (Arc::clone(&world.relay.app.config), world.clock.clone());
    let second = Mail::open(config, db, clock, CancellationToken::new()).await.expect("mails");
    for number in 0..40 {
        let email = format!("person-{number}@example.com");
        let answer = world.ask_as(&email, Method::GET, "/api/account").send().await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
    sent(&world).await;
    // Forty are due at the same moment.
    world.clock.advance(DAY);
    sweep(&world).await;
    let first = &world.relay.app.mail;
    let passes = [first, &second, first, &second].map(worker::pass);
    for taken in join_all(passes).await {
        taken.expect("a database");
    }
    sent(&world).await;
    assert_eq!(arrived(&world, "onboarding_1").len(), 40);
    let handed_in = world.sandbox.resend.handed_in();
    let keys: BTreeSet<String> =
        handed_in.iter().map(|(key, _)| key.clone().expect("a key")).collect();
    assert_eq!((handed_in.len(), keys.len()), (80, 80), "not even Resend had to tell them apart");
}

#[tokio::test]
async fn a_relay_that_is_killed_while_it_sends_sends_the_same_under_the_same_key() {
    let mut served = Served::with(&[]).await;
    let handed_in = async |resend: &Resend, count: usize| {
        let wanted = async {
            while resend.handed_in().len() < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wanted).await.expect("it is handed in");
        resend.handed_in()
    };
    served.sandbox.resend.keep_silent(1);
    let answer = served.ask_as(ANA, Method::GET, "/api/account").send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    handed_in(&served.sandbox.resend, 1).await;
    served.die_and_come_back().await;
    // The minute is over in which a mail that was taken is left alone.
    served.place.run("UPDATE mails SET due_at = 0 WHERE state = 'pending'");
    let twice = handed_in(&served.sandbox.resend, 2).await;
    assert_eq!(twice[0], twice[1]);
    assert!(twice[0].0.is_some());
    served.stop().await;
}
