//! `POST /v1/chat/completions`: what was asked is recorded, what was arranged is found, and the
//! reply goes out.

use super::MODEL;
use super::answer::{self, Conversation};
use super::fault::{self, Fault, Reply};
use super::record::{Entry, Outcome, Record, Recorded};
use super::stream::{self, Envelope};
use crate::clock::Clock;
use crate::ids;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How long an endless reply goes on, in multiples of what was allowed.
const ENDLESS: usize = 4;
/// Bytes of text in a chunk of the demonstration model: about three tokens …
const CHUNK_BYTES: usize = 12;
/// … and more where nobody watches them arrive.
const UNPACED_CHUNK_BYTES: usize = 60;

/// All that the handlers share.
pub(super) struct Endpoint {
    pub(super) record: Record,
    pub(super) gate: Arc<Semaphore>,
    arranged: Mutex<Arranged>,
}

struct Arranged {
    pace: u32,
    queue: VecDeque<Next>,
    switch: Option<Fault>,
    /// Since when the endpoint is waking, by the prompt that woke it or, switched, by no prompt.
    waking: HashMap<String, Instant>,
}

enum Next {
    Fault(Fault),
    Reply(Reply),
}

/// What was arranged for one request.
#[derive(Default)]
struct Arrangement {
    faults: Vec<Fault>,
    reply: Option<Reply>,
}

impl Endpoint {
    pub(super) fn new(pace: u32) -> Self {
        Self {
            record: Record::new(),
            gate: Arc::new(Semaphore::new(0)),
            arranged: Mutex::new(Arranged {
                pace,
                queue: VecDeque::new(),
                switch: None,
                waking: HashMap::new(),
            }),
        }
    }

    pub(super) fn queue_fault(&self, fault: Fault) {
        self.arranged.lock().queue.push_back(Next::Fault(fault));
    }

    pub(super) fn queue_reply(&self, reply: Reply) {
        self.arranged.lock().queue.push_back(Next::Reply(reply));
    }

    pub(super) fn set_switch(&self, fault: Option<Fault>) {
        let mut arranged = self.arranged.lock();
        arranged.waking.remove("");
        arranged.switch = fault;
    }

    pub(super) fn switched(&self) -> Option<Fault> {
        self.arranged.lock().switch.clone()
    }

    pub(super) fn set_pace(&self, pace: u32) {
        self.arranged.lock().pace = pace;
    }

    fn delay(&self) -> Duration {
        let pace = self.arranged.lock().pace;
        Duration::from_secs(1).checked_div(pace).unwrap_or_default()
    }

    /// How long the endpoint is still waking for this request; zero when it is awake. What was
    /// queued stays queued while it wakes, so that the request that gets through meets it.
    fn still_waking(&self, prompt: &str) -> Waking {
        let mut arranged = self.arranged.lock();
        match arranged.queue.front_mut() {
            Some(Next::Fault(Fault::WakingTimes(0))) => {
                arranged.queue.pop_front();
            }
            Some(Next::Fault(Fault::WakingTimes(times))) => {
                *times -= 1;
                return Waking::Refused;
            }
            Some(Next::Fault(Fault::Waking(whole))) => {
                let whole = *whole;
                let left = arranged.waking_left("queue", whole);
                if !left.is_zero() {
                    return Waking::For(left);
                }
                arranged.queue.pop_front();
                arranged.waking.remove("queue");
            }
            _ => {}
        }
        if let Some(Fault::Waking(whole)) = arranged.switch {
            return Waking::For(arranged.waking_left("", whole));
        }
        let asked = fault::in_prompt(prompt).into_iter().find_map(|fault| match fault {
            Fault::Waking(whole) => Some(whole),
            _ => None,
        });
        Waking::For(asked.map_or(Duration::ZERO, |whole| arranged.waking_left(prompt, whole)))
    }

    fn take(&self, prompt: &str) -> Arrangement {
        let mut arranged = self.arranged.lock();
        let mut found = Arrangement::default();
        match arranged.queue.pop_front() {
            Some(Next::Fault(fault)) => found.faults.push(fault),
            Some(Next::Reply(reply)) => found.reply = Some(reply),
            None => {}
        }
        found.faults.extend(arranged.switch.clone());
        found.faults.extend(fault::in_prompt(prompt));
        found
    }
}

impl Arranged {
    fn waking_left(&mut self, who: &str, whole: Duration) -> Duration {
        let since = *self.waking.entry(who.to_owned()).or_insert_with(Instant::now);
        whole.saturating_sub(since.elapsed())
    }
}

/// Whether the endpoint is awake.
enum Waking {
    /// Not yet, whatever the request offers to wait.
    Refused,
    /// Not for this long; zero means that it is.
    For(Duration),
}

