//! Resend's twin: takes mails, keeps them, and shows them as an inbox would.
//!
//! `POST /emails` answers as Resend does, remembers idempotency keys, and can be told to answer
//! 429 or 5xx. What becomes of a mail is told to a webhook when a test wants it. Nothing is ever
//! sent anywhere.

mod inbox;
mod webhooks;

use crate::clock::Clock;
use crate::serving::{Bound, Serving};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How Resend is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// 0 takes any free port.
    pub port: u16,
    /// What time it is for Resend.
    pub clock: Clock,
}

/// A mail as it was handed in.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Resend's id.
    pub id: String,
    /// Unix milliseconds.
    pub at: i64,
    /// `Idempotency-Key`, if any.
    pub idempotency_key: Option<String>,
    /// Sender.
    pub from: String,
    /// Receivers.
    pub to: Vec<String>,
    /// Subject.
    pub subject: String,
    /// HTML body.
    pub html: String,
    /// Text body.
    pub text: String,
    /// Tags, by name.
    pub tags: Vec<(String, String)>,
    /// Headers, by name.
    pub headers: Vec<(String, String)>,
    /// Everything, as JSON.
    pub payload: Value,
}

impl Mail {
    /// The value of the tag of that name.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        let found = self.tags.iter().find(|(tag, _)| tag == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A running twin of Resend; stops when dropped.
pub struct Resend {
    post: Arc<PostOffice>,
    serving: Serving,
}

struct PostOffice {
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    mails: Vec<Mail>,
    by_key: HashMap<String, (Value, String)>,
    refusals: VecDeque<u16>,
    retry_after: u32,
    lost_answers: usize,
    silences: usize,
    handed_in: Vec<(Option<String>, Value)>,
    webhook: Option<(String, String)>,
}

impl Resend {
    /// Starts it.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let bound = Bound::to(options.port).await?;
        let post_office = Arc::new(PostOffice { clock: options.clock, inner: Mutex::default() });
        let router = Router::new()
            .route("/", get(inbox::list))
            .route("/mails/{id}", get(inbox::show))
            .route("/mails/{id}/html", get(inbox::html))
            .route("/emails", post(accept))
            .with_state(Arc::clone(&post_office));
        Ok(Self { post: post_office, serving: bound.serve(router) })
    }

    /// The base address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        self.serving.url().to_owned()
    }

    /// Every mail accepted, oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.post.inner.lock().mails.clone()
    }

    /// The key and payload of every request to send, also of those that were refused or that had
    /// come before, oldest first.
    #[must_use]
    pub fn handed_in(&self) -> Vec<(Option<String>, Value)> {
        self.post.inner.lock().handed_in.clone()
    }

    /// The next `times` mails are taken, and whoever handed them in is never answered: as when they
    /// die while they wait.
    pub fn keep_silent(&self, times: usize) {
        self.post.inner.lock().silences = times;
    }

    /// The next `times` requests are answered with that status (429 says to come back in
    /// `retry_after` seconds).
    pub fn refuse(&self, status: u16, times: usize, retry_after: u32) {
        let mut inner = self.post.inner.lock();
        inner.retry_after = retry_after;
        inner.refusals.extend(std::iter::repeat_n(status, times));
    }

    /// Sends events to `url`, signed with `secret`.
    pub fn webhook_target(&self, url: &str, secret: &str) {
        self.post.inner.lock().webhook = Some((url.to_owned(), secret.to_owned()));
    }

    /// Tells the target that a mail to `address` bounced for good; the status that it answered.
    pub async fn bounce(&self, address: &str) -> Option<u16> {
        let bounce =
            json!({ "type": "Permanent", "subType": "General", "message": "No such mailbox." });
        self.tell("email.bounced", address, &json!({ "bounce": bounce })).await
    }

    /// Tells the target that whoever reads `address` complained; the status that it answered.
    pub async fn complain(&self, address: &str) -> Option<u16> {
        self.tell("email.complained", address, &json!({})).await
    }

    async fn tell(&self, kind: &str, address: &str, more: &Value) -> Option<u16> {
        let (url, secret) = self.post.inner.lock().webhook.clone()?;
        let body = webhooks::event(kind, address, more, &self.post.clock);
        webhooks::send(&url, &secret, &body, &self.post.clock).await
    }

    /// The next `times` mails are taken, but whoever handed them in is told of a failure: as when
    /// the answer is lost on the way.
    pub fn lose_answers(&self, times: usize) {
        self.post.inner.lock().lost_answers = times;
    }
}

