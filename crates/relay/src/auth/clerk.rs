//! Clerk: whether an access token is good, and what a person's profile says.
//!
//! JWT access tokens are checked here by the issuer's keys ([`super::token`]) and remembered for as
//! long as they are good ([`super::verified`]). Opaque ones (`oat_…`) are asked of Clerk's own API,
//! and the answer is remembered for at most a minute, under a hash of the token. Nothing of a token
//! is logged.

use super::jwks::Jwks;
use super::token::{self, Expected};
use super::verified::Verified;
use crate::account::ClerkProfile;
use crate::config::ClerkSettings;
use crate::upstream::{self, Service};
use autocrea_protocol::{UnixMillis, UserId};
use http::StatusCode;
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long the answer about an opaque token is believed, and how many are remembered.
const OPAQUE_FOR: Duration = Duration::from_secs(60);
const OPAQUE_MOST: usize = 50_000;
/// A profile that could not be had is asked for again after this long.
const PROFILE_RETRY_MILLIS: i64 = 10_000;

/// Why a token does not let anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not good.
    #[error("the token was refused: {0}")]
    Refused(&'static str),
    /// Whether it is good could not be found out.
    #[error("the identity provider does not answer")]
    Unreachable,
}

/// The identity provider.
pub struct Clerk {
    settings: ClerkSettings,
    http: reqwest::Client,
    jwks: Jwks,
    profiles_asked: Mutex<HashMap<UserId, UnixMillis>>,
    /// By the hash of the token: whose it is (`None`: nobody's), and when that was found out.
    opaque: Mutex<HashMap<TokenHash, Answer>>,
    verified: Verified,
}

pub(super) type TokenHash = [u8; 32];
type Answer = (Option<UserId>, Instant);

/// What Clerk says of an opaque token. `expired` and `revoked` decide; `expiration` has been seen
/// in seconds and in milliseconds, so it is not read.
#[derive(Deserialize)]
struct OpaqueToken {
    subject: String,
    client_id: String,
    revoked: Option<bool>,
    expired: Option<bool>,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    email: Option<String>,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    picture: Option<String>,
}

impl Clerk {
    /// A client for the configured issuer.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub fn new(settings: ClerkSettings) -> Result<Self, reqwest::Error> {
        let http = upstream::client()
            .timeout(Duration::from_secs(5))
            .connect_timeout(Duration::from_secs(3))
            .build()?;
        let jwks = Jwks::new(settings.issuer.clone(), http.clone());
        Ok(Self {
            settings,
            http,
            jwks,
            profiles_asked: Mutex::default(),
            opaque: Mutex::default(),
            verified: Verified::default(),
        })
    }

    /// Whose access token this is.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn verify(&self, token: &str) -> Result<UserId, TokenError> {
        if token.starts_with("oat_") {
            let user = self.verify_opaque(token).await?;
            return user.ok_or(TokenError::Refused("opaque token"));
        }
        self.verify_jwt(token).await
    }

    /// Sees to it that keys which were withdrawn go, and addresses that have changed come.
    pub async fn renew(&self) {
        self.jwks.renew().await;
    }

    /// Whether [`Clerk::verify`] would ask Clerk about this very token.
    #[must_use]
    pub fn would_be_asked(&self, token: &str) -> bool {
        token.starts_with("oat_")
            && self.settings.secret_key.is_some()
            && self.remembered(&hash(token)).is_none()
    }

    fn remembered(&self, hash: &TokenHash) -> Option<Option<UserId>> {
        let opaque = self.opaque.lock();
        let (user, at) = opaque.get(hash)?;
        (at.elapsed() < OPAQUE_FOR).then(|| user.clone())
    }

    async fn verify_opaque(&self, token: &str) -> Result<Option<UserId>, TokenError> {
        let secret = self.settings.secret_key.as_ref();
        let secret = secret.ok_or(TokenError::Refused("no secret key for opaque tokens"))?;
        let hash = hash(token);
        if let Some(user) = self.remembered(&hash) {
            return Ok(user);
        }
        let request = self
            .http
            .post(format!("{}/oauth_applications/access_tokens/verify", self.settings.api_url))
            .bearer_auth(secret.expose_secret())
            .json(&serde_json::json!({ "access_token": token }));
        let asked = Service::Clerk.send("token", request).await;
        let Ok(answer) = asked else { return Err(TokenError::Unreachable) };
        let user = match answer.status() {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => {
                None
            }
            status if status.is_success() => {
                let token =
                    answer.json::<OpaqueToken>().await.map_err(|_| TokenError::Unreachable)?;
                let ours = token.client_id == self.settings.client_id && !token.subject.is_empty();
                let ended = [token.revoked, token.expired].contains(&Some(true));
                (ours && !ended).then_some(UserId(token.subject))
            }
            status => {
                tracing::warn!(%status, "Clerk would not verify an opaque token");
                return Err(TokenError::Unreachable);
            }
        };
        let mut opaque = self.opaque.lock();
        if opaque.len() >= OPAQUE_MOST {
            opaque.retain(|_, (_, at)| at.elapsed() < OPAQUE_FOR);
        }
        if opaque.len() < OPAQUE_MOST {
            opaque.insert(hash, (user.clone(), Instant::now()));
        }
        Ok(user)
    }

    async fn verify_jwt(&self, token: &str) -> Result<UserId, TokenError> {
        let (hash, edition) = (hash(token), self.jwks.edition());
        if let Some(user) = self.verified.get(&hash, edition) {
            return Ok(user);
        }
        let asked = token::examine(token)?;
        let key = self.jwks.key(&asked.kid).await.map_err(|_| TokenError::Unreachable)?;
        let key = key.ok_or(TokenError::Refused("kid is unknown"))?;
        let expected =
            Expected { issuer: &self.settings.issuer, client_id: &self.settings.client_id };
        let good = token::subject(token, &asked, &key, expected)?;
        self.verified.keep(hash, &good, edition);
        Ok(good.user)
    }

    /// Whether a profile may be asked for now: for somebody `new` always (they may have left and come
    /// back), and otherwise not soon after the last time.
    pub(super) fn may_ask_profile(&self, user: &UserId, new: bool, now: UnixMillis) -> bool {
        let mut asked = self.profiles_asked.lock();
        asked.retain(|_, at| (0..PROFILE_RETRY_MILLIS).contains(&now.millis_since(*at)));
        let may = new || !asked.contains_key(user);
        if may {
            asked.insert(user.clone(), now);
        }
        may
    }

    /// What Clerk says of the person whose token this is; `None` when it could not be had.
    pub(super) async fn profile(&self, user: &UserId, token: &str) -> Option<ClerkProfile> {
        let address = self.jwks.userinfo().await.ok()??;
        let answer = async {
            let request = self.http.get(address).bearer_auth(token);
            Service::Clerk
                .send("profile", request)
                .await?
                .error_for_status()?
                .json::<UserInfo>()
                .await
        };
        match answer.await {
            Ok(info) if info.sub == user.as_str() => Some(ClerkProfile {
                email: said(info.email),
                name: said(info.name).or_else(|| full_name(info.given_name, info.family_name)),
                image_url: said(info.picture),
            }),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(error = %error.without_url(), "a profile could not be fetched");
                None
            }
        }
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// What is not blank, without what no text of a person's has and PostgreSQL cannot keep.
pub(super) fn said(text: Option<String>) -> Option<String> {
    text.map(|it| it.replace('\0', "")).filter(|it| !it.trim().is_empty())
}

pub(super) fn full_name(given: Option<String>, family: Option<String>) -> Option<String> {
    let parts: Vec<String> = [said(given), said(family)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
