//! What is counted, and what is held, over all replicas.

use super::pair::{LONG, Pair};
use crate::support::ANA;
use crate::support::place::Place;
use crate::support::redis::Server;
use crate::support::shop::{attach, call, settle, text};
use autocrea_protocol::UserId;
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Limits as Settings;
use autocrea_relay::db::{Db, DbError};
use autocrea_relay::error::ApiError;
use autocrea_relay::limits::Limits;
use axum::response::IntoResponse as _;
use futures_util::future::join_all;
use http::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::time::timeout;

async fn status(pair: &Pair, url: &str, email: &str) -> StatusCode {
    let asked = pair.world.http.get(format!("{url}/api/account"));
    let answer = asked.bearer_auth(pair.world.token(email)).send().await;
    answer.expect("an answer").status()
}

#[tokio::test]
async fn with_redis_and_without_it_requests_are_counted_together() {
    let mut server = Server::start().await;
    let pair = Pair::with_redis(&server, &[("RELAY_RATE_PER_MINUTE", "4")]).await;
    counted_together(&pair, "first").await;
    assert_eq!(buckets(&pair).await, 0, "Redis takes them off PostgreSQL");
    server.down().await;
    counted_together(&pair, "second").await;
    assert!(buckets(&pair).await > 0);
    server.up().await;
    for relay in [&pair.world.relay, &pair.second] {
        let redis = relay.app.redis.as_ref().expect("configured");
        timeout(LONG, redis.there()).await.expect("it is found");
    }
    counted_together(&pair, "third").await;
}

/// Of six requests at both replicas four are served. On a busy machine Redis or PostgreSQL may seem
/// away for a moment, and each replica counts for itself: then it is tried again, as somebody else.
async fn counted_together(pair: &Pair, who: &str) {
    let urls = [pair.world.relay.url(), pair.second.url()];
    let mut attempt = 0;
    let together = async {
        loop {
            let email = format!("{who}{attempt}@example.com");
            let mut served = 0;
            for n in 0..6 {
                let answered = status(pair, &urls[n % 2], &email).await;
                served += usize::from(answered == StatusCode::OK);
            }
            if served == 4 {
                break;
            }
            attempt += 1;
        }
    };
    timeout(LONG, together).await.expect("four of six are served");
}

/// What PostgreSQL counts.
async fn buckets(pair: &Pair) -> i64 {
    let db = &pair.world.relay.app.db;
    let counted =
        db.read(|tx| tx.query_one("SELECT COUNT(*) FROM request_buckets", &[], |row| row.get(0)));
    let counted: Result<i64, DbError> = counted.await;
    counted.expect("read")
}

/// Two replicas' limits on one database, which a busy machine does not make impatient.
struct Two {
    place: Place,
    db: Db,
    limits: [Limits; 2],
    _other: Db,
}

impl Two {
    async fn of(per_minute: u32) -> Self {
        let place = Place::shared();
        let settings = Settings {
            per_minute,
            per_minute_address: per_minute,
            account_streams: 10,
            trusted_proxies: Vec::new(),
        };
        let open = async || {
            let db = place.open(&Clock::system(), Changes::default()).expect("opens");
            let aside = db.aside(LONG).await.expect("it is shared");
            timeout(LONG, aside.there()).await.expect("it is there");
            (db, Limits::new(&settings, None, Some(aside)))
        };
        let ((db, here), (other, there)) = (open().await, open().await);
        Self { place, db, limits: [here, there], _other: other }
    }

    fn nth(&self, n: u16) -> &Limits {
        &self.limits[usize::from(n % 2)]
    }
}

/// Asserts that of all that asked at once no more were let through than the allowance, one a minute
/// for each of it that came back meanwhile included.
fn assert_exact(allowance: u16, began: Instant, answers: &[Result<(), ApiError>]) {
    let through = answers.iter().filter(|answer| answer.is_ok()).count();
    let came_back = began.elapsed().as_secs() * u64::from(allowance) / 60 + 1;
    let most = usize::from(allowance) + usize::try_from(came_back).expect("few");
    assert!((allowance.into()..=most).contains(&through), "{through} of {allowance} to {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_requests_at_once_at_two_replicas_just_the_allowance_is_let_through() {
    let two = Two::of(60).await;
    let (ana, headers) = (UserId::from("ana"), HeaderMap::new());
    let began = Instant::now();
    let of_ana = join_all((0..200).map(|n| two.nth(n).person(&ana))).await;
    assert_exact(60, began, &of_ana);
    // One customer of a network.
    let address = |n| IpAddr::from([0x2001, 0xdb8, 0, 7, 0, 0, 0, n]);
    let began = Instant::now();
    let of_address = join_all((0..200).map(|n| two.nth(n).address(address(n), &headers))).await;
    assert_exact(60, began, &of_address);
    assert!(two.nth(0).person(&UserId::from("luis")).await.is_ok(), "everybody has their own");
}

#[tokio::test]
async fn who_is_refused_is_told_when_there_will_be_one_whatever_replica_is_asked() {
    let two = Two::of(4).await;
    let ana = UserId::from("ana");
    for n in 0..4 {
        assert!(two.nth(n).person(&ana).await.is_ok());
    }
    for n in 0..2 {
        let refused = two.nth(n).person(&ana).await.expect_err("the fifth").into_response();
        let wait = refused.headers()["retry-after"].to_str().expect("digits").parse::<u64>();
        assert!((10..=16).contains(&wait.expect("a number")), "15 s, if nobody was slow");
    }
    // A quarter of a minute later.
    two.place.run("UPDATE request_buckets SET full_at = full_at - 15000000");
    assert!(two.nth(1).person(&ana).await.is_ok());
    assert!(two.nth(0).person(&ana).await.is_err(), "one came back");
}

#[tokio::test]
async fn what_is_forgiven_may_be_asked_again_at_any_replica() {
    let two = Two::of(1).await;
    let (none, peer) = (HeaderMap::new(), IpAddr::from([9, 9, 9, 9]));
    for _ in 0..3 {
        assert!(two.nth(0).address(peer, &none).await.is_ok());
        assert!(two.nth(1).address(peer, &none).await.is_err());
        two.nth(1).forgive(peer, &none).await;
    }
    // What was never taken cannot be given back.
    two.nth(1).forgive(peer, &none).await;
    assert!(two.nth(1).address(peer, &none).await.is_ok());
    assert!(two.nth(0).address(peer, &none).await.is_err());
}

#[tokio::test]
async fn a_bucket_goes_when_it_is_full_again() {
    let two = Two::of(60).await;
    let (ana, luis) = (UserId::from("ana"), UserId::from("luis"));
    assert!(two.nth(0).person(&ana).await.is_ok() && two.nth(1).person(&luis).await.is_ok());
    // More than one transaction takes on.
    two.place.run(
        "INSERT INTO request_buckets SELECT 'requests-of-address:' || n, n
         FROM generate_series(1, 2500) AS numbers (n);
         UPDATE request_buckets SET full_at = full_at + 60000000 WHERE bucket LIKE '%person:%'",
    );
    let kept = async || {
        let counted = two
            .db
            .read(|tx| tx.query_one("SELECT COUNT(*) FROM request_buckets", &[], |row| row.get(0)));
        let counted: Result<i64, DbError> = counted.await;
        counted.expect("read")
    };
    assert_eq!(kept().await, 2_502);
    Limits::sweep(&two.db).await.expect("swept");
    assert_eq!(kept().await, 2);
    two.place.run("UPDATE request_buckets SET full_at = full_at - 120000000");
    Limits::sweep(&two.db).await.expect("swept");
    assert_eq!(kept().await, 0);
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
