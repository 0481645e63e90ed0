//! The issuer's signing keys, and the addresses that discovery gives.
//!
//! Keys are fetched when first needed and kept. A token that names an unknown key makes them be
//! fetched again, at most once in 30 seconds (the first fetch not counting): a key that has just
//! been rotated in works at once, and invented key ids cost Clerk nothing.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

const REFETCH: Duration = Duration::from_secs(30);
/// After a failure, nobody else waits for the same failure for this long.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, Deserialize)]
struct Discovered {
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
}

/// The keys could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreachable;

pub(super) struct Jwks {
    issuer: String,
    http: reqwest::Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    discovered: Option<Discovered>,
    keys: Option<HashMap<String, DecodingKey>>,
    refetched: Option<Instant>,
    failed: Option<Instant>,
}

impl Jwks {
    pub(super) fn new(issuer: String, http: reqwest::Client) -> Self {
        Self { issuer, http, state: Mutex::new(State::default()) }
    }

    /// The key of that id; `None` if the issuer has no such key.
    pub(super) async fn key(&self, kid: &str) -> Result<Option<DecodingKey>, Unreachable> {
        let mut state = self.state.lock().await;
        if let Some(key) = state.keys.as_ref().and_then(|keys| keys.get(kid)) {
            return Ok(Some(key.clone()));
        }
        if state.keys.is_some() {
            if state.refetched.is_some_and(|at| at.elapsed() < REFETCH) {
                return Ok(None);
            }
            state.refetched = Some(Instant::now());
        }
        let keys = self.fetch(&mut state).await?;
        let key = keys.get(kid).cloned();
        state.keys = Some(keys);
        Ok(key)
    }

    /// Where profiles are asked for, if the issuer says.
    pub(super) async fn userinfo(&self) -> Result<Option<String>, Unreachable> {
        let mut state = self.state.lock().await;
        Ok(self.discover(&mut state).await?.userinfo_endpoint)
    }

    async fn fetch(&self, state: &mut State) -> Result<HashMap<String, DecodingKey>, Unreachable> {
        let discovered = self.discover(state).await?;
        let Some(set) = self.get::<JwkSet>(&discovered.jwks_uri).await else {
            state.failed = Some(Instant::now());
            return Err(Unreachable);
        };
        Ok(set.keys.iter().filter_map(signing_key).collect())
    }

    async fn discover(&self, state: &mut State) -> Result<Discovered, Unreachable> {
        if let Some(discovered) = &state.discovered {
            return Ok(discovered.clone());
        }
        if state.failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(Unreachable);
        }
        for document in ["openid-configuration", "oauth-authorization-server"] {
            let address = format!("{}/.well-known/{document}", self.issuer);
            if let Some(discovered) = self.get::<Discovered>(&address).await {
                state.discovered = Some(discovered.clone());
                return Ok(discovered);
            }
        }
        state.failed = Some(Instant::now());
        Err(Unreachable)
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Option<T> {
        let answer =
            async { self.http.get(address).send().await?.error_for_status()?.json::<T>().await };
        match answer.await {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::warn!(%error, "the identity provider did not answer as it should");
                None
            }
        }
    }
}

fn signing_key(jwk: &Jwk) -> Option<(String, DecodingKey)> {
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
    let kid = jwk.common.key_id.clone().filter(|_| signs)?;
    Some((kid, DecodingKey::from_jwk(jwk).ok()?))
}
