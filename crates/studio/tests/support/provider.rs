//! An OAuth provider as a test plays it: consent at once, PKCE checked, refresh tokens that rotate.

use super::server::Server;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use url::Url;

pub const CLIENT: &str = "client_autocrea";

#[derive(Default)]
struct Inner {
    base: String,
    counter: u64,
    /// Code → (person, challenge, redirect).
    codes: HashMap<String, (String, String, String)>,
    refresh: HashMap<String, String>,
    access: HashMap<String, String>,
    refreshes: u32,
    revoked: Vec<String>,
    /// Seconds that access tokens live.
    lives: u64,
}

#[derive(Clone)]
pub struct Provider {
    inner: Arc<Mutex<Inner>>,
    server: Arc<Server>,
}

type Shared = Arc<Mutex<Inner>>;

impl Provider {
    pub fn start() -> Self {
        let inner = Arc::new(Mutex::new(Inner { lives: 3600, ..Inner::default() }));
        let shared = Arc::clone(&inner);
        let server = Server::start(move |address| {
            shared.lock().base = format!("http://{address}");
            Router::new()
                .route("/.well-known/openid-configuration", get(discovery))
                .route("/token", post(token))
                .route("/userinfo", get(userinfo))
                .route("/revoke", post(revoke))
                .with_state(shared)
        });
        Self { inner, server: Arc::new(server) }
    }

    pub fn issuer(&self) -> String {
        self.inner.lock().base.clone()
    }

    pub fn kill(&self) {
        self.server.kill();
    }

    pub fn revive(&self) {
        self.server.revive();
    }

    /// A person says yes to the address that the browser was sent to; where it is sent back to, as
    /// the bounce page would make of it.
    pub fn consent(&self, url: &Url, person: &str) -> String {
        let (code, state, redirect) = self.consent_at(url, person);
        let mut link: Url = if redirect.starts_with("http://127.0.0.1") {
            redirect.parse().expect("an address")
        } else {
            "autocrea://auth/callback".parse().expect("an address")
        };
        link.query_pairs_mut().append_pair("code", &code).append_pair("state", &state);
        link.to_string()
    }

    fn consent_at(&self, url: &Url, person: &str) -> (String, String, String) {
        let asked: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(asked["client_id"], CLIENT);
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["code_challenge_method"], "S256");
        let mut inner = self.inner.lock();
        inner.counter += 1;
        let code = format!("code-{}", inner.counter);
        let redirect = asked["redirect_uri"].clone();
        let value = (person.to_owned(), asked["code_challenge"].clone(), redirect.clone());
        inner.codes.insert(code.clone(), value);
        (code, asked["state"].clone(), redirect)
    }

    /// Whom an access token speaks for.
    pub fn person(&self, access: &str) -> Option<String> {
        self.inner.lock().access.get(access).cloned()
    }

    /// No access token is good any more.
    pub fn end_access(&self) {
        self.inner.lock().access.clear();
    }

    /// No refresh token is good any more.
    pub fn end_refresh(&self) {
        self.inner.lock().refresh.clear();
    }

    pub fn refreshes(&self) -> u32 {
        self.inner.lock().refreshes
    }

    pub fn revoked(&self) -> usize {
        self.inner.lock().revoked.len()
    }
}

async fn discovery(State(inner): State<Shared>) -> Json<Value> {
    let base = inner.lock().base.clone();
    Json(json!({
        "issuer": base,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "userinfo_endpoint": format!("{base}/userinfo"),
        "revocation_endpoint": format!("{base}/revoke"),
        "jwks_uri": format!("{base}/jwks"),
    }))
}

async fn token(
    State(inner): State<Shared>,
    Form(form): Form<HashMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    let refused = (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"})));
    let mut inner = inner.lock();
    assert_eq!(form.get("client_id").map(String::as_str), Some(CLIENT));
    let person = match form["grant_type"].as_str() {
        "authorization_code" => {
            let Some((person, challenge, redirect)) = inner.codes.remove(&form["code"]) else {
                return refused;
            };
            let verifier = Sha256::digest(form["code_verifier"].as_bytes());
            if URL_SAFE_NO_PAD.encode(verifier) != challenge || form["redirect_uri"] != redirect {
                return refused;
            }
            person
        }
        "refresh_token" => {
            inner.refreshes += 1;
            match inner.refresh.remove(&form["refresh_token"]) {
                Some(person) => person,
                None => return refused,
            }
        }
        _ => return refused,
    };
    inner.counter += 1;
    let (access, refresh) = (format!("at-{}", inner.counter), format!("rt-{}", inner.counter));
    inner.access.insert(access.clone(), person.clone());
    inner.refresh.insert(refresh.clone(), person);
    let lives = inner.lives;
    let answer = json!({
        "access_token": access, "token_type": "Bearer", "expires_in": lives,
        "refresh_token": refresh, "scope": "openid profile email offline_access",
    });
    (StatusCode::OK, Json(answer))
}

async fn userinfo(
    State(inner): State<Shared>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let token = super::relay::bearer(&headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let person = inner.lock().access.get(&token).cloned().ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(Json(json!({ "sub": person })))
}

async fn revoke(
    State(inner): State<Shared>,
    Form(form): Form<HashMap<String, String>>,
) -> StatusCode {
    let mut inner = inner.lock();
    inner.refresh.remove(&form["token"]);
    inner.revoked.push(form["token"].clone());
    StatusCode::OK
}
