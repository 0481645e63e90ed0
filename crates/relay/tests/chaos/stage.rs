//! Everything that a relay needs, and the people who use it.

use super::model::{self, Asked};
use super::relay::{PATIENCE, Relay};
use crate::support::environment;
use crate::support::place::Place;
use autocrea_sandbox::{Options, Sandbox};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

/// The stage: outside services in this process, relays in processes of their own.
pub struct Stage {
    pub sandbox: Sandbox,
    pub asked: Asked,
    pub relays: Vec<Relay>,
    pub people: Vec<Person>,
    pub environment: BTreeMap<String, String>,
    place: Place,
    turn: AtomicUsize,
}

/// Somebody who buys and generates.
#[derive(Clone)]
pub struct Person {
    pub email: String,
    pub user: String,
    token: String,
}

impl Person {
    /// A request of theirs, to this relay.
    pub fn ask(&self, relay: &Relay, method: Method, path: &str) -> RequestBuilder {
        relay.ask(method, path).bearer_auth(&self.token)
    }

    /// A generation of theirs, of what the model says to a number.
    pub fn begin(&self, relay: &Relay, id: Uuid, number: u64) -> RequestBuilder {
        let body = json!({
            "generationId": id, "role": "fullstack", "maxOutputTokens": 300,
            "messages": [{"role": "user", "content": model::prompt(number)}],
        });
        self.ask(relay, Method::POST, "/api/joxcoder/generate").json(&body)
    }
}

fn free_address() -> SocketAddr {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    probe.local_addr().expect("an address")
}

/// Plans as they are, but without limits on how many generations there are: a load has more.
const PLANS: &str = "
[plans.free]
concurrency = 0
generations_per_hour = 0
[plans.creator]
concurrency = 0
generations_per_hour = 0
[plans.pro]
concurrency = 0
generations_per_hour = 0
[plans.business]
concurrency = 0
generations_per_hour = 0
";

impl Stage {
    /// With so many people and relays, none of which has been started. Webhooks go to each relay.
    pub async fn set(people: usize, relays: usize) -> Self {
        Self::set_with(people, relays, &[]).await
    }

    /// The same, with some variables set otherwise.
    pub async fn set_with(people: usize, relays: usize, others: &[(&str, &str)]) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
        let (model, asked) = model::start().await;
        // Several relays need a database that they can share, whichever this run is on.
        let place = if relays > 1 { Place::shared() } else { Place::new() };
        let addresses: Vec<SocketAddr> = (0..relays).map(|_| free_address()).collect();
        let first = format!("http://{}", addresses[0]);
        let here = place.path().display().to_string();
        let plans = place.path().join("relay.toml");
        std::fs::write(&plans, PLANS).expect("written");
        let plans = plans.display().to_string();
        let variables = [
            ("JOXCODER_URL", model.as_str()),
            ("RELAY_CONFIG", plans.as_str()),
            ("RELAY_SPOOL_TTL_SECS", "7200"),
            ("TMPDIR", here.as_str()),
            ("RUST_LOG", "info,refinery_core=warn"),
        ];
        let variables = [&variables, others].concat();
        let environment = environment(&sandbox, &first, &place, &variables);
        let http = Client::builder().no_proxy().build().expect("a client");
        let relays = addresses.iter().enumerate().map(|(number, address)| {
            let mut environment = environment.clone();
            environment.insert("RELAY_BIND".to_owned(), address.to_string());
            let log = place.path().join(format!("relay{number}.log"));
            Relay::new(*address, environment, log, http.clone())
        });
        let people = (0..people).map(|number| {
            let email = format!("person{number}@example.com");
            let token = sandbox.clerk.access_token(&email);
            Person { user: sandbox.clerk.user_id(&email), email, token }
        });
        let (relays, people) = (relays.collect(), people.collect());
        for address in &addresses {
            sandbox.attach_relay(&format!("http://{address}")).expect("loopback");
        }
        Self { sandbox, asked, relays, people, environment, place, turn: AtomicUsize::new(0) }
    }

    /// The only relay, or the first.
    pub fn relay(&self) -> &Relay {
        &self.relays[0]
    }

    /// Any of the relays, another each time.
    pub fn next_relay(&self) -> &Relay {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.relays[turn % self.relays.len()]
    }

    /// Asks until some relay answers, however many processes that takes.
    pub async fn insist(&self, request: impl Fn(&Relay) -> RequestBuilder) -> Response {
        let answered = async {
            loop {
                match request(self.next_relay()).send().await {
                    Ok(answer) => return answer,
                    Err(_) => tokio::time::sleep(Duration::from_millis(15)).await,
                }
            }
        };
        let answered = tokio::time::timeout(PATIENCE, answered).await;
        answered.unwrap_or_else(|_| panic!("nobody answers: {}", self.relay().last_words()))
    }

    /// What a `GET` of somebody's answers, which must be well.
    pub async fn get(&self, person: &Person, path: &str) -> Value {
        let answer = self.insist(|relay| person.ask(relay, Method::GET, path)).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    /// Starts every relay; everybody is seen for the first time.
    pub async fn open(&self) {
        for relay in &self.relays {
            relay.start();
            relay.ready().await;
        }
        for person in &self.people {
            self.get(person, "/api/account").await;
        }
    }

    /// Where the database is, with SQLite.
    pub fn folder(&self) -> &std::path::Path {
        self.place.path()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What a failure leaves is there to be looked at.
        if std::thread::panicking() {
            self.place.keep();
            println!("kept: {} and {}", self.place.path().display(), self.place.url());
        }
    }
}
