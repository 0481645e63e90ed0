//! Events about mails, signed the way Svix signs them for Resend.

use crate::clerk::sign;
use crate::clock::Clock;
use crate::{http_client, ids};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// An event about a mail to `address`; `more` is what only this kind carries.
pub(super) fn event(kind: &str, address: &str, more: &Value, clock: &Clock) -> String {
    let now = OffsetDateTime::from_unix_timestamp(clock.now_secs())
        .ok()
        .and_then(|it| it.format(&Rfc3339).ok())
        .unwrap_or_default();
    let mut event = json!({
        "type": kind,
        "created_at": now,
        "data": {
            "email_id": uuid::Uuid::new_v4().to_string(),
            "created_at": now,
            "to": [address],
        },
    });
    if let (Some(data), Some(more)) = (event["data"].as_object_mut(), more.as_object()) {
        data.extend(more.clone());
    }
    event.to_string()
}

/// Sends it once; the status that was answered, if any was.
pub(super) async fn send(url: &str, secret: &str, body: &str, clock: &Clock) -> Option<u16> {
    let (id, at) = (ids::fresh("msg_"), clock.now_secs());
    let request = http_client()
        .post(url)
        .header("content-type", "application/json")
        .header("svix-id", &id)
        .header("svix-timestamp", at.to_string())
        .header("svix-signature", sign(secret, &id, at, body))
        .body(body.to_owned());
    Some(request.send().await.ok()?.status().as_u16())
}
