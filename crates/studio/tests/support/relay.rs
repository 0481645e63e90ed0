//! A relay as a test plays it: it says what the test tells it to say, when it is told.

use super::provider::{CLIENT, Provider};
use super::server::Server;
use autocrea_protocol::GenerationId;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;
use url::Url;

/// One generation, as the relay has it.
#[derive(Clone, Debug, Default)]
pub struct Spool {
    pub person: String,
    pub pieces: Vec<String>,
    pub waking: bool,
    pub end: Option<(&'static str, Value)>,
}

#[derive(Default)]
struct Inner {
    /// Person → snapshot.
    snapshots: HashMap<String, Value>,
    ledger: Vec<Value>,
    spools: HashMap<String, Spool>,
    posts: Vec<Value>,
    stops: Vec<String>,
    attaches: Vec<(String, u64)>,
    refusals: VecDeque<(StatusCode, Value)>,
    sessions: HashMap<String, String>,
    syncs: u32,
    streams: u32,
    min_app_version: String,
    loopback_ports: Vec<u16>,
    languages: Vec<String>,
}

/// Shared by the handlers.
struct Shared {
    provider: Provider,
    inner: Mutex<Inner>,
    /// Grows with every change; streams look again then.
    changed: watch::Sender<u64>,
    /// Grows when every stream is to break.
    cut: watch::Sender<u64>,
}

type App = State<Arc<Shared>>;

pub struct Relay {
    shared: Arc<Shared>,
    server: Server,
}

impl Relay {
    pub fn start(provider: Provider) -> Self {
        let inner = Inner { min_app_version: "2.0.0".into(), ..Inner::default() };
        let shared = Arc::new(Shared {
            provider,
            inner: Mutex::new(inner),
            changed: watch::Sender::new(0),
            cut: watch::Sender::new(0),
        });
        let state = Arc::clone(&shared);
        let server = Server::start(|_| {
            Router::new()
                .route("/api/config", get(config))
                .route("/api/account", get(account))
                .route("/api/account/events", get(account_events))
                .route("/api/tokens/ledger", get(ledger))
                .route("/api/joxcoder/generate", post(generate))
                .route("/api/joxcoder/generate/{id}", get(attach).delete(stop))
                .route("/api/stripe/create-checkout", post(create_checkout))
                .route("/api/stripe/create-portal", post(create_portal))
                .route("/api/stripe/sync", post(sync))
                .with_state(state)
        });
        Self { shared, server }
    }

    pub fn url(&self) -> Url {
        format!("http://{}", self.server.address()).parse().expect("an address")
    }

    pub fn kill(&self) {
        self.server.kill();
    }

    pub fn revive(&self) {
        self.server.revive();
    }

    /// Every stream breaks; the relay stays.
    pub fn cut(&self) {
        self.shared.cut.send_modify(|count| *count += 1);
    }

    fn change<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let changed = change(&mut self.shared.inner.lock());
        self.shared.changed.send_modify(|count| *count += 1);
        changed
    }

    /// A newer snapshot of a person.
    pub fn set_account(&self, person: &str, version: i64, plan: &str, remaining: i64) {
        let snapshot = snapshot(person, version, plan, remaining);
        self.change(|inner| inner.snapshots.insert(person.into(), snapshot));
    }

    pub fn set_min_app_version(&self, version: &str) {
        self.change(|inner| inner.min_app_version = version.into());
    }

    pub fn set_loopback_ports(&self, ports: Vec<u16>) {
        self.change(|inner| inner.loopback_ports = ports);
    }

    pub fn add_ledger(&self, kind: &str, tokens: i64, generation: Option<GenerationId>) {
        self.change(|inner| {
            let id = format!("{:08}", inner.ledger.len() + 1);
            inner.ledger.push(json!({
                "id": id, "at": 1_780_000_000_000_i64 + inner.ledger.len() as i64,
                "kind": kind, "tokens": tokens, "generationId": generation,
                "source": null, "balanceAfter": 20_000,
            }));
        });
    }

    /// The next request to generate is refused.
    pub fn refuse_next(&self, status: StatusCode, code: &str) {
        let body = json!({ "error": format!("No: {code}."), "code": code, "requestId": "r-1" });
        self.change(|inner| inner.refusals.push_back((status, body)));
    }

    /// Waits for the `count`th request to generate; its id.
    pub async fn posted(&self, count: usize) -> GenerationId {
        self.until(|inner| {
            let post = inner.posts.get(count - 1)?;
            post["generationId"].as_str()?.parse().ok()
        })
        .await
    }

