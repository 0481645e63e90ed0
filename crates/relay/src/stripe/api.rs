//! Stripe's API over HTTP: what async-stripe's builders have put together is sent from here, and so is
//! what is asked as plain JSON by the two commands that look after an account rather than a person
//! (`check` and `stripe setup`: products, webhook endpoints, configurations of the portal).
//!
//! async-stripe's own client is not used: it opens a connection for every call, and reads a refusal
//! as one of its whole types.

use super::StripeFault;
use crate::upstream;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use stripe_client_core::{RequestBuilder as Call, StripeMethod};
use uuid::Uuid;

/// The version that the relay speaks, whatever the account's own.
pub const API_VERSION: &str = "2026-09-30.endive";
/// One attempt at one call.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);
const AGENT: &str = concat!("AUTOCREA/", env!("CARGO_PKG_VERSION"));

/// An account, by its key. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    http: Client,
    base: String,
    key: SecretString,
}

/// Parameters, with Stripe's brackets in their names.
pub type Form = Vec<(String, String)>;

/// How Stripe says no.
#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    code: Option<String>,
}

impl Api {
    /// With `key`, against `base` (an origin, without `/v1`).
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(base: &str, key: &SecretString) -> Result<Self, StripeFault> {
        let http = upstream::client()
            .timeout(ATTEMPT_TIMEOUT)
            .user_agent(AGENT)
            .redirect(Policy::none())
            .build();
        let http = http.map_err(|error| StripeFault::Configuration(error.to_string()))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), key: key.clone() })
    }

    /// Makes a call that async-stripe has put together; a write has a `key`, under which it is done
    /// once.
    ///
    /// # Errors
    /// [`StripeFault`].
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        what: &'static str,
        call: Call,
        key: Option<&str>,
    ) -> Result<T, StripeFault> {
        let method = match call.method {
            StripeMethod::Get => Method::GET,
            StripeMethod::Post => Method::POST,
            StripeMethod::Delete => Method::DELETE,
        };
        let query = call.query.map(|query| format!("?{query}")).unwrap_or_default();
        let path = call.path.trim_start_matches('/');
        let mut request = self.http.request(method, self.address(path) + &query);
        if let Some(body) = call.body {
            request =
                request.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(what, request).await
    }

    /// Reads; `path` is what follows `/v1/`.
    ///
    /// # Errors
    /// [`StripeFault`].
    pub async fn get(
        &self,
        what: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, StripeFault> {
        self.send(what, self.http.get(self.address(path)).query(query)).await
    }

    /// All of a list, page by page.
    ///
    /// # Errors
    /// [`StripeFault`].
    pub async fn all(
        &self,
        what: &'static str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<Value>, StripeFault> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().and_then(|it| it["id"].as_str()).map(str::to_owned);
            let mut query = query.to_vec();
            query.push(("limit", "100"));
            if let Some(after) = &after {
                query.push(("starting_after", after));
            }
            let mut page = self.get(what, path, &query).await?;
            if let Value::Array(items) = page["data"].take() {
                all.extend(items);
            }
            if page["has_more"] != true {
                return Ok(all);
            }
        }
    }

    /// Writes, once, however often the network makes us ask.
    ///
    /// # Errors
    /// [`StripeFault`].
    pub async fn post(
        &self,
        what: &'static str,
        path: &str,
        form: &Form,
    ) -> Result<Value, StripeFault> {
        let key = format!("autocrea:setup:{}", Uuid::now_v7());
        let request = || {
            let request = self.http.post(self.address(path)).form(form);
            request.header("idempotency-key", key.as_str())
        };
        match self.send(what, request()).await {
            Err(fault) if fault.is_passing() => self.send(what, request()).await,
            done => done,
        }
    }

    fn address(&self, path: &str) -> String {
        format!("{}/v1/{path}", self.base)
    }

    async fn send<T: DeserializeOwned>(
        &self,
        what: &'static str,
        request: RequestBuilder,
    ) -> Result<T, StripeFault> {
        let request = request.bearer_auth(self.key.expose_secret());
        let unavailable = |why: String| StripeFault::Unavailable { what, why };
        let broken = |error: reqwest::Error| {
            let why = if error.is_timeout() { "no answer in time" } else { "no connection" };
            unavailable(why.to_owned())
        };
        let answer = request.header("stripe-version", API_VERSION).send().await.map_err(broken)?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.map_err(broken)?;
        if status < 300 {
            return serde_json::from_slice(&body).map_err(|_| StripeFault::Unreadable(what));
        }
        let Ok(refusal) = serde_json::from_slice::<Refusal>(&body) else {
            // What stands between Stripe and us answers a failure in its own words.
            return Err(unavailable(format!("status {status}, not in Stripe's words")));
        };
        let code = refusal.error.code.unwrap_or_else(|| "-".to_owned());
        Err(match status {
            404 => StripeFault::NotFound(what),
            400 if code == "resource_missing" => StripeFault::NotFound(what),
            409 | 429 | 500.. => unavailable(format!("status {status}, code {code}")),
            _ => StripeFault::Refused { what, status, code },
        })
    }
}
