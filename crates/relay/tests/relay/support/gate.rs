//! A gate before the sandbox's Stripe, which can answer in its stead: what a gateway says on a bad
//! day, or what Stripe says of one thing only.

use crate::support::World;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use reqwest::{Client, Method, StatusCode};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// An answer in Stripe's stead.
#[derive(Clone)]
struct Instead {
    path: String,
    status: u16,
    body: String,
    held: bool,
}

/// The gate; whoever comes before it leads somewhere waits.
#[derive(Clone, Default)]
pub struct Gate {
    upstream: watch::Sender<Option<String>>,
    instead: Arc<Mutex<Vec<Instead>>>,
    client: Client,
    asked: Arc<Notify>,
    release: Arc<Notify>,
}

impl Gate {
    /// A relay that reaches Stripe only through a gate; webhooks come, Ana has been seen, and the
    /// reconciliation at the relay's start is over, so that it meets nothing that a test does.
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
        gate.upstream.send_replace(Some(world.sandbox.stripe.url()));
        first_pass(&world).await;
        super::shop::attach(&world);
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
        self.instead.lock().push(instead);
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.instead.lock().clear();
    }
}

/// Waits for the reconciliation at the relay's start.
async fn first_pass(world: &World) {
    let over = async {
        let sql = "SELECT last_pass_at FROM reconciliation WHERE id = 1";
        loop {
            let at = world.relay.app.db.read(move |tx| tx.query_opt(sql, &[], |row| row.get(0)));
            let at: Option<i64> = at.await.expect("a database");
            if at.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), over).await.expect("a first reconciliation");
}

async fn pass(
    State(gate): State<Gate>,
    method: Method,
    uri: http::Uri,
    headers: http::HeaderMap,
    body: Bytes,
) -> Response {
    let asked = uri.to_string();
    let instead = gate.instead.lock().iter().find(|one| asked.contains(&one.path)).cloned();
    if let Some(instead) = instead {
        if instead.held {
            gate.asked.notify_one();
            gate.release.notified().await;
        }
        let status = StatusCode::from_u16(instead.status).expect("a status");
        return (status, instead.body).into_response();
    }
    let mut opening = gate.upstream.subscribe();
    let upstream = opening.wait_for(Option::is_some).await.expect("the gate is there").clone();
    let upstream = upstream.expect("it leads somewhere");
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
