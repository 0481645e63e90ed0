//! Signing in, the account snapshot and its stream, over real HTTP against the sandbox's Clerk.

use crate::support::{ANA, Events, World};
use autocrea_protocol::{GenerationId, Tokens};
use autocrea_relay::db::DbError;
use autocrea_relay::lease;
use autocrea_relay::ledger::{self, ReserveRequest};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

async fn reserve(world: &World, tokens: i64) {
    let request = ReserveRequest {
        user: world.user(ANA),
        generation: GenerationId(Uuid::now_v7()),
        tokens: Tokens(tokens),
        lease: world.relay.app.lease.id().to_owned(),
    };
    let held: Result<_, DbError> =
        world.relay.app.db.write(move |tx| ledger::reserve(tx, &request)).await;
    held.expect("a transaction");
}

#[tokio::test]
async fn somebody_never_seen_before_has_a_profile_and_the_free_tokens_at_once() {
    let world = World::start().await;
    let snapshot = world.get("/api/account").await;
    assert_eq!(snapshot["user"]["id"], world.user(ANA).as_str());
    assert_eq!(snapshot["user"]["email"], ANA);
    assert_eq!(
        snapshot["subscription"],
        json!({
            "planId": "free", "status": null, "interval": null, "currentPeriodStart": null,
            "currentPeriodEnd": null, "cancelAtPeriodEnd": false, "graceUntil": null,
        })
    );
    let tokens = &snapshot["tokens"];
    assert_eq!((&tokens["limit"], &tokens["remaining"]), (&json!(20_000), &json!(20_000)));
    assert_eq!(tokens["lastGenerationAt"], Value::Null);
}

#[tokio::test]
async fn a_person_is_let_in_when_their_profile_cannot_be_had() {
    let world = World::start().await;
    let switches = autocrea_sandbox::clerk::Switches { userinfo_down: true, ..Default::default() };
    world.sandbox.clerk.set_switches(switches);
    let snapshot = world.get("/api/account").await;
    assert_eq!(snapshot["user"]["email"], Value::Null);
    // It comes with a later call, once it may be asked for again.
    world.sandbox.clerk.set_switches(autocrea_sandbox::clerk::Switches::default());
    world.clock.advance(Duration::from_secs(61));
    assert_eq!(world.get("/api/account").await["user"]["email"], ANA);
}

#[tokio::test]
async fn an_unchanged_account_is_304_and_a_changed_one_is_not() {
    let world = World::start().await;
    let first = world.ask_as(ANA, Method::GET, "/api/account").send().await.expect("an answer");
    let tag = first.headers()["etag"].to_str().expect("text").to_owned();
    let body: Value = first.json().await.expect("JSON");
    assert_eq!(tag, format!("\"{}\"", body["version"]));
    let again = |tag: String| {
        world.ask_as(ANA, Method::GET, "/api/account").header("if-none-match", tag).send()
    };
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag} ,\"y\""), "*".to_owned()] {
        let same = again(known.clone()).await.expect("an answer");
        assert_eq!(same.status(), 304, "{known}");
        assert_eq!(same.headers()["etag"], tag, "{known}");
        assert!(same.bytes().await.expect("a body").is_empty());
    }
    for other in [tag.trim_matches('"').to_owned(), "\"0\"".to_owned(), String::new()] {
        assert_eq!(again(other.clone()).await.expect("an answer").status(), 200, "{other}");
    }
    reserve(&world, 100).await;
    assert_eq!(again(tag).await.expect("an answer").status(), 200);
}

#[tokio::test]
async fn the_stream_sends_the_snapshot_at_once_and_at_every_change() {
    let world = World::start().await;
    let answer = world.ask_as(ANA, Method::GET, "/api/account/events").send().await;
    let mut events = Events::of(answer.expect("an answer"));
    let first = events.next().await.expect("a frame");
    assert_eq!(first.event, "account");
    let snapshot: Value = serde_json::from_str(&first.data).expect("JSON");
    assert_eq!(first.id.as_deref(), Some(snapshot["version"].to_string().as_str()));
    reserve(&world, 1_000).await;
    let second = events.data().await;
    assert!(second["version"].as_i64() > snapshot["version"].as_i64());
    assert_eq!(second["tokens"]["reserved"], 1_000);
}

