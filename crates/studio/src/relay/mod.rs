//! The client of the hosted relay: the only module that speaks its HTTP.
//!
//! Requests go out with a time-out, an `Accept-Language` and, where a route needs one, an access
//! token that the caller holds (see `sign_in`). Answers come back as the protocol's own types;
//! refusals as [`RelayError`], told apart by the relay's closed code. Streams of server-sent events
//! come back as [`Events`], which never waits longer than a few heartbeats.
//!
//! Deliberately not here: retrying (callers know what may be repeated), tokens' renewal, and any
//! memory of what the relay said.

mod backoff;
mod error;
mod events;

pub use backoff::Backoff;
pub use error::RelayError;
pub use events::{Events, GenerationStream};

use autocrea_protocol::billing::{CheckoutRequest, CheckoutResponse, PortalResponse, SyncRequest};
use autocrea_protocol::ledger::LedgerPage;
use autocrea_protocol::{AccountSnapshot, GenerationId, RelayConfig};
use reqwest::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use url::{Host, Url};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a plain answer may take, headers and body.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a stream's headers may take: the relay answers before the model does.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest plain answer that is read.
const ANSWER_LIMIT: usize = 4 << 20;

/// Says the language of sentences, as `es` or `en`, at the moment of each request.
pub type LanguageTag = Arc<dyn Fn() -> &'static str + Send + Sync>;

/// A client of one relay. Cheap to clone.
#[derive(Clone)]
pub struct Relay {
    http: reqwest::Client,
    base: Url,
    language: LanguageTag,
}

/// Makes the HTTP client that the relay, the sign-in and nothing else share. A relay on this machine
/// is never asked for through a proxy.
///
/// # Errors
/// If the platform's certificates cannot be read.
pub fn http_client(app_version: &str, base: &Url) -> Result<reqwest::Client, RelayError> {
    // Installing twice is an error that says it is already there; that is what is wanted.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut builder = reqwest::Client::builder()
        .user_agent(format!("autocrea/{app_version}"))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|source| RelayError::Unreachable { source: Box::new(source) })
}

impl Relay {
    /// A client of the relay at `base` (`https://relay.example` or a loopback address).
    #[must_use]
    pub fn new(http: reqwest::Client, mut base: Url, language: LanguageTag) -> Self {
        // `Url::join` replaces the last segment unless the path ends in a slash.
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Self { http, base, language }
    }

