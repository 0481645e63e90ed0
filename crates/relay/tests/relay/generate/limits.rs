//! What is not let in.

use super::stage::{Stage, refusal, request};
use crate::support::World;
use autocrea_protocol::{ErrorCode, Tokens};
use autocrea_sandbox::joxcoder::Reply;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn as_many_run_at_once_as_the_plan_allows_and_a_refused_id_may_be_used_again() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["uno"]).hold_after(1));
    let mut first = ana.generate(Uuid::now_v7(), "hola").await;
    first.first_text().await;
    let second = Uuid::now_v7();
    let refused = ana.post(&request(second, "hola")).send().await.unwrap();
    assert_eq!(refusal(refused).await.0, ErrorCode::TooManyGenerations);
    stage.sandbox.joxcoder.release();
    first.all().await.done();
    stage.sandbox.joxcoder.script(Reply::text("dos"));
    assert_eq!(ana.generate(second, "hola").await.all().await.text(), "dos");
}

#[tokio::test]
async fn as_many_are_begun_in_an_hour_as_the_plan_allows() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    for _ in 0..10 {
        stage.sandbox.joxcoder.script(Reply::text("ya").usage(1, 1));
        ana.generate(Uuid::now_v7(), "hola").await.all().await.done();
    }
    let refused = ana.post(&request(Uuid::now_v7(), "hola")).send().await.unwrap();
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3_500..=3_601).contains(&wait), "{wait}");
    assert_eq!(refusal(refused).await.0, ErrorCode::RateLimited);
    stage.clock.advance(Duration::from_secs(wait));
    stage.sandbox.joxcoder.script(Reply::text("ya"));
    ana.generate(Uuid::now_v7(), "hola").await.all().await.done();
}

#[tokio::test]
async fn a_limit_of_zero_is_none() {
    let free = "[plans.free]\nconcurrency = 0\ngenerations_per_hour = 0\n";
    let stage = Stage(World::with_file(free).await);
    let ana = stage.person("ana@example.com");
    let mut running = Vec::new();
    for _ in 0..12 {
        stage.sandbox.joxcoder.script(Reply::pieces(["uno"]).hold_after(1));
        let mut events = ana.generate(Uuid::now_v7(), "hola").await;
        events.first_text().await;
        running.push(events);
    }
    assert_eq!(stage.relay.app.generations.running_count(), 12);
    let free = &stage.get("/api/plans").await["plans"][0];
    assert_eq!((&free["concurrency"], &free["generationsPerHour"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn after_a_downgrade_the_wait_that_is_named_is_long_enough() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.put_on(&ana, "creator").await;
    for _ in 0..12 {
        stage.sandbox.joxcoder.script(Reply::text("ya").usage(1, 1));
        ana.generate(Uuid::now_v7(), "hola").await.all().await.done();
        stage.clock.advance(Duration::from_secs(60));
    }
    stage.put_on(&ana, "free").await;
    let refused = ana.post(&request(Uuid::now_v7(), "hola")).send().await.unwrap();
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(refusal(refused).await.0, ErrorCode::RateLimited);
    // Of twelve in the hour three must grow old, so that nine are left where ten are allowed.
    let third = 3_600 - 10 * 60;
    assert!((third - 60..=third + 1).contains(&wait), "{wait}");
    stage.clock.advance(Duration::from_secs(wait));
    stage.sandbox.joxcoder.script(Reply::text("ya"));
    ana.generate(Uuid::now_v7(), "hola").await.all().await.done();
}

#[tokio::test]
async fn with_under_256_tokens_left_even_a_small_wish_is_refused() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::text("ya").usage(10, 990));
    ana.generate(Uuid::now_v7(), "hola").await.all().await.done();
    let left = ana.usage().await.remaining.get();
    let mut small = request(Uuid::now_v7(), &"x".repeat(usize::try_from(left - 200).unwrap() * 3));
    small["maxOutputTokens"] = json!(10);
    let refused = ana.post(&small).send().await.unwrap();
    assert_eq!(refusal(refused).await.0, ErrorCode::TokenLimit);
}

#[tokio::test]
async fn an_address_that_names_no_generation_is_refused_in_the_contracts_form() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    for id in ["no", "%FF", "%00"] {
        for method in [Method::GET, Method::DELETE] {
            let refused = ana.ask(method, id).send().await.unwrap();
            assert_eq!(refusal(refused).await.0, ErrorCode::NotFound, "{id}");
        }
    }
}

#[tokio::test]
async fn with_too_few_tokens_left_nothing_is_begun() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    let id = Uuid::now_v7();
    let refused = ana.post(&request(id, &"x".repeat(60_000))).send().await.unwrap();
    assert_eq!(refusal(refused).await.0, ErrorCode::TokenLimit);
    assert_eq!(ana.usage().await.tokens_reserved, Tokens(0));
    assert!(ana.ledger(id).await.is_empty());
    assert_eq!(stage.calls(), 0);
    stage.sandbox.joxcoder.script(Reply::text("ya"));
    ana.generate(id, "hola").await.all().await.done();
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    let id = Uuid::now_v7();
    let cases: [(&str, Value); 6] = [
        ("generationId", json!("no")),
        ("role", json!("Full Stack")),
        ("messages", json!([])),
        (
            "messages",
            json!([{ "role": "user", "content": [
            { "type": "image_url", "image_url": { "url": "https://example.com/a.png" } }] }]),
        ),
        ("maxOutputTokens", json!(0)),
        ("maxOutputTokens", json!("mil")),
    ];
    for (field, value) in cases {
        let mut body = request(id, "hola");
        body[field] = value;
        let (code, body) = refusal(ana.post(&body).send().await.unwrap()).await;
        assert_eq!((code, body.field.as_deref()), (ErrorCode::InvalidRequest, Some(field)));
    }
    let long = request(id, &"x".repeat(262_145));
    assert_eq!(refusal(ana.post(&long).send().await.unwrap()).await.0, ErrorCode::PayloadTooLarge);
    let mut huge = request(id, "hola");
    huge["padding"] = "x".repeat(9 << 20).into();
    assert_eq!(refusal(ana.post(&huge).send().await.unwrap()).await.0, ErrorCode::PayloadTooLarge);
    let text = ana.post_text(&request(id, "hola").to_string()).send().await.unwrap();
    assert_eq!(refusal(text).await.0, ErrorCode::UnsupportedMediaType);
    assert_eq!(stage.calls(), 0);
    // A byte less is only too dear.
    let longest = request(id, &"x".repeat(262_144));
    assert_eq!(refusal(ana.post(&longest).send().await.unwrap()).await.0, ErrorCode::TokenLimit);
    // Nothing has been begun under that id, so it may be used.
    stage.sandbox.joxcoder.script(Reply::text("ya"));
    assert_eq!(ana.generate(id, "hola").await.all().await.text(), "ya");
}
