//! Stripe's webhooks: `webhooks_share_of_pgbench`, `webhooks_sqlite_share_of_pgbench`,
//! `webhooks_p99_ms`.
//!
//! 16 connections post signed events of 5 kB, each the next as soon as the last was acknowledged,
//! which the relay does when the event is durable. Bodies and signatures are made before. The
//! baseline is pgbench inserting the same row, with the same 5 kB as a parameter, into the same
//! table of a migrated database, from 16 clients of two threads with prepared statements. All
//! three take turns; the values are the medians of the rounds' ratios, for the relay on PostgreSQL
//! and on SQLite. `webhooks_p99_ms` is the 99th percentile of one acknowledgement with the 16 at
//! once, on SQLite; the median of the rounds.
//!
//! The events are of a kind that is kept, acknowledged and ignored, as most of what an endpoint
//! that listens to everything is sent: what is measured is the endpoint. What the worker makes of
//! the others is `webhook_to_app_p99_ms`.

use super::Bench;
use crate::figure::Measured;
use crate::http::{Conn, post};
use crate::relay::{Relay, Services, WEBHOOK_SECRET};
use crate::say;
use crate::stats::{count, median, millis, percentile};
use anyhow::{Context, Result, ensure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinSet;

pub(super) const FIGURES: [&str; 3] =
    ["webhooks_share_of_pgbench", "webhooks_sqlite_share_of_pgbench", "webhooks_p99_ms"];

const AT_ONCE: usize = 16;
const BODY_BYTES: usize = 5000;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Measured>> {
    let events = bench.options.times(16_000, 3_200);
    let sqlite = Services::with_model(bench.model.url(""));
    let on_sqlite = bench.program.start(&bench.clerk, &sqlite).await?;
    let on_postgres = match &bench.options.postgres {
        Some(url) => Some(bench.program.start(&bench.clerk, &sqlite.clone().on(Some(url))).await?),
        None => None,
    };
    let mut rounds = Rounds::default();
    for round in 0..bench.options.times(6, 3) {
        let (rate, waits) = deliver(&on_sqlite, events).await?;
        let p99 = percentile(&waits, 99.0);
        let (mut peer, mut postgres) = (f64::NAN, f64::NAN);
        if let (Some(relay), Some(url)) = (&on_postgres, &bench.options.postgres) {
            peer = pgbench(bench, url, events).await?;
            postgres = deliver(relay, events).await?.0;
        }
        say(format_args!(
            "webhooks: pgbench {peer:.0}/s, PostgreSQL {postgres:.0}/s, SQLite {rate:.0}/s \
             (p99 {p99:.2} ms)"
        ));
        // The first round warms everything up.
        if round > 0 {
            rounds.p99.push(p99);
            rounds.peer.push(peer);
            rounds.postgres.push(postgres / peer);
            rounds.sqlite.push(rate / peer);
        }
    }
    let mut measured = vec![Measured::alone(FIGURES[2], median(&rounds.p99))];
    if on_postgres.is_some() {
        let peer = median(&rounds.peer);
        measured.push(Measured::beside(FIGURES[0], median(&rounds.postgres), peer));
        measured.push(Measured::beside(FIGURES[1], median(&rounds.sqlite), peer));
    }
    Ok(measured)
}

#[derive(Default)]
struct Rounds {
    p99: Vec<f64>,
    peer: Vec<f64>,
    postgres: Vec<f64>,
    sqlite: Vec<f64>,
}

/// An event's raw body: an invoice as Stripe sends it, filled up to its size by its lines.
pub(crate) fn event(id: &str, kind: &str, object: &serde_json::Value, bytes: usize) -> Vec<u8> {
    let mut event = json!({
        "id": id, "object": "event", "api_version": "2026-09-30.endive", "created": 1_760_000_000,
        "type": kind, "livemode": false, "pending_webhooks": 1,
        "data": { "object": object },
        "request": { "id": null, "idempotency_key": null },
    });
    let line = |number: usize| {
        json!({
            "id": format!("il_{number:014}"), "object": "line_item", "amount": 2900,
            "currency": "usd", "description": "1 × Creator (at $29.00 / month)", "metadata": {},
            "period": { "start": 1_760_000_000, "end": 1_762_592_000 }, "quantity": 1,
        })
    };
    let lines = (0..).map(line);
    let mut kept = Vec::new();
    for line in lines {
        event["data"]["object"]["lines"] = json!({ "object": "list", "data": kept });
        let missing = bytes.saturating_sub(event.to_string().len());
        if missing < 300 {
            event["data"]["object"]["footer"] = "x".repeat(missing.saturating_sub(12)).into();
            break;
        }
        kept.push(line);
    }
    event.to_string().into_bytes()
}

/// A signed delivery of a body.
pub(crate) fn delivery(body: &[u8], at_secs: u64) -> Result<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).context("a key")?;
    mac.update(format!("{at_secs}.").as_bytes());
    mac.update(body);
    let signature = hex::encode(mac.finalize().into_bytes());
    let header = format!("stripe-signature: t={at_secs},v1={signature}\r\n");
    Ok(post("/api/stripe/webhooks", &header, body))
}

