//! User events, signed the way Svix signs them for Clerk.

use super::people::Person;
use crate::clock::Clock;
use crate::{http_client, ids};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::Sha256;
use std::time::Duration;

/// How often a delivery is tried, a second apart.
const TRIES: u32 = 3;

/// One event that was sent.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `svix-id`
    pub id: String,
    /// `user.created` …
    pub kind: String,
    /// Unix milliseconds.
    pub at: i64,
    /// What the target answered last; none if it could not be reached.
    pub status: Option<u16>,
}

/// Where events go, and what has been sent.
#[derive(Default)]
pub(super) struct Webhooks {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    target: Option<(String, String)>,
    deliveries: Vec<Delivery>,
}

impl Webhooks {
    pub(super) fn target(&self, url: &str, secret: &str) {
        self.inner.lock().target = Some((url.to_owned(), secret.to_owned()));
    }

    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        self.inner.lock().deliveries.clone()
    }

    pub(super) async fn send(&self, kind: &str, data: &Value, clock: &Clock) -> Option<u16> {
        let (url, secret) = self.inner.lock().target.clone()?;
        let id = ids::fresh("msg_");
        let event = json!({
            "object": "event",
            "type": kind,
            "timestamp": clock.now(),
            "instance_id": "ins_sandbox",
            "data": data,
        });
        let body = event.to_string();
        let mut status = None;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            status = post(&url, &secret, &id, clock.now_secs(), &body).await;
            if status.is_some_and(|status| (200..300).contains(&status)) {
                break;
            }
        }
        self.inner.lock().deliveries.push(Delivery {
            id,
            kind: kind.to_owned(),
            at: clock.now(),
            status,
        });
        status
    }
}

async fn post(url: &str, secret: &str, id: &str, at: i64, body: &str) -> Option<u16> {
    let request = http_client()
        .post(url)
        .header("content-type", "application/json")
        .header("svix-id", id)
        .header("svix-timestamp", at.to_string())
        .header("svix-signature", sign(secret, id, at, body))
        .body(body.to_owned());
    Some(request.send().await.ok()?.status().as_u16())
}

/// A `svix-signature`: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body` under the decoded `whsec_` secret.
#[must_use]
pub fn sign(secret: &str, id: &str, at: i64, body: &str) -> String {
    let encoded = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = STANDARD.decode(encoded).unwrap_or_else(|_| encoded.as_bytes().to_vec());
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else {
        return String::new();
    };
    mac.update(format!("{id}.{at}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

/// Clerk's user object, as far as anybody here reads it.
pub(super) fn user_object(url: &str, person: &Person) -> Value {
    let (first, last) = person.names();
    let address_id = ids::steady("idn_", person.email.as_bytes());
    json!({
        "object": "user",
        "id": person.id,
        "first_name": first,
        "last_name": last,
        "image_url": format!("{url}/avatar/{}", person.id),
        "primary_email_address_id": address_id,
        "email_addresses": [{
            "object": "email_address",
            "id": address_id,
            "email_address": person.email,
            "verification": { "status": "verified", "strategy": "from_oauth_google" },
        }],
        "created_at": person.created_at,
        "updated_at": person.updated_at,
    })
}

/// All that Clerk says of somebody who is gone.
pub(super) fn deleted_object(person: &Person) -> Value {
    json!({ "object": "user", "id": person.id, "deleted": true })
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn the_example_of_svix_is_signed_alike() {
        let signed = sign(
            "whsec_plJ3nmyCDGBKInavdOK15jsl",
            "msg_loFOjxBNrRLzqYUf",
            1_731_705_121,
            r#"{"event_type":"ping","data":{"success":true}}"#,
        );
        assert_eq!(signed, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=");
    }
}
