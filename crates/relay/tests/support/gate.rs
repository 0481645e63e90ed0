//! A gate before the sandbox's Stripe, which can answer in its stead: what a gateway says on a bad
//! day, or what Stripe says of one thing only.

#![allow(dead_code, reason = "each test file uses its own part of it")]
#![allow(clippy::expect_used, missing_docs, reason = "a test ends where it cannot go on")]

use crate::support::World;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use reqwest::{Client, Method, StatusCode};
use std::sync::Arc;
use tokio::sync::Notify;

/// An answer in Stripe's stead.
#[derive(Clone)]
struct Instead {
    path: String,
    status: u16,
    body: String,
    held: bool,
}

#[derive(Default)]
struct Rules {
    upstream: Option<String>,
    instead: Vec<Instead>,
}

/// The gate; closed (503) until it leads somewhere.
#[derive(Clone, Default)]
pub struct Gate {
    rules: Arc<Mutex<Rules>>,
    client: Client,
    asked: Arc<Notify>,
    release: Arc<Notify>,
}

impl Gate {
    /// A relay that reaches Stripe only through a gate; webhooks come, Ana has been seen.
    pub async fn before_stripe(variables: &[(&str, &str)]) -> (World, Self) {
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = Client::builder().no_proxy().build().expect("a client");
        let gate = Self { client, ..Self::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let routes = Router::new().fallback(pass).with_state(gate.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let mut all = variables.to_vec();
        all.push(("STRIPE_API_BASE", &url));
        let world = World::with(&all).await;
        gate.rules.lock().upstream = Some(world.sandbox.stripe.url());
        crate::shop::attach(&world);
        world.get("/api/account").await;
        (world, gate)
    }

    /// From now on answers every call whose path and query contain `path` so.
    pub fn instead(&self, path: &str, status: u16, body: &str) {
        self.add(path, status, body, false);
    }

    /// The same, but each such call waits in the gate for [`Gate::release`].
    pub fn hold(&self, path: &str, status: u16, body: &str) {
        self.add(path, status, body, true);
    }

    /// Waits until a call waits in the gate.
    pub async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Lets the call that waits have its answer.
    pub fn release(&self) {
        self.release.notify_one();
    }

    fn add(&self, path: &str, status: u16, body: &str, held: bool) {
        let instead = Instead { path: path.to_owned(), status, body: body.to_owned(), held };
        self.rules.lock().instead.push(instead);
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.rules.lock().instead.clear();
    }
}

async fn pass(
    State(gate): State<Gate>,
    method: Method,
    uri: http::Uri,
    headers: http::HeaderMap,
    body: Bytes,
) -> Response {
    let asked = uri.to_string();
    let (upstream, instead) = {
        let rules = gate.rules.lock();
        let instead = rules.instead.iter().find(|one| asked.contains(&one.path)).cloned();
        (rules.upstream.clone(), instead)
    };
    if let Some(instead) = instead {
        if instead.held {
            gate.asked.notify_one();
            gate.release.notified().await;
        }
        let status = StatusCode::from_u16(instead.status).expect("a status");
        return (status, instead.body).into_response();
    }
    let Some(upstream) = upstream else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let mut request = gate.client.request(method, format!("{upstream}{asked}")).body(body);
    for name in ["authorization", "content-type", "idempotency-key", "stripe-version"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.expect("the sandbox answers");
    let status = answer.status();
    (status, answer.bytes().await.expect("a body")).into_response()
}
