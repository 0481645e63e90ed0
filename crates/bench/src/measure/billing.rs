//! From Stripe's word to the app: `webhook_to_app_p99_ms`.
//!
//! A person has bought a plan and watches their account. Their subscription is changed at Stripe
//! (cancelled at the period's end, and not) and the signed event delivered: from its first byte
//! sent to the snapshot that shows the change, read at the person's stream. In between the event is
//! made durable, the worker takes it, asks Stripe for the customer's present state, folds, commits
//! and signals. One change after another; the 99th percentile of 300.
//!
//! Stripe is the sandbox, whose answers have the shapes of the real one, behind a delay: every
//! answer takes 5 ms, or what the sandbox needs if that is longer.

use super::Bench;
use super::webhooks::{delivery, event, now_secs};
use crate::crowd::Crowd;
use crate::figure::Measured;
use crate::http::{self, Conn, Served, bearer, get, post};
use crate::relay::{Relay, Services, WEBHOOK_SECRET};
use crate::say;
use crate::stats::{median, millis, percentile};
use anyhow::{Context, Result, anyhow, bail, ensure};
use autocrea_sandbox::clock::Clock;
use autocrea_sandbox::stripe::{self, SessionPayment, Stripe};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

pub(super) const FIGURES: [&str; 1] = ["webhook_to_app_p99_ms"];

const STRIPE_TAKES: Duration = Duration::from_millis(5);

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Measured>> {
    let stripe = Stripe::start(stripe::Options { port: 0, clock: Clock::new() }).await?;
    let base = stripe.relay_env().into_iter().find(|(name, _)| name == "STRIPE_API_BASE");
    let (_, base) = base.context("the sandbox's address")?;
    let sandbox: SocketAddr = base.trim_start_matches("http://").parse()?;
    let delayed = http::listen(move |served| delay(served, sandbox)).await?;
    let mut services = Services::with_model(bench.model.url(""));
    // The sandbox's key and prices; what it is reached by is the delay.
    services.variables = stripe.relay_env();
    services.variables.push(("STRIPE_API_BASE".to_owned(), format!("http://{delayed}")));
    let secret = ("STRIPE_WEBHOOK_SECRET".to_owned(), WEBHOOK_SECRET.to_owned());
    services.variables.push(secret);
    let relay = bench.program.start(&bench.clerk, &services).await?;
    let token = bench.clerk.token("user_pays")?;
    let bought = buy(&relay, &stripe, &token).await?;

    let watching = vec![get("/api/account/events", &bearer(&token))];
    let mut crowd = Crowd::gather(relay.address, watching, b"event: account").await?;
    let mut conn = Conn::open(relay.address).await?;
    let mut waits = Vec::new();
    for number in 0..bench.options.times(310, 60) {
        let wait = change(&mut conn, &mut crowd, &stripe, &bought, number).await?;
        // The first few warm everything up.
        if number >= 10 {
            waits.push(wait);
        }
    }
    say(format_args!("webhook to app: p50 {:.1} ms", median(&waits)));
    Ok(vec![Measured::alone(FIGURES[0], percentile(&waits, 99.0))])
}

struct Bought {
    customer: String,
    subscription: String,
}

async fn buy(relay: &Relay, stripe: &Stripe, token: &str) -> Result<Bought> {
    const PAYS: &str = "4242424242424242";
    let mut conn = Conn::open(relay.address).await?;
    let checkout = post("/api/stripe/create-checkout", &bearer(token), b"{\"planId\":\"creator\"}");
    let answer = conn.ask(&checkout).await?;
    let session: Value = serde_json::from_slice(&answer.body)?;
    let session =
        session["sessionId"].as_str().with_context(|| format!("no session: {session}"))?;
    let paid = stripe.pay(session, PAYS).map_err(|refused| anyhow!("not paid: {refused}"))?;
    let SessionPayment::Paid { subscription, .. } = paid else { bail!("not paid") };
    let synced = conn.ask(&post("/api/stripe/sync", &bearer(token), b"")).await?;
    let account: Value = serde_json::from_slice(&synced.body)?;
    ensure!(account["subscription"]["planId"] == "creator", "nothing was bought: {account}");
    let object = stripe
        .call("GET", &format!("subscriptions/{subscription}"), "")
        .map_err(|refused| anyhow!("no subscription: {refused}"))?;
    let customer = object["customer"].as_str().context("a subscription of nobody")?.to_owned();
    Ok(Bought { customer, subscription })
}

async fn change(
    conn: &mut Conn,
    crowd: &mut Crowd,
    stripe: &Stripe,
    bought: &Bought,
    number: usize,
) -> Result<f64> {
    let form = format!("cancel_at_period_end={}", number.is_multiple_of(2));
    let path = format!("subscriptions/{}", bought.subscription);
    stripe.call("POST", &path, &form).map_err(|refused| anyhow!("not changed: {refused}"))?;
    let object = json!({
        "id": bought.subscription, "object": "subscription", "customer": bought.customer,
    });
    let id = format!("evt_{}", uuid::Uuid::now_v7().simple());
    let body = event(&id, "customer.subscription.updated", &object, 5000);
    let request = delivery(&body, now_secs()?)?;
    crowd.forget();
    let began = Instant::now();
    let answer = conn.ask(&request).await?;
    ensure!(answer.status == 200, "a webhook was answered {}", answer.status);
    let wait = millis(crowd.heard(0).await?.saturating_duration_since(began));
    tokio::time::sleep(Duration::from_millis(2)).await;
    Ok(wait)
}

/// Passes one connection's requests on to the sandbox; an answer takes as long as Stripe's would.
async fn delay(mut served: Served, sandbox: SocketAddr) -> Result<()> {
    let mut onward = Conn::open(sandbox).await?;
    while let Some(request) = served.next(|asked| asked.whole.to_vec()).await? {
        let until = tokio::time::Instant::now() + STRIPE_TAKES;
        let answer = onward.ask(&request).await?;
        tokio::time::sleep_until(until).await;
        let mut whole = format!(
            "HTTP/1.1 {} Stripe\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.status,
            answer.body.len()
        )
        .into_bytes();
        whole.extend_from_slice(&answer.body);
        served.stream.write_all(&whole).await?;
    }
    Ok(())
}