pub(crate) fn now_secs() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

fn deliveries(many: usize) -> Result<Vec<Vec<u8>>> {
    const PLACE: &str = "evt_00000000000000000000000000000000";
    let object = json!({
        "id": "in_bench", "object": "invoice", "customer": "cus_bench", "status": "draft",
    });
    let body = event(PLACE, "invoice.created", &object, BODY_BYTES);
    let at = crate::http::find(&body, PLACE.as_bytes()).context("the id's place")?;
    let now = now_secs()?;
    let one = |_| {
        let mut body = body.clone();
        let id = uuid::Uuid::now_v7().simple().to_string();
        body[at + 4..at + 4 + id.len()].copy_from_slice(id.as_bytes());
        delivery(&body, now)
    };
    (0..many).map(one).collect()
}

/// Delivers so many events; how many a second were acknowledged, and how long each took in
/// milliseconds.
async fn deliver(relay: &Relay, events: usize) -> Result<(f64, Vec<f64>)> {
    let mut shares = Vec::new();
    for _ in 0..AT_ONCE {
        let share = tokio::task::spawn_blocking(move || deliveries(events / AT_ONCE)).await??;
        shares.push((Conn::open(relay.address).await?, share));
    }
    let mut delivering = JoinSet::new();
    let began = Instant::now();
    for (mut conn, share) in shares {
        delivering.spawn(async move {
            let mut waits = Vec::with_capacity(share.len());
            for request in share {
                let sent = Instant::now();
                let answer = conn.ask(&request).await?;
                waits.push(millis(sent.elapsed()));
                ensure!(answer.status == 200, "a webhook was answered {}", answer.status);
            }
            Ok(waits)
        });
    }
    let mut waits = Vec::with_capacity(events);
    while let Some(share) = delivering.join_next().await {
        waits.extend(share??);
    }
    Ok((count(waits.len()) / began.elapsed().as_secs_f64(), waits))
}

/// The row that [`deliver`] brings about, inserted by pgbench; transactions a second.
async fn pgbench(bench: &Bench, url: &str, events: usize) -> Result<f64> {
    let object = json!({
        "id": "in_bench", "object": "invoice", "customer": "cus_bench", "status": "draft",
    });
    let body =
        event("evt_00000000000000000000000000000000", "invoice.created", &object, BODY_BYTES);
    let script = bench.program.work.join("webhook.sql");
    std::fs::write(
        &script,
        "\\set first random(1, 9000000000000000)\n\
         \\set second random(1000000000, 9999999999)\n\
         INSERT INTO stripe_events (id, kind, object_id, object_type, customer, charge, created, \
         received_at, payload, state, due_at, ended_at) VALUES ('evt_' || :first || :second, \
         'invoice.created', 'in_bench', 'invoice', 'cus_bench', NULL, 1760000000000, \
         1760000000000, CAST(:payload AS bytea), 'ignored', 1760000000000, 1760000000000) \
         ON CONFLICT (id) DO NOTHING;\n",
    )?;
    let mut command = Command::new(&bench.options.pgbench);
    command.args(["--client", "16", "--jobs", "2", "--protocol", "prepared", "--no-vacuum"]);
    command.args(["--transactions", &(events / AT_ONCE).to_string()]);
    // JSON without a backslash is a bytea's text as it stands.
    command.arg("--define").arg(format!("payload={}", String::from_utf8(body)?));
    command.arg("--file").arg(&script).arg(url);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(output.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&output.stderr));
    rate(&String::from_utf8_lossy(&output.stdout))
}

/// What pgbench says, the time to connect left out.
fn rate(said: &str) -> Result<f64> {
    let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).context("pgbench says no rate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_json_of_the_size_that_is_said() {
        let object = json!({"id": "in_1", "object": "invoice"});
        let body = event("evt_1", "invoice.created", &object, BODY_BYTES);
        assert!((BODY_BYTES - 20..=BODY_BYTES + 20).contains(&body.len()), "{}", body.len());
        let read: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(read["data"]["object"]["object"], "invoice");
        assert!(!body.contains(&b'\\'));
    }

    #[test]
    fn pgbenchs_rate_is_read() {
        let said = "latency average = 1 ms\ntps = 8123.456 (without initial connection time)\n";
        assert_eq!(rate(said).expect("a rate"), 8123.456);
    }
}
