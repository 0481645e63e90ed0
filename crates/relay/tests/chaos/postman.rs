//! Signed events that nobody else knows of, and which of them were acknowledged: reconciliation
//! cannot bring back what the inbox has lost of these.

use super::form::Chances;
use super::relay::Relay;
use super::stage::Stage;
use autocrea_sandbox::stripe::sign;
use reqwest::Method;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// Sends until told to stop; the ids that were acknowledged.
pub async fn deliver(stage: &Stage, chances: Chances, stop: &CancellationToken) -> Vec<String> {
    let secret = &stage.environment["STRIPE_WEBHOOK_SECRET"];
    let mut acknowledged = Vec::new();
    for number in 0_u64.. {
        if stop.is_cancelled() {
            break;
        }
        let id = format!("evt_postman_{number}");
        // One that the worker looks into, or one that is only kept.
        let kind = if chances.once_in(3) { "invoice.paid" } else { "radar.early_fraud_warning.x" };
        let object = json!({"id": "in_nobody", "object": "invoice", "customer": "cus_nobody"});
        let body = json!({"id": id, "object": "event", "type": kind, "created": 1,
            "data": {"object": object}})
        .to_string();
        for _ in 0..=chances.below(2) {
            let relay = chances.of_these(&stage.relays);
            if send(relay, secret, &body).await && acknowledged.last() != Some(&id) {
                acknowledged.push(id.clone());
            }
        }
        chances.pause(0, 12).await;
    }
    acknowledged
}

/// Whether it was acknowledged.
async fn send(relay: &Relay, secret: &str, body: &str) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a sane clock").as_secs();
    let signature = sign(body.as_bytes(), secret, i64::try_from(now).expect("this century"));
    let request = relay.ask(Method::POST, "/api/stripe/webhooks");
    let request = request.header("stripe-signature", signature).body(body.to_owned());
    match request.send().await {
        Ok(answer) => {
            assert_eq!(answer.status(), 200);
            answer.text().await.is_ok()
        }
        Err(_) => {
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
            false
        }
    }
}
