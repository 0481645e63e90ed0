//! What is counted, and what is held, over all replicas.

use super::pair::{LONG, Pair};
use crate::support::ANA;
use crate::support::redis::Server;
use crate::support::shop::{attach, call, settle, text};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

async fn status(pair: &Pair, url: &str, email: &str) -> StatusCode {
    let asked = pair.world.http.get(format!("{url}/api/account"));
    let answer = asked.bearer_auth(pair.world.token(email)).send().await;
    answer.expect("an answer").status()
}

#[tokio::test]
async fn with_redis_requests_are_counted_together_and_without_it_each_for_itself() {
    let mut server = Server::start().await;
    let pair = Pair::with_redis(&server, &[("RELAY_RATE_PER_MINUTE", "4")]).await;
    let urls = [pair.world.relay.url(), pair.second.url()];
    counted_together(&pair, "first").await;
    server.down().await;
    // Whoever asks is served: each replica has begun to count for itself.
    for url in &urls {
        for _ in 0..4 {
            assert_eq!(status(&pair, url, ANA).await, StatusCode::OK);
        }
        assert_eq!(status(&pair, url, ANA).await, StatusCode::TOO_MANY_REQUESTS);
    }
    server.up().await;
    counted_together(&pair, "second").await;
}

/// Of six requests at both replicas four are served. On a busy machine Redis may seem away for a
/// moment, and each replica counts for itself: then it is tried again, as somebody else.
async fn counted_together(pair: &Pair, who: &str) {
    let urls = [pair.world.relay.url(), pair.second.url()];
    let mut served = 0;
    for attempt in 0..20 {
        for relay in [&pair.world.relay, &pair.second] {
            let redis = relay.app.redis.as_ref().expect("configured");
            timeout(LONG, redis.there()).await.expect("it is found");
        }
        let email = format!("{who}{attempt}@example.com");
        served = 0;
        for n in 0..6 {
            let answered = status(pair, &urls[n % 2], &email).await;
            served += usize::from(answered == StatusCode::OK);
        }
        if served == 4 {
            break;
        }
    }
    assert_eq!(served, 4);
}

#[tokio::test]
async fn somebody_who_buys_on_both_replicas_at_once_has_one_customer_and_one_open_session() {
    let pair = Pair::start().await;
    attach(&pair.world);
    let urls = [pair.world.relay.url(), pair.second.url()];
    let buying = (0..8).map(|n| {
        let url = format!("{}/api/stripe/create-checkout", urls[n % 2]);
        let asked = pair.world.http.request(Method::POST, url).bearer_auth(pair.world.token(ANA));
        asked.json(&json!({ "planId": "creator", "interval": "month" })).send()
    });
    let mut sessions = Vec::new();
    for answer in join_all(buying).await {
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let session: Value = answer.json().await.expect("JSON");
        sessions.push(text(&session, "sessionId").to_owned());
    }
    sessions.dedup();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    let customers = call(&pair.world, "GET", "customers", "");
    assert_eq!(customers["data"].as_array().map(Vec::len), Some(1));
    tokio::time::timeout(Duration::from_secs(30), settle(&pair.world))
        .await
        .expect("Stripe's events are worked on");
}