    /// Waits for something to be so.
    async fn until<T>(&self, look: impl Fn(&Inner) -> Option<T>) -> T {
        let mut changed = self.shared.changed.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = look(&self.shared.inner.lock()) {
                    return found;
                }
                changed.changed().await.expect("the relay lives");
            }
        };
        tokio::time::timeout(super::PATIENCE, waiting).await.expect("it came about in time")
    }

    pub async fn attached(&self, count: usize) -> (String, u64) {
        self.until(|inner| inner.attaches.get(count - 1).cloned()).await
    }

    pub async fn stopped(&self, id: GenerationId) {
        self.until(|inner| inner.stops.contains(&id.to_string()).then_some(())).await;
    }

    pub async fn synced(&self, count: u32) {
        self.until(|inner| (inner.syncs >= count).then_some(())).await;
    }

    /// Waits until an account stream has been opened this many times.
    pub async fn streamed(&self, count: u32) {
        self.until(|inner| (inner.streams >= count).then_some(())).await;
    }

    /// Waits until the configuration has been asked for in a language.
    pub async fn asked_in(&self, language: &str) {
        self.until(|inner| inner.languages.iter().any(|asked| asked == language).then_some(()))
            .await;
    }

    pub fn posts(&self) -> Vec<Value> {
        self.shared.inner.lock().posts.clone()
    }

    pub fn languages(&self) -> Vec<String> {
        self.shared.inner.lock().languages.clone()
    }

    pub fn say(&self, id: GenerationId, text: &str) {
        self.spool(id, |spool| spool.pieces.push(text.to_owned()));
    }

    pub fn wake(&self, id: GenerationId) {
        self.spool(id, |spool| spool.waking = true);
    }

    pub fn done(&self, id: GenerationId, reason: &str) {
        let end = json!({
            "finishReason": reason, "usage": {"inputTokens": 100, "outputTokens": 50},
            "charged": 150, "remaining": 19_850,
        });
        self.spool(id, |spool| spool.end = Some(("done", end)));
    }

    pub fn fail(&self, id: GenerationId, code: &str) {
        let end = json!({ "code": code, "error": "Falló.", "charged": 0, "remaining": 20_000 });
        self.spool(id, |spool| spool.end = Some(("failed", end)));
    }

    /// The spool has expired.
    pub fn forget(&self, id: GenerationId) {
        self.change(|inner| inner.spools.remove(&id.to_string()));
    }

    fn spool(&self, id: GenerationId, change: impl FnOnce(&mut Spool)) {
        self.change(|inner| change(inner.spools.get_mut(&id.to_string()).expect("known")));
    }

    /// A Checkout session of somebody, to be synced.
    pub fn set_session(&self, session: &str, person: &str) {
        self.change(|inner| inner.sessions.insert(session.into(), person.into()));
    }
}

fn snapshot(person: &str, version: i64, plan: &str, remaining: i64) -> Value {
    let paid = plan != "free";
    json!({
        "version": version,
        "user": {
            "id": person, "email": format!("{person}@example.com"), "name": null,
            "imageUrl": null, "locale": "es", "createdAt": 1, "updatedAt": 1,
        },
        "subscription": {
            "planId": plan, "status": if paid { json!("active") } else { Value::Null },
            "interval": null, "currentPeriodStart": null, "currentPeriodEnd": null,
            "cancelAtPeriodEnd": false, "graceUntil": null,
        },
        "tokens": {
            "month": "2026-11", "used": 0, "reserved": 0, "limit": remaining,
            "remaining": remaining, "generationsCount": 0, "lastGenerationAt": null,
            "resetsAt": null,
        },
    })
}

pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("authorization")?.to_str().ok()?;
    value.strip_prefix("Bearer ").map(str::to_owned)
}

impl Shared {
    fn person(&self, headers: &HeaderMap) -> Result<String, Response> {
        bearer(headers).and_then(|token| self.provider.person(&token)).ok_or_else(|| {
            let body = json!({
                "error": "No autenticado.", "code": "unauthenticated", "requestId": "r-0",
            });
            (StatusCode::UNAUTHORIZED, Json(body)).into_response()
        })
    }

    fn account(&self, person: &str) -> Value {
        let mut inner = self.inner.lock();
        let made = inner.snapshots.entry(person.to_owned());
        made.or_insert_with(|| snapshot(person, 1, "free", 20_000)).clone()
    }
}

