//! A sandbox and a relay in this process, on ports of their own, with a database of their own.

pub mod cluster;
pub mod gate;
pub mod place;
pub mod redis;
pub mod served;
pub mod shop;

use autocrea_protocol::sse::{Decoder, Frame};
use autocrea_relay::Running;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Config;
use autocrea_sandbox::{Options, Sandbox};
use place::Place;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use tokio::net::TcpListener;

/// What the person is called who signs in most.
pub const ANA: &str = "ana@example.com";

/// A relay with everything that it needs.
pub struct World {
    pub sandbox: Sandbox,
    pub relay: Running,
    pub http: Client,
    pub clock: Clock,
    file: Option<&'static str>,
    environment: BTreeMap<String, String>,
    pub place: Place,
}

impl World {
    /// With the default configuration, limits of requests off.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With some variables set otherwise.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        Self::at(Place::new(), variables).await
    }

    /// With a configuration file over the defaults.
    pub async fn with_file(file: &'static str) -> Self {
        Self::configured(Place::new(), Some(file), &[]).await
    }

    /// With a database that is given.
    pub async fn at(place: Place, variables: &[(&str, &str)]) -> Self {
        Self::configured(place, None, variables).await
    }

    async fn configured(
        place: Place,
        file: Option<&'static str>,
        variables: &[(&str, &str)],
    ) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let environment = environment(&sandbox, &url, &place, variables);
        let clock = Clock::system();
        let relay = serve(file, &environment, &clock, listener).await;
        let http = Client::builder().no_proxy().build().expect("a client");
        Self { sandbox, relay, http, clock, file, environment, place }
    }

    /// Stops the relay and starts another on the same database (and another port).
    pub async fn restart(self) -> Self {
        self.restart_with(&[]).await
    }

    /// The same, with some variables set otherwise from now on.
    pub async fn restart_with(self, variables: &[(&str, &str)]) -> Self {
        let Self { sandbox, relay, http, clock, file, mut environment, place } = self;
        let given = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        environment.extend(given);
        relay.stop().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let relay = serve(file, &environment, &clock, listener).await;
        Self { sandbox, relay, http, clock, file, environment, place }
    }

    /// Another relay on the same database, which must be one that can be shared.
    pub async fn replica(&self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        serve(self.file, &self.environment, &self.clock, listener).await
    }

    /// What the relay is configured with.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// An access token for a person, who is made at Clerk if new.
    pub fn token(&self, email: &str) -> String {
        self.sandbox.clerk.access_token(email)
    }

    /// A request without a token.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.relay.url()))
    }

    /// A request of a person.
    pub fn ask_as(&self, email: &str, method: Method, path: &str) -> RequestBuilder {
        self.ask(method, path).bearer_auth(self.token(email))
    }

    /// What a `GET` of Ana's answers, which must be well.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.ask_as(ANA, Method::GET, path).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }

    /// A folder of its own.
    pub fn folder(&self) -> &std::path::Path {
        self.place.path()
    }

    /// The id of a person.
    pub fn user(&self, email: &str) -> autocrea_protocol::UserId {
        autocrea_protocol::UserId(self.sandbox.clerk.user_id(email))
    }
}

/// What a relay at `url` beside this sandbox is configured with.
pub fn environment(
    sandbox: &Sandbox,
    url: &str,
    place: &Place,
    variables: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = [
        ("STRIPE_SECRET_KEY", "sk_test_sandbox"),
        ("STRIPE_CREATOR_PRICE_ID", "price_creator"),
        ("STRIPE_PRO_PRICE_ID", "price_pro"),
        ("STRIPE_BUSINESS_PRICE_ID", "price_business"),
        ("RELAY_RATE_PER_MINUTE", "0"),
        ("RELAY_RATE_PER_MINUTE_ADDRESS", "0"),
    ]
    .iter()
    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
    .collect();
    environment.extend(sandbox.relay_env(url));
    environment.insert("DATABASE_URL".to_owned(), place.url());
    let given = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    environment.extend(given);
    environment
}

async fn serve(
    file: Option<&str>,
    environment: &BTreeMap<String, String>,
    clock: &Clock,
    listener: TcpListener,
) -> Running {
    let config = Config::from_layers(file, environment).expect("a valid configuration");
    autocrea_relay::serve(config, clock.clone(), listener).await.expect("a relay")
}

/// A stream of server-sent events, read one frame at a time.
pub struct Events {
    response: Response,
    decoder: Decoder,
    frames: Vec<Frame>,
    ready: VecDeque<Frame>,
    /// Everything that came, as it came.
    pub raw: String,
}

impl Events {
    /// Reads an answer as a stream.
    pub fn of(response: Response) -> Self {
        let (decoder, frames, ready) = (Decoder::new(1 << 24), Vec::new(), VecDeque::new());
        Self { response, decoder, frames, ready, raw: String::new() }
    }

    /// The next frame; `None` when the stream has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        while self.ready.is_empty() {
            let chunk = self.response.chunk().await.ok()??;
            self.raw.push_str(&String::from_utf8_lossy(&chunk));
            self.decoder.push(&chunk, &mut self.frames).expect("small frames");
            self.ready.extend(self.frames.drain(..));
        }
        self.ready.pop_front()
    }

    /// The data of the next frame.
    pub async fn data(&mut self) -> Value {
        let frame = self.next().await.expect("a frame");
        serde_json::from_str(&frame.data).expect("JSON")
    }
}