async fn accept(
    State(post): State<Arc<PostOffice>>,
    headers: HeaderMap,
    Json(payload): Json<Value>,
) -> Response {
    match answer(&post, &headers, payload) {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

/// What is answered; `None` if nothing ever is.
fn answer(post: &PostOffice, headers: &HeaderMap, payload: Value) -> Option<Response> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(str::to_owned);
    let mut inner = post.inner.lock();
    inner.handed_in.push((key.clone(), payload.clone()));
    if let Some(status) = inner.refusals.pop_front() {
        let after = inner.retry_after;
        return Some(refusal(status, after));
    }
    if let Some((before, id)) = key.as_ref().and_then(|key| inner.by_key.get(key)) {
        return Some(if *before == payload {
            Json(json!({ "id": id })).into_response()
        } else {
            problem(
                StatusCode::CONFLICT,
                "invalid_idempotent_request",
                "This idempotency key was used with another payload.",
            )
        });
    }
    let Some(mail) = read(&payload, key.clone(), post.clock.now()) else {
        return Some(problem(
            StatusCode::UNPROCESSABLE_ENTITY,
            "missing_required_field",
            "from, to, subject and html or text are needed.",
        ));
    };
    let id = mail.id.clone();
    if let Some(key) = key {
        inner.by_key.insert(key, (payload, id.clone()));
    }
    inner.mails.push(mail);
    if inner.lost_answers > 0 {
        inner.lost_answers -= 1;
        return Some(refusal(StatusCode::BAD_GATEWAY.as_u16(), 0));
    }
    if inner.silences > 0 {
        inner.silences -= 1;
        return None;
    }
    Some(Json(json!({ "id": id })).into_response())
}

fn refusal(status: u16, retry_after: u32) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let name = match status {
        401 => "restricted_api_key",
        403 => "validation_error",
        _ => "application_error",
    };
    let mut answer = problem(code, name, "A fault was asked for.");
    if code == StatusCode::TOO_MANY_REQUESTS {
        answer
            .headers_mut()
            .insert(http::header::RETRY_AFTER, http::HeaderValue::from(retry_after));
    }
    answer
}

fn problem(status: StatusCode, name: &str, message: &str) -> Response {
    let body = json!({ "statusCode": status.as_u16(), "name": name, "message": message });
    (status, Json(body)).into_response()
}

fn read(payload: &Value, idempotency_key: Option<String>, at: i64) -> Option<Mail> {
    let text = |name: &str| payload[name].as_str().map(str::to_owned);
    let to = match &payload["to"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => {
            several.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    };
    let html = text("html").unwrap_or_default();
    let plain = text("text").unwrap_or_default();
    if to.is_empty() || (html.is_empty() && plain.is_empty()) {
        return None;
    }
    Some(Mail {
        id: uuid::Uuid::new_v4().to_string(),
        at,
        idempotency_key,
        from: text("from")?,
        to,
        subject: text("subject")?,
        html,
        text: plain,
        tags: tags(&payload["tags"]),
        headers: pairs(&payload["headers"]),
        payload: payload.clone(),
    })
}

fn tags(tags: &Value) -> Vec<(String, String)> {
    let tags = tags.as_array().map(Vec::as_slice).unwrap_or_default();
    tags.iter()
        .filter_map(|tag| {
            let (name, value) = (tag["name"].as_str()?, tag["value"].as_str()?);
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

fn pairs(object: &Value) -> Vec<(String, String)> {
    let Some(object) = object.as_object() else {
        return Vec::new();
    };
    object
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}
