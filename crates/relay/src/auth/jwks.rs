//! The issuer's signing keys, and the addresses that discovery gives.
//!
//! Keys are fetched when first needed and kept. A token that names an unknown key makes them be
//! fetched again, at most once in 30 seconds (the first fetch not counting): a key that has just
//! been rotated in works at once, and invented key ids cost Clerk nothing. Who brings a known key
//! never waits for that. Keys that are an hour old are fetched again beside it all ([`Jwks::renew`]):
//! otherwise one that was withdrawn would stay good until somebody brings an unknown one.

use crate::upstream::Service;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use parking_lot::RwLock;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

const REFETCH: Duration = Duration::from_secs(30);
/// How long keys are taken for the issuer's without asking.
const FRESH: Duration = Duration::from_secs(3600);
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
    /// Read by every request, and never held while Clerk is asked.
    known: RwLock<Known>,
    /// Held while Clerk is asked: whoever needs the same answer waits for it.
    asking: Mutex<Asking>,
}

#[derive(Default)]
struct Known {
    discovered: Option<Discovered>,
    keys: Option<HashMap<String, DecodingKey>>,
    fetched: Option<Instant>,
    /// Grows when the keys are replaced.
    edition: u64,
}

impl Known {
    fn key(&self, kid: &str) -> Option<DecodingKey> {
        self.keys.as_ref()?.get(kid).cloned()
    }

    fn learn(&mut self, keys: HashMap<String, DecodingKey>) {
        self.keys = Some(keys);
        self.fetched = Some(Instant::now());
        self.edition += 1;
    }
}

#[derive(Default)]
struct Asking {
    refetched: Option<Instant>,
    failed: Option<Instant>,
}

impl Asking {
    fn may_ask(&self) -> Result<(), Unreachable> {
        let pausing = self.failed.is_some_and(|at| at.elapsed() < PAUSE);
        if pausing { Err(Unreachable) } else { Ok(()) }
    }
}

impl Jwks {
    pub(super) fn new(issuer: String, http: reqwest::Client) -> Self {
        Self { issuer, http, known: RwLock::default(), asking: Mutex::default() }
    }

    /// The key of that id; `None` if the issuer has no such key.
    pub(super) async fn key(&self, kid: &str) -> Result<Option<DecodingKey>, Unreachable> {
        if let Some(key) = self.known.read().key(kid) {
            return Ok(Some(key));
        }
        let mut asking = self.asking.lock().await;
        // While this one waited, another may have brought it.
        if let Some(key) = self.known.read().key(kid) {
            return Ok(Some(key));
        }
        asking.may_ask()?;
        if self.known.read().keys.is_some() {
            if asking.refetched.is_some_and(|at| at.elapsed() < REFETCH) {
                // Whether the issuer has such a key is not known while it does not answer.
                return if asking.failed.is_some() { Err(Unreachable) } else { Ok(None) };
            }
            asking.refetched = Some(Instant::now());
        }
        let keys = self.fetch(&mut asking).await?;
        let key = keys.get(kid).cloned();
        self.known.write().learn(keys);
        Ok(key)
    }

    /// Asks the issuer again, addresses and keys, once what is known is an hour old. While it does not
    /// answer, or has nothing to say, what is known stays.
    pub(super) async fn renew(&self) {
        if self.known.read().fetched.is_none_or(|at| at.elapsed() < FRESH) {
            return;
        }
        let mut asking = self.asking.lock().await;
        if let Some(discovered) = self.look_up().await {
            self.known.write().discovered = Some(discovered);
        }
        if let Ok(keys) = self.fetch(&mut asking).await
            && !keys.is_empty()
        {
            self.known.write().learn(keys);
        }
    }

    /// Which keys are known: what an earlier edition has vouched for is to be verified anew.
    pub(super) fn edition(&self) -> u64 {
        self.known.read().edition
    }

    /// Where profiles are asked for, if the issuer says.
    pub(super) async fn userinfo(&self) -> Result<Option<String>, Unreachable> {
        if let Some(discovered) = &self.known.read().discovered {
            return Ok(discovered.userinfo_endpoint.clone());
        }
        let mut asking = self.asking.lock().await;
        asking.may_ask()?;
        Ok(self.discover(&mut asking).await?.userinfo_endpoint)
    }

    async fn fetch(
        &self,
        asking: &mut Asking,
    ) -> Result<HashMap<String, DecodingKey>, Unreachable> {
        let discovered = self.discover(asking).await?;
        let Some(set) = self.get::<JwkSet>(&discovered.jwks_uri).await else {
            asking.failed = Some(Instant::now());
            return Err(Unreachable);
        };
        asking.failed = None;
        Ok(set.keys.iter().filter_map(signing_key).collect())
    }

    async fn discover(&self, asking: &mut Asking) -> Result<Discovered, Unreachable> {
        let known = self.known.read().discovered.clone();
        if let Some(discovered) = known {
            return Ok(discovered);
        }
        let Some(discovered) = self.look_up().await else {
            asking.failed = Some(Instant::now());
            return Err(Unreachable);
        };
        self.known.write().discovered = Some(discovered.clone());
        Ok(discovered)
    }

