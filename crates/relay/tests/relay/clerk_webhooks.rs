//! Clerk's webhooks: signed, in any order, any number of times.

use crate::support::shop::verify;
use crate::support::{ANA, World};
use autocrea_sandbox::clerk::sign;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const SECRET: &str = "whsec_c2FuZGJveC1jbGVyay1zZWNyZXQ=";
const PATH: &str = "/api/clerk/webhooks";

async fn attached() -> World {
    let world = World::start().await;
    world.sandbox.attach_relay(&world.relay.url()).expect("loopback");
    world
}

fn now(world: &World) -> i64 {
    world.sandbox.clerk.clock().now_secs()
}

async fn send(
    world: &World,
    id: &str,
    at: i64,
    signature: &str,
    body: &str,
) -> (StatusCode, Value) {
    let request = world.ask(Method::POST, PATH).body(body.to_owned());
    let request = request.header("svix-id", id).header("svix-timestamp", at.to_string());
    let answer = request.header("svix-signature", signature).send().await.expect("an answer");
    let status = answer.status();
    (status, answer.json().await.expect("JSON"))
}

/// Delivers an event, well signed.
async fn deliver(world: &World, id: &str, kind: &str, data: &Value) {
    let body = json!({"object": "event", "type": kind, "data": data}).to_string();
    let signature = sign(SECRET, id, now(world), &body);
    let (status, answer) = send(world, id, now(world), &signature, &body).await;
    assert_eq!((status.as_u16(), answer), (200, json!({"received": true})));
}

fn luis(name: &str, updated_at: i64) -> Value {
    json!({"id": "user_luis", "object": "user", "first_name": name, "last_name": "Romero",
        "image_url": "https://example.com/l.png", "primary_email_address_id": "idn_1",
        "email_addresses": [{"id": "idn_1", "email_address": "l@example.com"}],
        "unsafe_metadata": {"locale": "en-US"}, "created_at": 1, "updated_at": updated_at})
}

