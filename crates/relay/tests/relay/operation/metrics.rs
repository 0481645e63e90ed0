//! `GET /metrics` on a listener of its own.

use crate::support::served::{Served, free_port};
use crate::support::{ANA, Events};
use reqwest::Method;
use serde_json::json;

/// The value of the first series that begins so.
fn value(text: &str, series: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(series))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn scrape(served: &Served, port: u16) -> String {
    let answer = served.http.get(format!("http://127.0.0.1:{port}/metrics")).send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().expect("text").starts_with("text/plain"));
    answer.text().await.expect("text")
}

#[tokio::test]
async fn what_happens_is_counted_and_what_stands_in_the_database_is_told() {
    let port = free_port();
    let served = Served::with(&[("METRICS_BIND", &format!("127.0.0.1:{port}"))]).await;
    let stream = served.ask_as(ANA, Method::GET, "/api/account/events").send().await;
    let mut events = Events::of(stream.expect("an answer"));
    events.data().await;
    let body = json!({
        "generationId": uuid::Uuid::now_v7(), "role": "qa", "maxOutputTokens": 1000,
        "messages": [{"role": "user", "content": "una página"}],
    });
    let asked = served.ask_as(ANA, Method::POST, "/api/joxcoder/generate").json(&body);
    let said = asked.send().await.expect("an answer").text().await.expect("a stream");
    assert!(said.contains("event: done"), "{said}");
    events.data().await;
    let forged = served.ask(Method::POST, "/api/stripe/webhooks").body("{}").send().await;
    assert_eq!(forged.expect("an answer").status(), 400);
    served.ask(Method::GET, "/never/heard/of").send().await.expect("an answer");

    let text = scrape(&served, port).await;
    let at_least = |series: &str, least: f64| {
        let value = value(&text, series);
        assert!(value.is_some_and(|it| it >= least), "{series}: {value:?}\n{text}");
    };
    at_least("autocrea_http_requests_total{method=\"POST\",route=\"/api/joxcoder/generate\"", 1.0);
    at_least("autocrea_http_requests_total{method=\"GET\",route=\"none\",status=\"4xx\"}", 1.0);
    at_least("autocrea_http_request_seconds_count{route=\"/api/joxcoder/generate\"}", 1.0);
    at_least("autocrea_upstream_requests_total{service=\"joxcoder\"", 1.0);
    at_least("autocrea_upstream_requests_total{service=\"clerk\"", 1.0);
    at_least("autocrea_upstream_requests_total{service=\"stripe\"", 1.0);
    at_least("autocrea_upstream_seconds_count{service=\"joxcoder\"}", 1.0);
    at_least("autocrea_webhooks_total{sender=\"stripe\",outcome=\"bad_signature\"}", 1.0);
    at_least("autocrea_tokens_total{kind=\"reserved\"}", 1.0);
    at_least("autocrea_tokens_total{kind=\"settled\"}", 1.0);
    at_least("autocrea_generations_total{outcome=", 1.0);
    at_least("autocrea_push_seconds_count", 1.0);
    at_least("autocrea_account_streams", 1.0);
    at_least("autocrea_database_up", 1.0);
    at_least("autocrea_inbox_depth", 0.0);
    at_least("autocrea_reservations_open", 0.0);
    at_least("autocrea_mail_parked", 0.0);
    at_least("autocrea_uptime_seconds", 0.0);
    at_least("autocrea_resident_memory_bytes", 1_000_000.0);
    at_least("autocrea_build_info{version=\"2.0.0\"}", 1.0);
    let user = served.sandbox.clerk.user_id(ANA);
    assert!(!text.contains(&user) && !text.contains("example.com") && !text.contains("heard"));
    // The public listener knows nothing of them.
    let public = served.ask(Method::GET, "/metrics").send().await.expect("an answer");
    assert_eq!(public.status(), 404);
    served.stop().await;
}
