//! People who generate, and what their streams tell them.

use crate::support::World;
use autocrea_protocol::generation::{Done, Failed, StreamEvent};
use autocrea_protocol::ledger::{LedgerEntry, LedgerPage, TokenUsage, Validation};
use autocrea_protocol::sse::Decoder;
use autocrea_protocol::{ErrorBody, ErrorCode};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::ops::Deref;
use uuid::Uuid;

/// A [`World`] in which people generate.
pub struct Stage(pub World);

impl Deref for Stage {
    type Target = World;
    fn deref(&self) -> &World {
        &self.0
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self(World::start().await)
    }

    pub async fn with(variables: &[(&str, &str)]) -> Self {
        Self(World::with(variables).await)
    }

    pub fn person(&self, email: &str) -> Person {
        Person::new(&self.relay.url(), self.token(email))
    }

    /// Puts a person on a plan, as a payment would.
    pub async fn put_on(&self, person: &Person, plan: &'static str) {
        person.usage().await;
        let written = self
            .relay
            .app
            .db
            .write(move |tx| tx.execute("UPDATE people SET plan_id = ?1", &[&plan]));
        assert_eq!(written.await.unwrap(), 1);
    }

    pub fn calls(&self) -> usize {
        self.sandbox.joxcoder.requests().len()
    }
}

#[derive(Clone)]
pub struct Person {
    http: reqwest::Client,
    url: String,
    token: String,
}

pub fn request(id: Uuid, prompt: &str) -> Value {
    json!({
        "generationId": id, "role": "fullstack", "maxOutputTokens": 1000,
        "messages": [{ "role": "user", "content": prompt }],
    })
}

impl Person {
    pub fn new(url: &str, token: String) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        Self { http: reqwest::Client::new(), url: url.to_owned(), token }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.token)
    }

    pub fn post(&self, body: &Value) -> RequestBuilder {
        let url = format!("{}/api/joxcoder/generate", self.url);
        self.authorized(self.http.post(url).json(body))
    }

    /// As [`Person::post`], but not as JSON.
    pub fn post_text(&self, body: &str) -> RequestBuilder {
        let url = format!("{}/api/joxcoder/generate", self.url);
        let request = self.http.post(url).header("content-type", "text/plain");
        self.authorized(request.body(body.to_owned()))
    }

    pub fn get(&self, id: Uuid) -> RequestBuilder {
        self.authorized(self.http.get(format!("{}/api/joxcoder/generate/{id}", self.url)))
    }

    /// Any request about a generation.
    pub fn ask(&self, method: Method, id: &str) -> RequestBuilder {
        let url = format!("{}/api/joxcoder/generate/{id}", self.url);
        self.authorized(self.http.request(method, url))
    }

    /// Begins, or attaches to, a generation.
    pub async fn generate(&self, id: Uuid, prompt: &str) -> Events {
        Events::of(self.post(&request(id, prompt)).send().await.unwrap())
    }

    pub async fn attach(&self, id: Uuid, after: u64) -> Events {
        let response = self.get(id).header("last-event-id", after.to_string()).send().await;
        Events::of(response.unwrap())
    }

    pub async fn stop(&self, id: Uuid) -> StatusCode {
        let url = format!("{}/api/joxcoder/generate/{id}", self.url);
        self.authorized(self.http.delete(url)).send().await.unwrap().status()
    }

    pub async fn usage(&self) -> TokenUsage {
        let url = format!("{}/api/tokens/usage", self.url);
        self.authorized(self.http.get(url)).send().await.unwrap().json().await.unwrap()
    }

    /// What a prompt is said to cost.
    pub async fn validate(&self, prompt: &str) -> Validation {
        let url = format!("{}/api/tokens/validate", self.url);
        let asked = self.authorized(self.http.post(url).json(&json!({ "prompt": prompt })));
        asked.send().await.unwrap().json().await.unwrap()
    }

    /// The ledger's entries of one generation.
    pub async fn ledger(&self, id: Uuid) -> Vec<LedgerEntry> {
        let url = format!("{}/api/tokens/ledger?limit=100", self.url);
        let page = self.authorized(self.http.get(url)).send().await.unwrap();
        let page: LedgerPage = page.json().await.unwrap();
        page.entries
            .into_iter()
            .filter(|it| it.generation_id.is_some_and(|it| it.0 == id))
            .collect()
    }
}

/// Reads a refusal.
pub async fn refusal(response: Response) -> (ErrorCode, ErrorBody) {
    let status = response.status().as_u16();
    let body: ErrorBody = response.json().await.unwrap();
    assert_eq!(status, body.code.status());
    (body.code, body)
}

/// The events of a stream, as they come.
pub struct Events {
    response: Response,
    decoder: Decoder,
    frames: Vec<autocrea_protocol::sse::Frame>,
}

impl Events {
    pub fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, decoder: Decoder::new(1 << 20), frames: Vec::new() }
    }

    pub async fn next(&mut self) -> Option<StreamEvent> {
        while self.frames.is_empty() {
            let bytes = self.response.chunk().await.ok()??;
            self.decoder.push(&bytes, &mut self.frames).unwrap();
        }
        Some(StreamEvent::read(&self.frames.remove(0)).unwrap().expect("a known event"))
    }

    /// Reads until the first text and gives it back.
    pub async fn first_text(&mut self) -> String {
        loop {
            if let StreamEvent::Delta { text, .. } = self.next().await.expect("text") {
                return text;
            }
        }
    }

    pub async fn all(mut self) -> Told {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        Told(events)
    }
}

/// All that a stream told.
#[derive(Debug)]
pub struct Told(pub Vec<StreamEvent>);

impl Told {
    pub fn text(&self) -> String {
        self.pieces().into_iter().map(|(_, text)| text).collect()
    }

    pub fn pieces(&self) -> Vec<(u64, &str)> {
        let pieces = self.0.iter().filter_map(|event| match event {
            StreamEvent::Delta { seq, text } => Some((*seq, text.as_str())),
            _ => None,
        });
        pieces.collect()
    }

    pub fn done(&self) -> &Done {
        match self.0.last() {
            Some(StreamEvent::Done(done)) => done,
            other => panic!("it did not end well: {other:?}"),
        }
    }

    pub fn failed(&self) -> &Failed {
        match self.0.last() {
            Some(StreamEvent::Failed(failed)) => failed,
            other => panic!("it did not fail: {other:?}"),
        }
    }

    pub fn wakings(&self) -> usize {
        self.0.iter().filter(|event| matches!(event, StreamEvent::Waking(_))).count()
    }
}
