//! What stops mails: a link in them, and addresses that bounce.

use super::post::{arrived, kinds, one, sent, states, until};
use crate::support::shop::{DAY, attach, sweep};
use crate::support::{ANA, World};
use autocrea_relay::db::DbError;
use autocrea_relay::sweep::let_go;
use http::header;
use reqwest::Method;
use serde_json::Value;

async fn days(world: &World, count: u32) {
    world.clock.advance(DAY * count);
    sweep(world).await;
    sent(world).await;
}

async fn world() -> World {
    let world = World::start().await;
    attach(&world);
    world.get("/api/account").await;
    sent(&world).await;
    world
}

/// The link in a promotional mail.
async fn link(world: &World) -> String {
    let mail = one(world, "onboarding_1").await;
    let header = mail.headers.iter().find(|(name, _)| name == "List-Unsubscribe");
    let link = header.expect("it has one").1.trim_matches(['<', '>']).to_owned();
    assert!(mail.text.contains(&link), "it is at the foot too");
    assert!(!link.contains("ana") && !link.contains("%40"), "{link}");
    link
}

async fn wants_promotion(world: &World) -> bool {
    let profile = world.get("/api/user/profile").await;
    profile["marketingEmails"].as_bool().expect("a choice")
}

#[tokio::test]
async fn one_click_ends_promotion_for_good_and_opening_the_link_does_not() {
    let world = world().await;
    days(&world, 1).await;
    let link = link(&world).await;
    let page = world.http.get(&link).send().await.expect("an answer");
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(page.headers()[header::REFERRER_POLICY], "no-referrer");
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert!(page.text().await.expect("a page").contains("<form method=\"post\">"));
    assert!(wants_promotion(&world).await, "a scanner that follows links has ended nothing");

    let before = world.get("/api/account").await["version"].as_i64().expect("a number");
    for _ in 0..2 {
        let click = world.http.post(&link).form(&[("List-Unsubscribe", "One-Click")]);
        assert_eq!(click.send().await.expect("an answer").status(), 200);
        assert!(!wants_promotion(&world).await);
        let now = world.get("/api/account").await["version"].as_i64().expect("a number");
        assert_eq!(now, before + 1, "the second click changes nothing");
    }
    for _ in 0..7 {
        days(&world, 1).await;
    }
    assert_eq!(kinds(&world), ["welcome", "onboarding_1"]);
}

#[tokio::test]
async fn a_link_that_is_nobodys_is_refused_as_a_page_or_as_an_error() {
    let world = world().await;
    days(&world, 1).await;
    let link = link(&world).await;
    let (address, token) = link.split_once("token=").expect("a token");
    let (person, signature) = token.split_once('.').expect("two parts");
    let others = format!("{address}token={}.{signature}", person.replace('d', "e"));
    for bad in [others.as_str(), address, &format!("{address}token=x"), &format!("{link}x")] {
        for method in [Method::GET, Method::POST] {
            let answer = world.http.request(method, bad).send().await.expect("an answer");
            assert_eq!(answer.status(), 400, "{bad}");
            let error: Value = answer.json().await.expect("JSON");
            assert_eq!(
                (&error["code"], &error["field"]),
                (&"invalid_request".into(), &"token".into())
            );
        }
        let page = world.http.get(bad).header(header::ACCEPT, "text/html,*/*;q=0.8");
        let page = page.header(header::ACCEPT_LANGUAGE, "en").send().await.expect("an answer");
        assert_eq!(page.status(), 400);
        assert!(page.text().await.expect("a page").contains("This link is not valid"));
    }
    assert!(wants_promotion(&world).await);
}

#[tokio::test]
async fn no_limit_of_requests_keeps_anybody_from_ending_promotion() {
    let world = World::with(&[("RELAY_RATE_PER_MINUTE_ADDRESS", "1")]).await;
    world.get("/api/account").await;
    sent(&world).await;
    days(&world, 1).await;
    let link = link(&world).await;
    for _ in 0..5 {
        let click = world.http.post(&link).form(&[("List-Unsubscribe", "One-Click")]);
        assert_eq!(click.send().await.expect("an answer").status(), 200);
    }
}

#[tokio::test]
async fn an_address_that_bounced_or_complained_is_not_written_to_again() {
    for complains in [false, true] {
        let world = world().await;
        for _ in 0..2 {
            let resend = &world.sandbox.resend;
            let told =
                if complains { resend.complain(ANA).await } else { resend.bounce(ANA).await };
            assert_eq!(told, Some(200));
        }
        world.clock.advance(DAY);
        sweep(&world).await;
        until(&world, "onboarding_1", "suppressed").await;
        assert_eq!(kinds(&world), ["welcome"]);
        // Others are still written to.
        world.ask_as("luis@example.com", Method::GET, "/api/account").send().await.expect("one");
        sent(&world).await;
        assert_eq!(arrived(&world, "welcome").len(), 2);
    }
}

#[tokio::test]
async fn what_resend_did_not_sign_suppresses_nobody() {
    let world = world().await;
    let event = r#"{"type":"email.bounced","data":{"to":["ana@example.com"]}}"#;
    let forged = world.ask(Method::POST, "/api/resend/webhooks").body(event);
    assert_eq!(forged.send().await.expect("an answer").status(), 400);
    let target = format!("{}/api/resend/webhooks", world.relay.url());
    world.sandbox.resend.webhook_target(&target, "whsec_c29tZWJvZHkgZWxzZQ==");
    assert_eq!(world.sandbox.resend.bounce(ANA).await, Some(400));
    days(&world, 1).await;
    one(&world, "onboarding_1").await;

    let world = World::with(&[("RESEND_WEBHOOK_SECRET", "")]).await;
    attach(&world);
    assert_eq!(world.sandbox.resend.bounce(ANA).await, Some(400), "nobody can have signed");
}

#[tokio::test]
async fn of_somebody_who_left_no_mail_is_kept_and_whoever_comes_back_is_not_welcomed_again() {
    let world = world().await;
    let leave = world.ask_as(ANA, Method::DELETE, "/api/user/profile").send().await;
    assert_eq!(leave.expect("an answer").status(), 204);
    assert!(states(&world, "welcome").await.is_empty());
    world.get("/api/account").await;
    sent(&world).await;
    assert_eq!(kinds(&world), ["welcome"], "the one of the first time");
    assert!(states(&world, "welcome").await.is_empty());
}

#[tokio::test]
async fn what_was_rendered_is_let_go_of_when_it_has_been_kept_long_enough() {
    const KEPT: &str = "SELECT COUNT(*) FROM mails WHERE payload IS NOT NULL AND kind = 'welcome'";
    let kept = async |world: &World| {
        let count = world.relay.app.db.read(|tx| tx.query_one(KEPT, &[], |row| row.get::<i64>(0)));
        let count: Result<i64, DbError> = count.await;
        count.expect("a database")
    };
    let world = world().await;
    world.clock.advance(DAY * 89);
    let_go(&world.relay.app).await.expect("a database");
    assert_eq!(kept(&world).await, 1);
    world.clock.advance(DAY * 2);
    let_go(&world.relay.app).await.expect("a database");
    assert_eq!(kept(&world).await, 0);
    assert_eq!(states(&world, "welcome").await, ["sent"], "that it went out is still known");
}