fn not_found() -> Response {
    let body = json!({ "error": "No existe.", "code": "not_found", "requestId": "r-2" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

async fn config(State(shared): App, headers: HeaderMap) -> Json<Value> {
    let mut inner = shared.inner.lock();
    let language = headers["accept-language"].to_str().expect("text").to_owned();
    inner.languages.push(language);
    shared.changed.send_modify(|count| *count += 1);
    let plan = |id: &str, name: &str, tokens: i64, output: i64| {
        json!({
            "id": id, "name": name, "tokens": tokens, "concurrency": 2,
            "generationsPerHour": 50, "maxOutputTokens": output, "prices": [], "features": [],
        })
    };
    Json(json!({
        "clerk": {
            "issuer": shared.provider.issuer(), "clientId": CLIENT,
            "scopes": ["openid", "profile", "email", "offline_access"],
        },
        "redirects": {
            "auth": "https://relay.example/return/auth",
            "checkout": "https://relay.example/return/checkout",
            "loopbackPorts": inner.loopback_ports,
        },
        "plans": [plan("free", "Gratis", 20_000, 4_096), plan("creator", "Creator", 500_000, 8_192)],
        "generation": {
            "maxPromptBytes": 262_144, "maxBodyBytes": 8_388_608, "contextTokens": 32_768,
            "images": false, "model": "joxcoder-test",
        },
        "links": { "support": null, "terms": null, "privacy": null, "enterprise": null },
        "version": "2.0.0", "minAppVersion": inner.min_app_version,
    }))
}

async fn account(State(shared): App, headers: HeaderMap) -> Response {
    match shared.person(&headers) {
        Ok(person) => Json(shared.account(&person)).into_response(),
        Err(refusal) => refusal,
    }
}

fn frame(event: &str, id: Option<u64>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {event}\n{id}data: {data}\n\n")
}

fn event_stream(body: Body) -> Response {
    ([("content-type", "text/event-stream")], body).into_response()
}

async fn account_events(State(shared): App, headers: HeaderMap) -> Response {
    let person = match shared.person(&headers) {
        Ok(person) => person,
        Err(refusal) => return refusal,
    };
    let sent: i64 =
        headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or(0);
    // Before it is counted: whoever has waited for it may cut it at once.
    let state = (sent, shared.changed.subscribe(), shared.cut.subscribe());
    shared.inner.lock().streams += 1;
    shared.changed.send_modify(|count| *count += 1);
    let frames = stream::unfold(state, move |(sent, mut changed, mut cut)| {
        let (shared, person) = (Arc::clone(&shared), person.clone());
        async move {
            loop {
                changed.mark_unchanged();
                let snapshot = shared.account(&person);
                let version = snapshot["version"].as_i64().unwrap_or(0);
                if version != sent {
                    let text = frame("account", Some(version as u64), &snapshot);
                    return Some((
                        Ok::<_, std::io::Error>(Bytes::from(text)),
                        (version, changed, cut),
                    ));
                }
                tokio::select! {
                    result = changed.changed() => result.ok()?,
                    _ = cut.changed() => {
                        let broken = std::io::Error::other("cut");
                        return Some((Err(broken), (sent, changed, cut)));
                    }
                }
            }
        }
    });
    event_stream(Body::from_stream(frames))
}

async fn ledger(
    State(shared): App,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Err(refusal) = shared.person(&headers) {
        return refusal;
    }
    let limit: usize = query["limit"].parse().expect("a number");
    assert!((1..=100).contains(&limit));
    let after = query.get("after").cloned().unwrap_or_default();
    let inner = shared.inner.lock();
    let mut rest = inner
        .ledger
        .iter()
        .filter(|entry| entry["id"].as_str().is_some_and(|id| id > after.as_str()));
    // Two a page, so that there are pages.
    let entries: Vec<Value> = rest.by_ref().take(limit.min(2)).cloned().collect();
    let next = rest.next().and_then(|_| entries.last().map(|entry| entry["id"].clone()));
    Json(json!({ "entries": entries, "next": next })).into_response()
}

fn last_seq(headers: &HeaderMap) -> u64 {
    headers.get("last-event-id").map_or(0, |id| id.to_str().expect("text").parse().expect("a seq"))
}

async fn generate(State(shared): App, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let person = match shared.person(&headers) {
        Ok(person) => person,
        Err(refusal) => return refusal,
    };
    let id = body["generationId"].as_str().expect("an id").to_owned();
    {
        let mut inner = shared.inner.lock();
        let refusal = inner.refusals.pop_front();
        if let Some((status, body)) = refusal {
            return (status, Json(body)).into_response();
        }
        inner.posts.push(body);
        inner.spools.entry(id.clone()).or_insert(Spool { person, ..Spool::default() });
    }
    shared.changed.send_modify(|count| *count += 1);
    follow(shared, id, last_seq(&headers))
}

async fn attach(State(shared): App, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let person = match shared.person(&headers) {
        Ok(person) => person,
        Err(refusal) => return refusal,
    };
    let from = last_seq(&headers);
    {
        let mut inner = shared.inner.lock();
        inner.attaches.push((id.clone(), from));
        if inner.spools.get(&id).is_none_or(|spool| spool.person != person) {
            drop(inner);
            shared.changed.send_modify(|count| *count += 1);
            return not_found();
        }
    }
    shared.changed.send_modify(|count| *count += 1);
    follow(shared, id, from)
}

async fn stop(State(shared): App, headers: HeaderMap, Path(id): Path<String>) -> Response {
    if let Err(refusal) = shared.person(&headers) {
        return refusal;
    }
    let known = {
        let mut inner = shared.inner.lock();
        let known = inner.spools.contains_key(&id);
        if known {
            inner.stops.push(id);
        }
        known
    };
    shared.changed.send_modify(|count| *count += 1);
    if known { StatusCode::NO_CONTENT.into_response() } else { not_found() }
}

struct Following {
    at: u64,
    begun: bool,
    woken: bool,
    over: bool,
    changed: watch::Receiver<u64>,
    cut: watch::Receiver<u64>,
}

fn follow(shared: Arc<Shared>, id: String, from: u64) -> Response {
    let following = Following {
        at: from,
        begun: false,
        woken: false,
        over: false,
        changed: shared.changed.subscribe(),
        cut: shared.cut.subscribe(),
    };
    let frames = stream::unfold(following, move |mut at| {
        let (shared, id) = (Arc::clone(&shared), id.clone());
        async move {
            loop {
                if at.over {
                    return None;
                }
                at.changed.mark_unchanged();
                let text = next_frames(&shared, &id, &mut at);
                if !text.is_empty() {
                    return Some((Ok::<_, std::io::Error>(Bytes::from(text)), at));
                }
                tokio::select! {
                    result = at.changed.changed() => result.ok()?,
                    _ = at.cut.changed() => {
                        at.over = true;
                        return Some((Err(std::io::Error::other("cut")), at));
                    }
                }
            }
        }
    });
    event_stream(Body::from_stream(frames))
}

fn next_frames(shared: &Shared, id: &str, at: &mut Following) -> String {
    let Some(spool) = shared.inner.lock().spools.get(id).cloned() else {
        at.over = true;
        return String::new();
    };
    let mut text = String::new();
    if !std::mem::replace(&mut at.begun, true) {
        let data = json!({ "generationId": id, "reserved": 5_000, "remaining": 15_000 });
        text.push_str(&frame("reserved", None, &data));
    }
    if spool.waking && !std::mem::replace(&mut at.woken, true) {
        text.push_str(&frame("waking", None, &json!({ "retryInMs": 1_000 })));
    }
    for piece in spool.pieces.iter().skip(at.at as usize) {
        at.at += 1;
        text.push_str(&frame("delta", Some(at.at), &json!({ "text": piece })));
    }
    if let Some((event, data)) = spool.end {
        text.push_str(&frame(event, None, &data));
        at.over = true;
    }
    text
}

async fn create_checkout(
    State(shared): App,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let person = match shared.person(&headers) {
        Ok(person) => person,
        Err(refusal) => return refusal,
    };
    if body["planId"] != "creator" {
        let body = json!({ "error": "Plan inválido.", "code": "invalid_plan", "requestId": "r" });
        return (StatusCode::BAD_REQUEST, Json(body)).into_response();
    }
    shared.inner.lock().sessions.insert("cs_test_1".into(), person);
    let body = json!({ "sessionId": "cs_test_1", "url": "https://checkout.example/cs_test_1" });
    Json(body).into_response()
}

async fn create_portal(State(shared): App, headers: HeaderMap) -> Response {
    if let Err(refusal) = shared.person(&headers) {
        return refusal;
    }
    let body = json!({ "error": "No hay suscripción activa.", "code": "no_subscription",
        "requestId": "r" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

async fn sync(State(shared): App, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let person = match shared.person(&headers) {
        Ok(person) => person,
        Err(refusal) => return refusal,
    };
    {
        let mut inner = shared.inner.lock();
        inner.syncs += 1;
        if let Some(session) = body["sessionId"].as_str()
            && inner.sessions.get(session) != Some(&person)
        {
            return not_found();
        }
    }
    shared.changed.send_modify(|count| *count += 1);
    Json(shared.account(&person)).into_response()
}
