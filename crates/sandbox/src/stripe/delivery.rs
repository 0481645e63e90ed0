//! Webhooks on their way: every event is sent to every endpoint that wants it, signed anew at each
//! attempt, and again with growing pauses until it is taken with a 2xx.
//!
//! Events travel at the same time and may overtake each other, as Stripe's do. The pauses are short
//! (a tenth of a second at first, half a minute in the end) because a developer is waiting.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::desk::Desk;

const PAUSES_MS: [u64; 9] = [100, 250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000];

/// How many are on their way at once.
const AT_ONCE: usize = 16;

/// The `Stripe-Signature` header for a payload: `t=…,v1=…`.
#[must_use]
pub fn sign(payload: &[u8], secret: &str, at: i64) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(at.to_string().as_bytes());
    mac.update(b".");
    mac.update(payload);
    format!("t={at},v1={}", hex::encode(mac.finalize().into_bytes()))
}

/// Sends what happens, for as long as it is polled.
pub(crate) async fn run(desk: Arc<Desk>, client: reqwest::Client) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    loop {
        while under_way.try_join_next().is_some() {}
        let batch: Vec<(String, String)> = desk.peek(|books| {
            let fresh: Vec<String> = books.undelivered.drain(..).collect();
            fresh
                .into_iter()
                .filter_map(|id| books.events.get(&id))
                .flat_map(|event| {
                    event.pending.iter().map(|endpoint| (event.id.clone(), endpoint.clone()))
                })
                .collect()
        });
        if batch.is_empty() {
            desk.news.notified().await;
            continue;
        }
        for (event, endpoint) in batch {
            let desk = Arc::clone(&desk);
            let client = client.clone();
            let places = Arc::clone(&places);
            under_way.spawn(async move {
                insist(&desk, &client, &places, &event, &endpoint).await;
            });
        }
    }
}

/// Sends one event to one endpoint until it is taken, by this or by a delivery by hand.
async fn insist(
    desk: &Desk,
    client: &reqwest::Client,
    places: &Semaphore,
    event: &str,
    endpoint: &str,
) {
    for attempt in 0_usize.. {
        let mut held = desk.hold.subscribe();
        if held.wait_for(|held| !held).await.is_err() {
            return;
        }
        let Ok(place) = places.acquire().await else { return };
        let still_wanted = desk.peek(|books| {
            books
                .events
                .get(event)
                .is_some_and(|event| event.pending.iter().any(|id| id == endpoint))
        });
        if !still_wanted {
            return;
        }
        let taken = send(desk, client, event, endpoint).await.is_some_and(is_taken);
        drop(place);
        if taken {
            return;
        }
        let pause = PAUSES_MS[attempt.min(PAUSES_MS.len() - 1)];
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

pub(crate) fn is_taken(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Sends one event to one endpoint once; answers with the status, or nothing if nobody answered.
pub(crate) async fn send(
    desk: &Desk,
    client: &reqwest::Client,
    event: &str,
    endpoint: &str,
) -> Option<u16> {
    let (url, secret, payload) = desk.peek(|books| {
        let endpoint = books.endpoints.get(endpoint).filter(|endpoint| !endpoint.disabled)?;
        let event = books.events.get(event)?;
        let payload = serde_json::to_vec_pretty(&event.json()).ok()?;
        Some((endpoint.url.clone(), endpoint.secret.clone(), payload))
    })?;
    let at = if desk.sign_with_own_clock.load(Ordering::SeqCst) {
        desk.clock.now_secs()
    } else {
        let machine =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        i64::try_from(machine).unwrap_or(i64::MAX)
    };
    let answer = client
        .post(&url)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .header("stripe-signature", sign(&payload, &secret, at))
        .body(payload)
        .send()
        .await;
    let (status, told) = match &answer {
        Ok(response) => (Some(response.status().as_u16()), response.status().to_string()),
        Err(_) => (None, "no answer".to_owned()),
    };
    desk.peek(|books| {
        if let Some(event) = books.events.get_mut(event) {
            event.attempts += 1;
            event.last_answer = Some(told);
            if status.is_some_and(is_taken) {
                event.pending.retain(|id| id != endpoint);
            }
        }
    });
    desk.delivered.send_modify(|count| *count += 1);
    status
}