    async fn look_up(&self) -> Option<Discovered> {
        for document in ["openid-configuration", "oauth-authorization-server"] {
            let address = format!("{}/.well-known/{document}", self.issuer);
            let discovered = self.get::<Discovered>(&address).await;
            if discovered.is_some() {
                return discovered;
            }
        }
        None
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Option<T> {
        let answer = async {
            let asked = Service::Clerk.send("keys", self.http.get(address)).await?;
            asked.error_for_status()?.json::<T>().await
        };
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::routing::get;
    use http::StatusCode;
    use serde_json::{Value, json};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Notify;

    /// An issuer of one key, which from its second answer on does what a test says.
    struct Issuer {
        asked: AtomicUsize,
        arrived: Notify,
        then: Then,
    }

    #[derive(Clone, Copy)]
    enum Then {
        Hangs,
        Fails,
        HasNone,
        HasAnother,
    }

    impl Issuer {
        async fn keys(&self) -> Result<axum::Json<Value>, StatusCode> {
            if self.asked.fetch_add(1, Ordering::SeqCst) > 0 {
                self.arrived.notify_one();
                return match self.then {
                    Then::Hangs => std::future::pending().await,
                    Then::Fails => Err(StatusCode::BAD_GATEWAY),
                    Then::HasNone => Ok(axum::Json(json!({ "keys": [] }))),
                    Then::HasAnother => Ok(axum::Json(json!({ "keys": [key("two")] }))),
                };
            }
            Ok(axum::Json(json!({ "keys": [key("one")] })))
        }
    }

    fn key(kid: &str) -> Value {
        let number = "AQ".repeat(21) + "A";
        json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": number, "y": number})
    }

    async fn issuer(then: Then) -> (Arc<Issuer>, Arc<Jwks>) {
        rustls::crypto::ring::default_provider().install_default().ok();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let made = Issuer { asked: AtomicUsize::new(0), arrived: Notify::new(), then };
        let (issuer, document) = (Arc::new(made), json!({ "jwks_uri": format!("{url}/keys") }));
        let answering = Arc::clone(&issuer);
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(async || axum::Json(document)))
            .route("/keys", get(async move || answering.keys().await));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        (issuer, Arc::new(Jwks::new(url, http)))
    }

    #[tokio::test]
    async fn a_known_key_does_not_wait_for_an_issuer_that_hangs() {
        let (issuer, jwks) = issuer(Then::Hangs).await;
        assert!(jwks.key("one").await.expect("keys").is_some());
        let invented = Arc::clone(&jwks);
        let waiting = tokio::spawn(async move { invented.key("two").await.map(|_| ()) });
        issuer.arrived.notified().await;
        let known = tokio::time::timeout(Duration::from_secs(20), jwks.key("one")).await;
        assert!(known.expect("at once").expect("keys").is_some());
        assert!(jwks.userinfo().await.is_ok());
        assert!(!waiting.is_finished());
        waiting.abort();
    }

    #[tokio::test]
    async fn an_issuer_that_fails_is_left_alone_and_its_keys_are_not_called_unknown() {
        let (issuer, jwks) = issuer(Then::Fails).await;
        assert!(jwks.key("one").await.expect("keys").is_some());
        for _ in 0..3 {
            assert_eq!(jwks.key("two").await.map(|_| ()), Err(Unreachable));
        }
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
        assert!(jwks.key("one").await.expect("keys").is_some());
    }

    #[tokio::test]
    async fn keys_that_never_came_are_not_asked_for_by_everyone_who_waits() {
        let (issuer, jwks) = issuer(Then::Fails).await;
        issuer.asked.store(1, Ordering::SeqCst);
        let asked = futures_util::future::join_all((0..5).map(|_| jwks.key("one"))).await;
        assert!(asked.iter().all(Result::is_err));
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
    }

    /// What becomes of a known key within the hour, and after it.
    async fn known_for_an_hour(then: Then) -> bool {
        let (issuer, jwks) = issuer(then).await;
        assert!(jwks.key("one").await.expect("keys").is_some());
        let edition = jwks.edition();
        jwks.renew().await;
        assert_eq!((issuer.asked.load(Ordering::SeqCst), jwks.edition()), (1, edition));
        jwks.known.write().fetched = Instant::now().checked_sub(FRESH);
        jwks.renew().await;
        assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
        let is_known = jwks.known.read().key("one").is_some();
        assert_eq!(jwks.edition() == edition, is_known, "what it vouched for is verified anew");
        is_known
    }

    #[tokio::test]
    async fn a_key_that_was_withdrawn_is_good_for_an_hour_and_an_outage_withdraws_none() {
        assert!(!known_for_an_hour(Then::HasAnother).await);
        assert!(known_for_an_hour(Then::HasNone).await);
        assert!(known_for_an_hour(Then::Fails).await);
    }
}