#[tokio::test]
async fn a_client_that_has_the_current_version_is_sent_nothing_until_a_change() {
    let world = World::start().await;
    let version = world.get("/api/account").await["version"].to_string();
    let answer = world
        .ask_as(ANA, Method::GET, "/api/account/events")
        .header("last-event-id", version)
        .send()
        .await;
    let mut events = Events::of(answer.expect("an answer"));
    reserve(&world, 700).await;
    assert_eq!(events.data().await["tokens"]["reserved"], 700, "the first frame is the change");
}

#[tokio::test]
async fn whatever_else_a_client_says_that_it_has_it_is_sent_the_snapshot() {
    let world = World::start().await;
    let version = world.get("/api/account").await["version"].clone();
    for known in ["0", "-1", "", "x", "1.5", "99999999999999999999999"] {
        let asked = world.ask_as(ANA, Method::GET, "/api/account/events");
        let answer = asked.header("last-event-id", known).send().await.expect("an answer");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(Events::of(answer).data().await["version"], version, "{known}");
    }
}

#[tokio::test]
async fn a_profile_is_read_again_once_a_day() {
    let world = World::start().await;
    let before = world.get("/api/account").await;
    world.sandbox.clerk.rename(ANA, "Ana Nueva");
    world.clock.advance(Duration::from_secs(23 * 3_600));
    assert_eq!(world.get("/api/account").await["user"]["name"], before["user"]["name"]);
    let watching = world.ask_as(ANA, Method::GET, "/api/account/events").send().await;
    let mut events = Events::of(watching.expect("an answer"));
    events.data().await;
    world.clock.advance(Duration::from_secs(2 * 3_600));
    // It is fetched beside this call, which does not wait for it; who watches is told.
    world.get("/api/user/subscription").await;
    let mut snapshot = events.data().await;
    while snapshot["user"]["name"] != "Ana Nueva" {
        snapshot = events.data().await;
    }
}

