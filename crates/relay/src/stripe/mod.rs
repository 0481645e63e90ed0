//! The one module that speaks to Stripe.
//!
//! [`Stripe`] wraps async-stripe's client. What is read comes back either as [`Facts`], the few
//! things that billing decides by, or as the small structs of the sub-modules: async-stripe's
//! types do not leave this folder. [`signature`] and [`envelope`] read webhooks.
//!
//! Every call has a time-out (the client has none by default). Every POST carries an idempotency
//! key that the caller chooses from what the call is about; the client's own `Retry` strategies,
//! which make up a random key, are never used. A call that failed on the way is tried once more
//! with the same key.
//!
//! Deliberately not here: what any of it means (`crate::billing`).
//!
//! [`Facts`]: crate::billing::facts::Facts

pub mod api;
pub mod catalog;
pub mod checkout;
pub mod customers;
pub mod envelope;
pub mod events;
pub mod invoices;
mod read;
pub mod setup;
pub mod signature;
pub mod subscriptions;

use crate::upstream::Service;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use stripe::{IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use tokio::sync::OnceCell;

/// One attempt at one call.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(12);
/// What async-stripe says of a failure whose body is not an error of Stripe's, such as the page of
/// a gateway.
const NOT_STRIPES: [&str; 2] = ["error deserializing Stripe error", "Response was not valid UTF-8"];
/// Between the two attempts.
const SECOND_ATTEMPT_AFTER: Duration = Duration::from_millis(300);

/// What went wrong at Stripe, without a word of what was sent or answered: bodies carry e-mail
/// addresses, and request URLs carry ids that belong to people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StripeFault {
    /// There is no such object, or it is another account's.
    #[error("Stripe knows no such {0}")]
    NotFound(&'static str),
    /// Stripe understood and said no.
    #[error("Stripe refused {what}: status {status}, code {code}")]
    Refused {
        /// Which call.
        what: &'static str,
        /// HTTP status.
        status: u16,
        /// Stripe's machine-readable code, or `-`.
        code: String,
    },
    /// No answer, a 5xx, a 429, or a failure not in Stripe's words: worth trying again later.
    #[error("Stripe could not be reached for {what}: {why}")]
    Unavailable {
        /// Which call.
        what: &'static str,
        /// In a few words.
        why: String,
    },
    /// An answer that is not in the shape of the API version that we speak.
    #[error("Stripe's answer to {0} is not of API version 2026-09-30.endive")]
    Unreadable(&'static str),
    /// Key or base URL cannot be used.
    #[error("Stripe's client cannot be made: {0}")]
    Configuration(String),
}

impl StripeFault {
    /// Whether the same call may work later.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    fn of(what: &'static str, error: StripeError) -> Self {
        match error {
            StripeError::Stripe(body, status) => {
                let code = body
                    .code
                    .as_ref()
                    .map_or_else(|| "-".to_owned(), |code| code.as_str().to_owned());
                match status {
                    404 => Self::NotFound(what),
                    400 if code == "resource_missing" => Self::NotFound(what),
                    409 | 429 | 500.. => {
                        Self::Unavailable { what, why: format!("status {status}, code {code}") }
                    }
                    _ => Self::Refused { what, status, code },
                }
            }
            // What stands between Stripe and us answers a failure in its own words: the client
            // says only that they are not Stripe's, and not which status they came with.
            StripeError::JSONDeserialize(why) if NOT_STRIPES.contains(&why.as_str()) => {
                Self::Unavailable { what, why: "a failure not in Stripe's words".to_owned() }
            }
            StripeError::JSONDeserialize(_) => Self::Unreadable(what),
            StripeError::ClientError(why) => Self::Unavailable { what, why },
            StripeError::Timeout => Self::Unavailable { what, why: "no answer in time".to_owned() },
            StripeError::ConfigError(why) => Self::Configuration(why),
        }
    }
}

/// Stripe, as one account with one key. Cheap to clone.
#[derive(Clone)]
pub struct Stripe {
    client: stripe::Client,
    /// The portal's configuration that `stripe setup` made, once that is known; `None` is the
    /// account's default one.
    portal: Arc<OnceCell<Option<String>>>,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stripe")
    }
}

impl Stripe {
    /// With `key`, against `base` (an origin, without `/v1`) or Stripe itself.
    ///
    /// # Errors
    /// [`StripeFault::Configuration`] when key or base cannot be used.
    pub fn new(key: &SecretString, base: Option<&str>) -> Result<Self, StripeFault> {
        // hyper-rustls panics without a process-wide provider; installing it twice does nothing.
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut builder = stripe::ClientBuilder::new(key.expose_secret())
            .timeout(ATTEMPT_TIMEOUT)
            .request_strategy(RequestStrategy::Once)
            .app_info("AUTOCREA", Some(env!("CARGO_PKG_VERSION").to_owned()), None);
        if let Some(base) = base {
            builder = builder.url(base.trim_end_matches('/'));
        }
        let client = builder.build().map_err(|fault| StripeFault::of("client", fault))?;
        Ok(Self { client, portal: Arc::default() })
    }

    /// A read.
    async fn get<R>(&self, what: &'static str, request: &R) -> Result<R::Output, StripeFault>
    where
        R: StripeRequest + Sync,
        R::Output: miniserde::Deserialize + Send,
    {
        twice(|| async {
            let sent = async { request.customize().send(&self.client).await };
            watched(what, sent).await
        })
        .await
    }

    /// A write, at most once for a `key`.
    async fn post<R>(
        &self,
        what: &'static str,
        key: &str,
        request: &R,
    ) -> Result<R::Output, StripeFault>
    where
        R: StripeRequest + Sync,
        R::Output: miniserde::Deserialize + Send,
    {
        let key = IdempotencyKey::new(key)
            .map_err(|fault| StripeFault::Configuration(fault.to_string()))?;
        twice(|| async {
            let request =
                request.customize().request_strategy(RequestStrategy::Idempotent(key.clone()));
            watched(what, async { request.send(&self.client).await }).await
        })
        .await
    }
}

/// One attempt, counted; that Stripe says no is no failure of Stripe's.
async fn watched<T>(
    what: &'static str,
    call: impl Future<Output = Result<T, StripeError>>,
) -> Result<T, StripeFault> {
    let failed = |came: &Result<T, StripeFault>| {
        matches!(came, Err(StripeFault::Unavailable { .. } | StripeFault::Unreadable(_)))
    };
    let call = async { call.await.map_err(|fault| StripeFault::of(what, fault)) };
    Service::Stripe.watch(what, failed, call).await
}

/// Runs `call`, and once more if the first time failed on the way.
async fn twice<T, F>(call: impl Fn() -> F) -> Result<T, StripeFault>
where
    F: Future<Output = Result<T, StripeFault>>,
{
    match call().await {
        Err(fault) if fault.is_passing() => {
            tokio::time::sleep(SECOND_ATTEMPT_AFTER).await;
            call().await
        }
        done => done,
    }
}

/// Whether `id` can be put into a URL as an id of Stripe's with this prefix.
#[must_use]
pub fn is_id(id: &str, prefix: &str) -> bool {
    id.len() <= 255
        && id.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        })
}

/// The second attempt must not be what keeps a person waiting for longer than a page may take.
const _: () = assert!(ATTEMPT_TIMEOUT.as_secs() * 2 < 30);
