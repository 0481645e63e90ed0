//! The one module that speaks to Stripe.
//!
//! [`Stripe`] makes the calls that async-stripe's builders put together. What is read comes back
//! either as [`Facts`], the few things that billing decides by, or as the small structs of the
//! sub-modules: neither async-stripe's types nor [`objects`] leave this folder. [`signature`] and
//! [`envelope`] read webhooks.
//!
//! Every call has a time-out. Every POST carries an idempotency key that the caller chooses from
//! what the call is about. A call that failed on the way is tried once more with the same key.
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
mod objects;
mod read;
pub mod setup;
pub mod signature;
pub mod subscriptions;

use self::api::{ATTEMPT_TIMEOUT, Api};
use self::objects::{List, Listed};
use crate::upstream::Service;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use stripe::StripeRequest;
use stripe_client_core::RequestBuilder as Call;
use tokio::sync::OnceCell;

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
}

/// Stripe, as one account with one key. Cheap to clone.
#[derive(Clone)]
pub struct Stripe {
    api: Api,
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
    /// With `key`, against `base` (an origin, without `/v1`).
    ///
    /// # Errors
    /// [`StripeFault::Configuration`] when no HTTP client can be made.
    pub fn new(key: &SecretString, base: &str) -> Result<Self, StripeFault> {
        Ok(Self { api: Api::new(base, key)?, portal: Arc::default() })
    }

    /// A read.
    async fn get<T: DeserializeOwned>(
        &self,
        what: &'static str,
        request: &impl StripeRequest,
    ) -> Result<T, StripeFault> {
        twice(|| self.once(what, request.build(), None)).await
    }

    /// Every object of a list, as what `keep` makes of it: lists grow for years, so no more than a
    /// page of them is held.
    async fn all<T: DeserializeOwned + Listed, K>(
        &self,
        what: &'static str,
        request: &impl StripeRequest,
        keep: impl Fn(T) -> K,
    ) -> Result<Vec<K>, StripeFault> {
        let mut kept = Vec::new();
        let mut last: Option<String> = None;
        loop {
            let page = || {
                let mut call = request.build();
                if let Some(last) = &last {
                    let after = format!("starting_after={last}");
                    call.query =
                        Some(call.query.map_or(after.clone(), |it| format!("{it}&{after}")));
                }
                self.once::<List<T>>(what, call, None)
            };
            let page = twice(page).await?;
            last = page.data.last().map(|last| last.id().to_owned());
            kept.extend(page.data.into_iter().map(&keep));
            // Nothing is after nothing, whatever the page says.
            if !page.has_more || last.is_none() {
                return Ok(kept);
            }
        }
    }

    /// A write, at most once for a `key`.
    async fn post<T: DeserializeOwned>(
        &self,
        what: &'static str,
        key: &str,
        request: &impl StripeRequest,
    ) -> Result<T, StripeFault> {
        twice(|| self.once(what, request.build(), Some(key))).await
    }

    /// One attempt, counted; that Stripe says no is no failure of Stripe's.
    async fn once<T: DeserializeOwned>(
        &self,
        what: &'static str,
        call: Call,
        key: Option<&str>,
    ) -> Result<T, StripeFault> {
        let failed = |came: &Result<T, StripeFault>| {
            matches!(came, Err(StripeFault::Unavailable { .. } | StripeFault::Unreadable(_)))
        };
        Service::Stripe.watch(what, failed, self.api.call(what, call, key)).await
    }
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