    /// The relay's address.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// `GET /api/config`.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn config(&self) -> Result<RelayConfig, RelayError> {
        self.answer(self.request(Method::GET, "api/config", None)?).await
    }

    /// `GET /api/account`.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn account(&self, token: &SecretString) -> Result<AccountSnapshot, RelayError> {
        self.answer(self.request(Method::GET, "api/account", Some(token))?).await
    }

    /// `GET /api/account/events`; with `known`, nothing comes until there is a newer version.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn account_events(
        &self,
        token: &SecretString,
        known: Option<i64>,
    ) -> Result<Events, RelayError> {
        let mut request = self.request(Method::GET, "api/account/events", Some(token))?;
        if let Some(version) = known {
            request = request.header("last-event-id", version.to_string());
        }
        self.stream(request).await
    }

    /// `GET /api/tokens/ledger`: the page after `after`, oldest first.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn ledger(
        &self,
        token: &SecretString,
        after: Option<&str>,
        limit: u32,
    ) -> Result<LedgerPage, RelayError> {
        let mut request = self
            .request(Method::GET, "api/tokens/ledger", Some(token))?
            .query(&[("limit", limit.to_string().as_str())]);
        if let Some(after) = after {
            request = request.query(&[("after", after)]);
        }
        self.answer(request).await
    }

    /// `POST /api/joxcoder/generate` with a payload that was stored before it was sent. Repeating
    /// it is safe: the id in it is the idempotency key.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn generate(
        &self,
        token: &SecretString,
        payload: String,
        last_seq: u64,
    ) -> Result<GenerationStream, RelayError> {
        let request = self
            .request(Method::POST, "api/joxcoder/generate", Some(token))?
            .header(CONTENT_TYPE, "application/json")
            .body(payload);
        self.stream(from_last(request, last_seq)).await.map(GenerationStream::new)
    }

    /// `GET /api/joxcoder/generate/{id}`: what comes after piece `last_seq`.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn attach(
        &self,
        token: &SecretString,
        id: GenerationId,
        last_seq: u64,
    ) -> Result<GenerationStream, RelayError> {
        let path = format!("api/joxcoder/generate/{id}");
        let request = self.request(Method::GET, &path, Some(token))?;
        self.stream(from_last(request, last_seq)).await.map(GenerationStream::new)
    }

    /// `DELETE /api/joxcoder/generate/{id}`: stop.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn stop(&self, token: &SecretString, id: GenerationId) -> Result<(), RelayError> {
        let path = format!("api/joxcoder/generate/{id}");
        let request = self.request(Method::DELETE, &path, Some(token))?.timeout(ANSWER_TIMEOUT);
        accepted(request.send().await?).await.map(drop)
    }

    /// `POST /api/stripe/create-checkout`.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn create_checkout(
        &self,
        token: &SecretString,
        what: &CheckoutRequest,
    ) -> Result<CheckoutResponse, RelayError> {
        self.post("api/stripe/create-checkout", token, what).await
    }

    /// `POST /api/stripe/create-portal`.
    ///
    /// # Errors
    /// [`RelayError`].
    pub async fn create_portal(&self, token: &SecretString) -> Result<PortalResponse, RelayError> {
        self.post("api/stripe/create-portal", token, &serde_json::json!({})).await
    }

    /// `POST /api/stripe/sync`: the relay asks Stripe now.
    ///
    /// # Errors
    /// [`RelayError`]; somebody else's session is not found.
    pub async fn sync(
        &self,
        token: &SecretString,
        session_id: Option<String>,
    ) -> Result<AccountSnapshot, RelayError> {
        self.post("api/stripe/sync", token, &SyncRequest { session_id }).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        token: &SecretString,
        body: &impl Serialize,
    ) -> Result<T, RelayError> {
        self.answer(self.request(Method::POST, path, Some(token))?.json(body)).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretString>,
    ) -> Result<RequestBuilder, RelayError> {
        let url = self.base.join(path).map_err(|_| RelayError::Address)?;
        let mut request = self.http.request(method, url).header(ACCEPT_LANGUAGE, (self.language)());
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        Ok(request)
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, RelayError> {
        let request = request.header(ACCEPT, "application/json").timeout(ANSWER_TIMEOUT);
        let response = accepted(request.send().await?).await?;
        let status = response.status().as_u16();
        let body = read_bounded(response, ANSWER_LIMIT).await?;
        serde_json::from_slice(&body)
            .map_err(|source| RelayError::Unreadable { status, source: Some(Box::new(source)) })
    }

    async fn stream(&self, request: RequestBuilder) -> Result<Events, RelayError> {
        let sending = request.header(ACCEPT, "text/event-stream").send();
        // The client's own time-out would count the body too, which may rightly last for hours.
        let response = tokio::time::timeout(HEADERS_TIMEOUT, sending)
            .await
            .map_err(|_| RelayError::Silent)??;
        let response = accepted(response).await?;
        let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        if !kind.is_some_and(|kind| kind.starts_with(b"text/event-stream")) {
            let status = response.status().as_u16();
            return Err(RelayError::Unreadable { status, source: None });
        }
        Ok(Events::new(response))
    }
}

/// Whether an address is of this machine, by its host's name or number.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn from_last(request: RequestBuilder, last_seq: u64) -> RequestBuilder {
    if last_seq == 0 { request } else { request.header("last-event-id", last_seq.to_string()) }
}

/// Lets a success through and reads a refusal.
async fn accepted(response: Response) -> Result<Response, RelayError> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.trim().parse().ok())
        .map(Duration::from_secs);
    let reading = tokio::time::timeout(ANSWER_TIMEOUT, read_bounded(response, 64 << 10));
    let body = reading.await.map_err(|_| RelayError::Silent)??;
    match serde_json::from_slice(&body) {
        Ok(body) => Err(RelayError::Refused { status, body: Box::new(body), retry_after }),
        Err(source) => Err(RelayError::Unreadable { status, source: Some(Box::new(source)) }),
    }
}

/// Reads a body whole, but never more than `limit` bytes of it.
async fn read_bounded(mut response: Response, limit: usize) -> Result<Vec<u8>, RelayError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            let status = response.status().as_u16();
            return Err(RelayError::Unreadable { status, source: None });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