/// Name, e-mail and language of Luis, if he is here.
async fn known(world: &World) -> Option<(Option<String>, Option<String>, String)> {
    let read = world.relay.app.db.read(|tx| {
        tx.query_opt(
            "SELECT clerk_name, email, locale FROM people WHERE id = 'user_luis'",
            &[],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
    });
    let known: Result<_, autocrea_relay::db::DbError> = read.await;
    known.expect("a database")
}

fn name(name: &str) -> Option<(Option<String>, Option<String>, String)> {
    Some((Some(format!("{name} Romero")), Some("l@example.com".into()), "en".into()))
}

#[tokio::test]
async fn a_bad_signature_is_400_in_the_contracts_form_and_changes_nothing() {
    let world = attached().await;
    let body = json!({"type": "user.created", "data": luis("Luis", 1)}).to_string();
    let at = now(&world);
    let good = sign(SECRET, "msg_1", at, &body);
    let cases = [
        ("msg_1", at, "v1,AAAA".to_owned()),
        ("msg_2", at, good.clone()),
        ("msg_1", at + 1, good.clone()),
        ("msg_1", at, sign("whsec_b3RoZXI=", "msg_1", at, &body)),
        ("msg_1", at - 301, sign(SECRET, "msg_1", at - 301, &body)),
    ];
    for (id, at, signature) in cases {
        let (status, refused) = send(&world, id, at, &signature, &body).await;
        assert_eq!(status, 400);
        assert_eq!(refused["error"], "Webhook handler failed");
        assert_eq!(refused["code"], "invalid_request");
    }
    let without = world.ask(Method::POST, PATH).body(body).send().await.expect("an answer");
    assert_eq!(without.status(), 400);
    let junk = sign(SECRET, "msg_3", at, "not json");
    assert_eq!(send(&world, "msg_3", at, &junk, "not json").await.0, 400);
    assert_eq!(known(&world).await, None);
}

#[tokio::test]
async fn without_a_secret_nothing_is_taken() {
    let world = World::with(&[("CLERK_WEBHOOK_SECRET", "")]).await;
    let body = json!({"type": "user.created", "data": luis("Luis", 1)}).to_string();
    for secret in [SECRET, ""] {
        let signature = sign(secret, "msg_1", now(&world), &body);
        assert_eq!(send(&world, "msg_1", now(&world), &signature, &body).await.0, 400);
    }
}

#[tokio::test]
async fn any_of_several_secrets_may_have_signed_and_any_of_several_signatures_may_match() {
    let world = World::with(&[("CLERK_WEBHOOK_SECRET", "whsec_b2xk, whsec_bmV3")]).await;
    let body = json!({"type": "session.created", "data": {}}).to_string();
    let at = now(&world);
    let [old, new, other] =
        ["whsec_b2xk", "whsec_bmV3", "whsec_b3RoZXI="].map(|it| sign(it, "msg_1", at, &body));
    for signature in [&old, &new, &format!("{other} {new}")] {
        assert_eq!(send(&world, "msg_1", at, signature, &body).await.0, 200);
    }
    assert_eq!(send(&world, "msg_1", at, &other, &body).await.0, 400);
}

#[tokio::test]
async fn no_limit_touches_it_and_a_huge_body_is_413() {
    let world = World::with(&[("RELAY_RATE_PER_MINUTE_ADDRESS", "1")]).await;
    for _ in 0..5 {
        let body = json!({"type": "session.created", "data": {}}).to_string();
        let signature = sign(SECRET, "msg_1", now(&world), &body);
        assert_eq!(send(&world, "msg_1", now(&world), &signature, &body).await.0, 200);
    }
    let (status, refused) = send(&world, "msg_1", 1, "v1,AA==", &"x".repeat(9 << 20)).await;
    assert_eq!((status.as_u16(), &refused["code"]), (413, &json!("payload_too_large")));
}

#[tokio::test]
async fn whoever_signs_up_is_made_with_profile_language_and_free_tokens() {
    let world = attached().await;
    deliver(&world, "msg_1", "user.created", &luis("Luis", 1)).await;
    assert_eq!(known(&world).await, name("Luis"));
    verify(&world).await;
    // The same by what the sandbox's Clerk sends itself.
    assert_eq!(world.sandbox.clerk.send_user_event("user.created", ANA).await, Some(200));
    assert_eq!(world.get("/api/account").await["tokens"]["limit"], 20_000);
}

#[tokio::test]
async fn only_newer_news_of_clerks_count_in_whatever_order_they_come() {
    let world = attached().await;
    deliver(&world, "msg_2", "user.updated", &luis("Dos", 2)).await;
    assert_eq!(known(&world).await, name("Dos"), "the creation may come later");
    deliver(&world, "msg_1", "user.created", &luis("Uno", 1)).await;
    assert_eq!(known(&world).await, name("Dos"));
    deliver(&world, "msg_4", "user.updated", &luis("Cuatro", 4)).await;
    for (id, said, at) in [("msg_3", "Tres", 3), ("msg_4", "Cuatro", 4), ("msg_2", "Dos", 2)] {
        deliver(&world, id, "user.updated", &luis(said, at)).await;
    }
    assert_eq!(known(&world).await, name("Cuatro"));
}

#[tokio::test]
async fn a_change_in_the_same_moment_or_without_its_time_is_a_change() {
    let world = attached().await;
    deliver(&world, "msg_1", "user.created", &luis("Uno", 1)).await;
    deliver(&world, "msg_2", "user.updated", &luis("Dos", 1)).await;
    assert_eq!(known(&world).await, name("Dos"));
    let mut untimed = luis("Tres", 0);
    untimed["updated_at"] = Value::Null;
    deliver(&world, "msg_3", "user.updated", &untimed).await;
    assert_eq!(known(&world).await, name("Tres"));
}

#[tokio::test]
async fn a_name_that_was_set_here_outlasts_what_clerk_says() {
    let world = attached().await;
    world.get("/api/account").await;
    world.sandbox.clerk.rename(ANA, "Ana Nueva");
    assert_eq!(world.sandbox.clerk.send_user_event("user.updated", ANA).await, Some(200));
    assert_eq!(world.get("/api/account").await["user"]["name"], "Ana Nueva");
    let own = json!({"name": "Anita"});
    let set = world.ask_as(ANA, Method::PATCH, "/api/user/profile").json(&own).send().await;
    assert_eq!(set.expect("an answer").status(), 200);
    world.sandbox.clerk.rename(ANA, "Ana Otra");
    assert_eq!(world.sandbox.clerk.send_user_event("user.updated", ANA).await, Some(200));
    assert_eq!(world.get("/api/account").await["user"]["name"], "Anita");
}

#[tokio::test]
async fn whoever_is_deleted_at_clerk_is_erased_and_no_late_webhook_brings_them_back() {
    let world = attached().await;
    deliver(&world, "msg_1", "user.created", &luis("Luis", 1)).await;
    let gone = json!({"id": "user_luis", "object": "user", "deleted": true});
    for _ in 0..2 {
        deliver(&world, "msg_9", "user.deleted", &gone).await;
        assert_eq!(known(&world).await, None);
        deliver(&world, "msg_1", "user.created", &luis("Luis", 1)).await;
        deliver(&world, "msg_8", "user.updated", &luis("Luis", 8)).await;
        assert_eq!(known(&world).await, None);
    }
    // A deletion that overtakes the creation.
    let gone = json!({"id": "user_new", "object": "user", "deleted": true});
    deliver(&world, "msg_11", "user.deleted", &gone).await;
    let mut late = luis("Luis", 1);
    late["id"] = json!("user_new");
    deliver(&world, "msg_10", "user.created", &late).await;
    let count = world
        .relay
        .app
        .db
        .read(|tx| tx.query_one("SELECT COUNT(*) FROM people", &[], |row| row.get::<i64>(0)));
    let count: Result<_, autocrea_relay::db::DbError> = count.await;
    assert_eq!(count.expect("a count"), 0);
    verify(&world).await;
}

#[tokio::test]
async fn a_token_that_outlives_its_person_at_clerk_brings_no_data_of_theirs_back() {
    let world = attached().await;
    let token = world.token(ANA);
    world.get("/api/account").await;
    assert_eq!(world.sandbox.clerk.delete_user(ANA).await, Some(200));
    let asked = world.ask(Method::GET, "/api/account").bearer_auth(token).send().await;
    let account: Value = asked.expect("an answer").json().await.expect("JSON");
    assert_eq!(account["user"]["email"], Value::Null, "{account}");
    assert_eq!(account["user"]["name"], Value::Null);
    assert_eq!(account["tokens"]["limit"], 0);
}

#[tokio::test]
async fn whoever_left_here_and_is_still_at_clerk_is_not_made_again_by_a_webhook() {
    let world = attached().await;
    world.get("/api/account").await;
    let left = world.ask_as(ANA, Method::DELETE, "/api/user/profile").send().await;
    assert_eq!(left.expect("an answer").status(), 204);
    for kind in ["user.created", "user.updated"] {
        assert_eq!(world.sandbox.clerk.send_user_event(kind, ANA).await, Some(200));
    }
    let id = world.user(ANA);
    let known = world.relay.app.db.read(move |tx| autocrea_relay::account::is_known(tx, &id));
    assert!(!known.await.expect("a database"));
}
