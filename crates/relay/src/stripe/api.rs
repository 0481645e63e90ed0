//! Stripe's API as plain JSON, for the two commands that look after an account rather than a person:
//! `check` and `stripe setup`. They touch objects that the relay itself never does (products, webhook
//! endpoints, configurations of the portal), for which generated types would weigh more than the
//! few fields that are read.

use super::StripeFault;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

/// The version that the relay speaks, whatever the account's own.
pub const API_VERSION: &str = "2026-09-30.endive";
const PATIENCE: Duration = Duration::from_secs(15);

/// An account, by its key.
pub struct Api {
    http: Client,
    base: String,
    key: SecretString,
}

/// Parameters, with Stripe's brackets in their names.
pub type Form = Vec<(String, String)>;

impl Api {
    /// With `key`, against `base` (an origin, without `/v1`).
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(base: &str, key: &SecretString) -> Result<Self, StripeFault> {
        let http = Client::builder().timeout(PATIENCE).build();
        let http = http.map_err(|error| StripeFault::Configuration(error.to_string()))?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), key: key.clone() })
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

    async fn send(
        &self,
        what: &'static str,
        request: RequestBuilder,
    ) -> Result<Value, StripeFault> {
        let request = request.bearer_auth(self.key.expose_secret());
        let sent = request.header("stripe-version", API_VERSION).send().await;
        let unavailable = |why: &str| StripeFault::Unavailable { what, why: why.to_owned() };
        let answer = sent.map_err(|error| {
            unavailable(if error.is_timeout() { "no answer in time" } else { "no connection" })
        })?;
        let status = answer.status().as_u16();
        let body: Result<Value, _> = answer.json().await;
        if status < 300 {
            return body.map_err(|_| StripeFault::Unreadable(what));
        }
        let code = body.ok().and_then(|body| body["error"]["code"].as_str().map(str::to_owned));
        let code = code.unwrap_or_else(|| "-".to_owned());
        Err(match status {
            404 => StripeFault::NotFound(what),
            409 | 429 | 500.. => unavailable(&format!("status {status}")),
            _ => StripeFault::Refused { what, status, code },
        })
    }
}