#[tokio::test]
async fn what_is_changed_of_a_profile_is_only_what_is_named() {
    let world = World::start().await;
    let before = world.get("/api/user/profile").await;
    let patch = async |body: Value| {
        let sent = world.ask_as(ANA, Method::PATCH, "/api/user/profile").json(&body).send().await;
        let answer = sent.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let nothing = json!({"locale": null, "marketingEmails": null, "email": "eva@example.com"});
    for same in [json!({}), nothing] {
        assert_eq!(patch(same).await, (200, before.clone()));
    }
    let (_, named) = patch(json!({"name": "  Ana 🦀  "})).await;
    assert_eq!((&named["name"], &named["locale"]), (&json!("Ana 🦀"), &before["locale"]));
    assert!(named["updatedAt"].as_i64() >= before["updatedAt"].as_i64());
    let version = async || world.get("/api/account").await["version"].as_i64();
    let known = version().await.expect("a number");
    for same in [json!({"name": "Ana 🦀"}), json!({"marketingEmails": true, "locale": "es"})] {
        assert_eq!(patch(same.clone()).await.0, 200);
        assert_eq!(version().await, Some(known), "{same} changes nothing");
    }
    assert_eq!(patch(json!({"marketingEmails": false})).await.1["marketingEmails"], false);
    assert_eq!(version().await, Some(known + 1));
    let long = "ñ".repeat(200);
    assert_eq!(patch(json!({"name": long})).await.1["name"], long.as_str());
    for name in [json!(""), json!("   "), json!("a\nb"), json!("ñ".repeat(201)), json!(7)] {
        let (status, refused) = patch(json!({"name": name})).await;
        assert_eq!((status, &refused["field"]), (400, &json!("name")), "{name}");
    }
    let (status, refused) = patch(json!([null, "en", false])).await;
    assert_eq!((status, &refused["field"]), (400, &json!("body")));
}

#[tokio::test]
async fn the_eleventh_stream_of_a_person_is_refused_until_one_has_gone() {
    let world = World::start().await;
    let open = || world.ask_as(ANA, Method::GET, "/api/account/events").send();
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut events = Events::of(open().await.expect("an answer"));
        events.next().await.expect("a frame");
        streams.push(events);
    }
    let refused = open().await.expect("an answer");
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json::<Value>().await.expect("JSON")["code"], "rate_limited");
    let other = world.ask_as("luis@example.com", Method::GET, "/api/account/events").send().await;
    assert_eq!(other.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_month_that_begins_is_pushed_to_whoever_watches() {
    let world = World::start().await;
    let answer = world.ask_as(ANA, Method::GET, "/api/account/events").send().await;
    let mut events = Events::of(answer.expect("an answer"));
    let month = events.data().await["tokens"]["month"].clone();
    reserve(&world, 1_000).await;
    assert_eq!(events.data().await["tokens"]["remaining"], 19_000);
    world.clock.advance(Duration::from_secs(32 * 86_400));
    autocrea_relay::sweep::pass(&world.relay.app).await.expect("a sweep");
    let mut snapshot = events.data().await;
    while snapshot["tokens"]["remaining"] != 20_000 {
        snapshot = events.data().await;
    }
    assert_ne!(snapshot["tokens"]["month"], month);
    assert_eq!(snapshot["tokens"]["generationsCount"], 0);
}

#[tokio::test]
async fn a_relay_that_stops_tells_its_streams_to_come_back_and_versions_go_on_after_it() {
    let world = World::start().await;
    let answer = world.ask_as(ANA, Method::GET, "/api/account/events").send().await;
    let mut events = Events::of(answer.expect("an answer"));
    let version = events.data().await["version"].as_i64();
    let world = world.restart().await;
    assert!(events.next().await.is_none());
    assert!(events.raw.contains("retry: 1000"), "{}", events.raw);
    assert_eq!(world.get("/api/account").await["version"].as_i64(), version);
}

#[tokio::test]
async fn what_an_earlier_process_had_reserved_is_given_back() {
    let world = World::start().await;
    world.get("/api/account").await;
    reserve(&world, 5_000).await;
    let world = world.restart().await;
    if world.place.is_shared() {
        // It might be another replica's; its lease says that it is not.
        let ended = lease::interrupt_abandoned(&world.relay.app.db).await;
        assert_eq!(ended.expect("a database"), 1);
    }
    assert_eq!(world.get("/api/tokens/usage").await["remaining"], 20_000);
    let ledger = world.get("/api/tokens/ledger").await;
    let kinds: Vec<_> = ledger["entries"].as_array().expect("a list").iter().collect();
    assert_eq!(kinds.last().expect("an entry")["kind"], "release");
}

#[tokio::test]
async fn a_name_set_here_outlasts_clerks() {
    let world = World::start().await;
    let clerks = world.get("/api/user/profile").await;
    assert_eq!(clerks["marketingEmails"], true);
    let patch = async |body: Value| {
        let sent = world.ask_as(ANA, Method::PATCH, "/api/user/profile").json(&body).send().await;
        let answer = sent.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let wish = json!({"name": "Ana la Creadora", "locale": "en", "marketingEmails": false});
    let (status, profile) = patch(wish).await;
    assert_eq!(status, 200);
    assert_eq!(profile["name"], "Ana la Creadora");
    world.clock.advance(Duration::from_secs(25 * 3_600));
    let later = world.get("/api/user/profile").await;
    assert_eq!(later["name"], "Ana la Creadora");
    assert_eq!((&later["locale"], &later["marketingEmails"]), (&json!("en"), &json!(false)));
    let (status, refused) = patch(json!({"locale": "fr"})).await;
    assert_eq!((status, &refused["field"]), (400, &json!("locale")));
    let (status, refused) = patch(json!({"marketingEmails": "yes"})).await;
    assert_eq!((status, &refused["code"]), (400, &json!("invalid_request")));
    let (_, back) = patch(json!({"name": null})).await;
    assert_eq!(back["name"], clerks["name"]);
}
