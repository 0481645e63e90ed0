//! Clerk's twin: an OAuth 2 / OpenID provider for one public client, on loopback.
//!
//! A browser comes to `/oauth/authorize`, a person is chosen, and the browser goes back with a
//! single-use code that `/oauth/token` exchanges against the PKCE verifier. Tests that need no
//! browser ask for a token directly ([`Clerk::access_token`]).
//!
//! Like Clerk's own, access tokens are RS256 `at+jwt` with `client_id` and no `aud`, or opaque
//! `oat_…` ones when so switched. There are no passwords: whoever can reach loopback may be anybody.

mod authorize;
mod codes;
mod discovery;
mod keys;
mod page;
mod people;
mod state;
mod token;
mod webhooks;

pub use people::Person;
pub use webhooks::{Delivery, sign};

use crate::clock::Clock;
use crate::serving::{Bound, Serving};
use axum::Router;
use axum::routing::{get, post};
use serde_json::Value;
use state::State;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Ports that the desktop app may listen on for the way back from the browser.
pub const LOOPBACK_PORTS: [u16; 3] = [47_821, 47_822, 47_823];
/// What the app asks for.
pub const SCOPES: &str = "openid profile email offline_access";

/// How Clerk is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// 0 takes any free port.
    pub port: u16,
    /// What time it is for Clerk.
    pub clock: Clock,
    /// How long an access token is good for. Clerk's own live a day.
    pub access_token_life: Duration,
    /// Ports of `http://127.0.0.1:<port>/callback` that are registered.
    pub loopback_ports: Vec<u16>,
    /// Further registered redirect addresses, compared exactly.
    pub redirects: Vec<String>,
    /// Where keys, people and refresh tokens are kept so that they outlast the process.
    pub state_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            clock: Clock::new(),
            access_token_life: Duration::from_secs(24 * 60 * 60),
            loopback_ports: LOOPBACK_PORTS.to_vec(),
            redirects: Vec::new(),
            state_file: None,
        }
    }
}

/// What can be made to go differently, by tests and on the index page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// A refresh hands out a new refresh token and ends the old one.
    pub rotate_refresh_tokens: bool,
    /// Access tokens are opaque `oat_…` ones.
    pub opaque_access_tokens: bool,
    /// `userinfo` answers 500.
    pub userinfo_down: bool,
    /// The token endpoint answers 503.
    pub token_down: bool,
}

/// A running twin of Clerk; stops when dropped.
pub struct Clerk {
    state: Arc<State>,
    serving: Serving,
}

impl Clerk {
    /// Starts it.
    ///
    /// # Errors
    /// When no port can be had, no key can be made or the state file cannot be read.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let bound = Bound::to(options.port).await?;
        let url = bound.url();
        let state = tokio::task::spawn_blocking(move || State::new(url, options)).await??;
        let state = Arc::new(state);
        let serving = bound.serve(routes(Arc::clone(&state)));
        Ok(Self { state, serving })
    }

    /// The issuer: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        self.serving.url().to_owned()
    }

    /// The public client's id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.state.client_id
    }

    /// The secret key of the backend API, for opaque tokens.
    #[must_use]
    pub fn secret_key(&self) -> &str {
        &self.state.secret_key
    }

    /// Clerk's clock; moving it ages codes and tokens.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.state.clock
    }

    /// An access token for that person, who is made if new.
    #[must_use]
    pub fn access_token(&self, email: &str) -> String {
        let person = self.state.person(email, "");
        self.state.access_token_for(&person.id, SCOPES)
    }

    /// An opaque `oat_…` access token for that person, who is made if new.
    #[must_use]
    pub fn opaque_token(&self, email: &str) -> String {
        let person = self.state.person(email, "");
        self.state.opaque_token_for(&person.id, SCOPES)
    }

    /// A JWT with exactly these claims, signed by the key in force: for tokens that must be refused.
    #[must_use]
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        self.state.sign(typ, claims)
    }

    /// A fresh refresh token for that person, as a sign-in would have given.
    #[must_use]
    pub fn refresh_token(&self, email: &str) -> String {
        let person = self.state.person(email, "");
        self.state.refresh_token_for(&person.id, SCOPES)
    }

    /// The id of that person, who is made if new.
    #[must_use]
    pub fn user_id(&self, email: &str) -> String {
        self.state.person(email, "").id
    }

    /// Everybody known, oldest first.
    #[must_use]
    pub fn people(&self) -> Vec<Person> {
        self.state.people()
    }

    /// Registers a redirect address; matching is exact.
    pub fn register_redirect(&self, address: &str) {
        self.state.register_redirect(address);
    }

    /// Makes a new signing key. The old one stays published if `keep_old`.
    ///
    /// # Errors
    /// When no key can be made.
    pub async fn rotate_key(&self, keep_old: bool) -> anyhow::Result<()> {
        let state = Arc::clone(&self.state);
        tokio::task::spawn_blocking(move || state.rotate_key(keep_old)).await?
    }

    /// How often the JWKS has been fetched.
    #[must_use]
    pub fn jwks_fetches(&self) -> u64 {
        self.state.jwks_fetches()
    }

    /// How long access tokens live from now on.
    pub fn set_access_token_life(&self, life: Duration) {
        self.state.set_access_token_life(life);
    }

    /// The switches as they stand.
    #[must_use]
    pub fn switches(&self) -> Switches {
        self.state.switches()
    }

    /// Sets the switches.
    pub fn set_switches(&self, switches: Switches) {
        self.state.set_switches(switches);
    }

    /// Ends every access and refresh token of that person that Clerk can end (JWTs it cannot).
    pub fn revoke(&self, email: &str) {
        self.state.revoke_person(email);
    }

    /// Where user events go, and the `whsec_…` secret that signs them.
    pub fn webhook_target(&self, url: &str, secret: &str) {
        self.state.webhooks.target(url, secret);
    }

    /// Sends `user.created`, `user.updated` or `user.deleted` about that person; returns the
    /// status that the target answered, if there is a target and it answered.
    pub async fn send_user_event(&self, kind: &str, email: &str) -> Option<u16> {
        let person = self.state.person(email, "");
        self.state.send_user_event(kind, &person).await
    }

    /// Gives a person, made if new, another name, without telling anybody.
    pub fn rename(&self, email: &str, name: &str) {
        self.state.rename(email, name);
    }

    /// Deletes a person, ends their tokens, and sends `user.deleted`; returns the status that the
    /// target answered. JWTs that they have stay good until they expire, as Clerk's do.
    pub async fn delete_user(&self, email: &str) -> Option<u16> {
        let person = self.state.remove(email)?;
        self.state.send_user_event("user.deleted", &person).await
    }

    /// Every webhook sent, oldest first.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.state.webhooks.deliveries()
    }
}

fn routes(state: Arc<State>) -> Router {
    Router::new()
        .route("/", get(page::home))
        .route("/.well-known/openid-configuration", get(discovery::document))
        .route("/.well-known/oauth-authorization-server", get(discovery::document))
        .route("/.well-known/jwks.json", get(discovery::jwks))
        .route("/oauth/authorize", get(authorize::show).post(authorize::decide))
        .route("/oauth/token", post(token::exchange))
        .route("/oauth/token/revoke", post(token::revoke))
        .route("/oauth/userinfo", get(token::userinfo).post(token::userinfo))
        .route("/avatar/{id}", get(page::avatar))
        .route("/v1/oauth_applications/access_tokens/verify", post(token::verify_opaque))
        .with_state(state)
}
