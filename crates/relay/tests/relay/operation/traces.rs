//! Traces, taken in by a collector that keeps what it is sent.

use crate::support::ANA;
use crate::support::served::Served;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use parking_lot::Mutex;
use reqwest::Method;
use std::sync::Arc;
use tokio::net::TcpListener;

type Taken = Arc<Mutex<Vec<Bytes>>>;

async fn take(State(taken): State<Taken>, body: Bytes) {
    taken.lock().push(body);
}

/// A collector: its address, and what it took.
async fn collector() -> (String, Taken) {
    let taken = Taken::default();
    let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&taken));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, taken)
}

/// Protocol buffers keep text as it is.
fn holds(taken: &Taken, text: &str) -> bool {
    let needle = text.as_bytes();
    taken.lock().iter().any(|body| body.windows(needle.len()).any(|it| it == needle))
}

#[tokio::test]
async fn a_request_and_what_it_asks_for_are_spans_and_the_last_ones_are_sent_at_the_end() {
    let (url, taken) = collector().await;
    let served = Served::with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).await;
    let asked = served.ask_as(ANA, Method::GET, "/api/account").query(&[("q", "privatequery")]);
    let answer = asked.send().await.expect("an answer");
    let id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
    let (user, token) = (served.sandbox.clerk.user_id(ANA), served.sandbox.clerk.access_token(ANA));
    let log = served.stop().await;
    for told in ["GET /api/account", "http.route", "clerk profile", "autocrea-relay", &id] {
        assert!(holds(&taken, told), "{told} was not exported; the log: {log}");
    }
    for private in ["privatequery", "ana@example.com", &user, &token] {
        assert!(!holds(&taken, private), "{private} was exported");
    }
    assert!(!log.contains("could not be exported"), "{log}");
}

#[tokio::test]
async fn a_collector_that_is_not_there_holds_nothing_up() {
    let served = Served::with(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")]).await;
    let answer = served.ask_as(ANA, Method::GET, "/api/account").send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    served.stop().await;
}
