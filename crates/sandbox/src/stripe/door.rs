//! The HTTP door of the API: key, switches, idempotency, form; then the table in `routes`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Json, http};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::SECRET_KEY;
use super::books::API_VERSION;
use super::desk::{Desk, KeptAnswer, Request};
use super::event::EventRequest;
use super::failure::Failure;
use super::form::Form;
use super::{ids, routes};
use crate::clock::Clock;

/// Idempotency keys are remembered for this long.
const KEY_LIFE: i64 = 24 * 3_600;

/// The memory of requests is bounded; a test that counts makes fewer.
const REMEMBERED_REQUESTS: usize = 10_000;

struct Call<'a> {
    method: &'a str,
    path: &'a str,
    form: String,
    key: Option<String>,
}

/// An answer on its way out.
struct Answered {
    status: u16,
    body: Value,
    request_id: String,
    replayed: bool,
}

/// Answers `/v1/…`.
pub(crate) async fn answer(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let delay = desk.delay_ms.load(Ordering::SeqCst);
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let form = match (uri.query(), String::from_utf8_lossy(&body)) {
        (Some(query), body) if body.is_empty() => query.to_owned(),
        (Some(query), body) => format!("{body}&{query}"),
        (None, body) => body.into_owned(),
    };
    let call =
        Call { method: method.as_str(), path: uri.path(), form, key: header("idempotency-key") };
    let answered = if desk.down.load(Ordering::SeqCst) {
        failed(&Failure::down(), ids::fresh("req_", 14))
    } else if let Err(failure) = check_key(header("authorization").as_deref()) {
        failed(&failure, ids::fresh("req_", 14))
    } else {
        work(&desk, &call)
    };
    let lost = desk.loses_answer();
    let answered = if lost {
        let failure = json!({ "error": { "type": "api_error", "message": "The answer was lost on its way, as a test has ordered." } });
        Answered { status: 500, body: failure, request_id: answered.request_id, replayed: false }
    } else {
        answered
    };
    remember(&desk, &call, header("stripe-version"), answered.status);
    respond(answered, call.key.as_deref())
}

fn remember(desk: &Desk, call: &Call<'_>, version: Option<String>, status: u16) {
    let mut requests = desk.requests.lock();
    if requests.len() < REMEMBERED_REQUESTS {
        requests.push(Request {
            method: call.method.to_owned(),
            path: call.path.to_owned(),
            form: call.form.clone(),
            idempotency_key: call.key.clone(),
            version,
            status,
        });
    }
}

fn respond(answered: Answered, key: Option<&str>) -> Response {
    let status = StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(answered.body)).into_response();
    let headers = response.headers_mut();
    headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
    if let Ok(id) = HeaderValue::from_str(&answered.request_id) {
        headers.insert("request-id", id);
    }
    if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
        headers.insert("idempotency-key", key);
    }
    if answered.replayed {
        headers.insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    response
}

fn failed(failure: &Failure, request_id: String) -> Answered {
    Answered { status: failure.status, body: failure.json(), request_id, replayed: false }
}

/// Bearer, or Basic with the key as the user.
fn check_key(authorization: Option<&str>) -> Result<(), Failure> {
    let Some(authorization) = authorization else {
        return Err(Failure::unauthenticated(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        ));
    };
    let key = if let Some(basic) = authorization.strip_prefix("Basic ") {
        let decoded = STANDARD.decode(basic.trim()).unwrap_or_default();
        let pair = String::from_utf8(decoded).unwrap_or_default();
        pair.split(':').next().unwrap_or_default().to_owned()
    } else {
        authorization.strip_prefix("Bearer ").unwrap_or(authorization).trim().to_owned()
    };
    if key == SECRET_KEY {
        return Ok(());
    }
    let shown: String = key.chars().take(8).collect();
    Err(Failure::unauthenticated(format!("Invalid API Key provided: {shown}****")))
}

/// Does the call once for its idempotency key, and answers the same again for the same call.
fn work(desk: &Desk, call: &Call<'_>) -> Answered {
    let request_id = ids::fresh("req_", 14);
    let key = call.key.as_deref().filter(|_| call.method == "POST");
    let Some(key) = key else { return perform(desk, call, request_id) };
    if key.len() > 255 {
        let failure =
            Failure::idempotency("Idempotency-Key headers may be at most 255 characters long.");
        return failed(&failure, request_id);
    }
    // The lock is held over the whole call: a twin that comes meanwhile waits and gets its answer.
    let mut kept = desk.idempotency.lock();
    // By the machine's time: moving Stripe's clock on makes subscriptions older, not requests.
    let now = Clock::new().now_secs();
    kept.retain(|_, answer| answer.at + KEY_LIFE > now);
    let fingerprint = format!("{} {} {}", call.method, call.path, call.form);
    if let Some(answer) = kept.get(key) {
        if answer.fingerprint != fingerprint {
            let failure = Failure::idempotency(format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{key}' if you meant to execute a different request."
            ));
            return failed(&failure, request_id);
        }
        return Answered {
            status: answer.status,
            body: answer.body.clone(),
            request_id: answer.request_id.clone(),
            replayed: true,
        };
    }
    let answered = perform(desk, call, request_id);
    if answered.status < 300 || answered.status == 402 {
        kept.insert(
            key.to_owned(),
            KeptAnswer {
                fingerprint,
                at: now,
                status: answered.status,
                body: answered.body.clone(),
                request_id: answered.request_id.clone(),
            },
        );
    }
    answered
}

fn perform(desk: &Desk, call: &Call<'_>, request_id: String) -> Answered {
    let form = Form::parse(call.form.as_bytes());
    let path = call.path.strip_prefix("/v1/").unwrap_or_default();
    let answer = desk.with(|books| {
        books.request =
            Some(EventRequest { id: request_id.clone(), idempotency_key: call.key.clone() });
        let answer = routes::answer(books, call.method, path, &form);
        books.request = None;
        answer
    });
    match answer {
        Ok(body) => Answered { status: 200, body, request_id, replayed: false },
        Err(failure) => failed(&failure, request_id),
    }
}