pub(super) async fn complete(
    State(endpoint): State<Arc<Endpoint>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return error(StatusCode::BAD_REQUEST, "The body is not JSON.");
    };
    let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let scale_up_timeout = header("x-scale-up-timeout");
    let patience = scale_up_timeout.as_deref().and_then(|seconds| seconds.parse().ok());
    let entry = endpoint.record.begin(Recorded {
        body: body.clone(),
        authorization: header("authorization"),
        scale_up_timeout,
        outcome: Outcome::Running,
    });
    let Some(conversation) = Conversation::read(&body) else {
        return refuse(&entry, StatusCode::UNPROCESSABLE_ENTITY, "There is no user message.");
    };
    if !wake(&endpoint, &conversation, patience.map(Duration::from_secs)).await {
        return refuse(&entry, StatusCode::SERVICE_UNAVAILABLE, "The endpoint is waking up.");
    }
    let arrangement = endpoint.take(&conversation.prompt);
    for fault in &arrangement.faults {
        if let Fault::Status(status) = fault {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return refuse(&entry, status, "A fault was asked for.");
        }
        if *fault == Fault::HangAfter(0)
            && let Ok(permit) = endpoint.gate.acquire().await
        {
            permit.forget();
        }
    }
    answer(&endpoint, &body, &conversation, arrangement, entry)
}

/// True once the endpoint is awake; false if it is not within what the request would wait.
async fn wake(
    endpoint: &Endpoint,
    conversation: &Conversation<'_>,
    patience: Option<Duration>,
) -> bool {
    match endpoint.still_waking(&conversation.prompt) {
        Waking::Refused => false,
        Waking::For(left) if left.is_zero() => true,
        Waking::For(left) => {
            let Some(patience) = patience else {
                return false;
            };
            tokio::time::sleep(left.min(patience)).await;
            match endpoint.still_waking(&conversation.prompt) {
                Waking::Refused => false,
                Waking::For(left) => left.is_zero(),
            }
        }
    }
}

fn answer(
    endpoint: &Endpoint,
    body: &Value,
    conversation: &Conversation<'_>,
    arrangement: Arrangement,
    entry: Entry,
) -> Response {
    let endless = arrangement.faults.contains(&Fault::IgnoresMaxTokens);
    let mut reply =
        arrangement.reply.unwrap_or_else(|| demonstration(endpoint, body, conversation, endless));
    for fault in arrangement.faults.iter().filter(|fault| **fault != Fault::HangAfter(0)) {
        reply.spoil(fault);
    }
    let envelope = Envelope {
        id: ids::fresh("chatcmpl-"),
        created: Clock::new().now_secs(),
        model: body["model"].as_str().unwrap_or(MODEL).to_owned(),
        include_usage: body["stream_options"]["include_usage"] == true,
    };
    if body["stream"] == true {
        return stream::respond(envelope, reply, Arc::clone(&endpoint.gate), entry);
    }
    entry.end(Outcome::Finished);
    Json(stream::whole(&envelope, &reply)).into_response()
}

/// What the demonstration model says, within `max_tokens`.
fn demonstration(
    endpoint: &Endpoint,
    body: &Value,
    conversation: &Conversation<'_>,
    endless: bool,
) -> Reply {
    let limit = body["max_tokens"]
        .as_u64()
        .or_else(|| body["max_completion_tokens"].as_u64())
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    let mut text = answer::answer(conversation);
    let mut finish = "stop";
    if endless {
        let wanted = limit.min(16_384).saturating_mul(ENDLESS * answer::BYTES_PER_TOKEN);
        while text.len() < wanted {
            text.push_str("\nAnd on it goes, whatever was allowed. ");
        }
    } else if answer::tokens(&text) > limit {
        text = answer::first_tokens(&text, limit).to_owned();
        finish = "length";
    }
    let output = answer::tokens(&text) as u64;
    let delay = endpoint.delay();
    let size = if delay.is_zero() { UNPACED_CHUNK_BYTES } else { CHUNK_BYTES };
    Reply::pieces(chunks(&text, size))
        .usage(conversation.tokens as u64, output)
        .finish(finish)
        .every(delay)
}

fn chunks(text: &str, size: usize) -> Vec<String> {
    let mut chunks = Vec::with_capacity(text.len() / size + 1);
    let mut chunk = String::new();
    for letter in text.chars() {
        chunk.push(letter);
        if chunk.len() >= size {
            chunks.push(std::mem::take(&mut chunk));
        }
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

fn refuse(entry: &Entry, status: StatusCode, why: &str) -> Response {
    entry.end(Outcome::Answered(status.as_u16()));
    error(status, why)
}

fn error(status: StatusCode, why: &str) -> Response {
    let body = json!({ "error": { "message": why, "type": "sandbox", "code": status.as_u16() } });
    (status, Json(body)).into_response()
}
