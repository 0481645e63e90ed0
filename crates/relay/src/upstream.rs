//! The services that the relay needs, as somebody who watches it sees them: every call is counted and
//! timed, and is a span of the trace that it belongs to.
//!
//! What is asked is named in a word or two of ours; addresses and bodies, which carry ids and more,
//! are neither counted by nor told.

use crate::metrics;
use reqwest::ClientBuilder;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::ConfigVerifierExt as _;
use std::sync::OnceLock;
use std::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

/// The target of the spans that are exported; nothing else is, and no log shows them.
pub const SPANS: &str = "autocrea_relay::spans";

/// With what encrypted connections are made. The system's certificates are read once: every client
/// by itself would read them all, and keep them. On a system that has none nobody is trusted: what is
/// not encrypted can still be reached, and [`trusts_nobody`] says why nothing else can.
pub fn tls() -> ClientConfig {
    TLS.get_or_init(|| {
        // The ring provider is this workspace's only one; installing it twice is harmless.
        rustls::crypto::ring::default_provider().install_default().ok();
        let tls = ClientConfig::with_platform_verifier();
        let trusting = tls.map(|tls| (tls, false));
        trusting.unwrap_or_else(|error| {
            tracing::warn!(%error, "this system has no trusted certificates: nothing encrypted can be reached");
            let none = RootCertStore::empty();
            (ClientConfig::builder().with_root_certificates(none).with_no_client_auth(), true)
        })
    })
    .0
    .clone()
}

/// The configuration, and whether it trusts nobody.
static TLS: OnceLock<(ClientConfig, bool)> = OnceLock::new();

/// Whether this system has no trusted certificates.
#[must_use]
pub fn trusts_nobody() -> bool {
    tls();
    TLS.get().is_some_and(|(_, nobody)| *nobody)
}

/// An HTTP client to be made.
pub fn client() -> ClientBuilder {
    reqwest::Client::builder().tls_backend_preconfigured(tls())
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Identity.
    Clerk,
    /// Payments.
    Stripe,
    /// The model.
    JoxCoder,
    /// Mail.
    Resend,
}

impl Service {
    /// As it is called in metrics and spans.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clerk => "clerk",
            Self::Stripe => "stripe",
            Self::JoxCoder => "joxcoder",
            Self::Resend => "resend",
        }
    }

    /// Watches a call; `failed` says of what came whether the service failed.
    ///
    /// # Errors
    /// The call's own.
    pub async fn watch<T, E>(
        self,
        what: &'static str,
        failed: impl FnOnce(&Result<T, E>) -> bool,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let service = self.as_str();
        let span = tracing::trace_span!(
            target: SPANS,
            "upstream",
            otel.name = format!("{service} {what}"),
            otel.kind = "client",
            peer.service = service,
            error = Empty,
        );
        let since = Instant::now();
        let came = call.instrument(span.clone()).await;
        let failed = failed(&came);
        if failed {
            span.record("error", true);
        }
        metrics::asked(self, what, failed, since.elapsed());
        came
    }

    /// Sends a request, watched; a 5xx is a failure of the service's.
    ///
    /// # Errors
    /// The request's own.
    pub async fn send(
        self,
        what: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, reqwest::Error> {
        let failed = |came: &Result<reqwest::Response, reqwest::Error>| match came {
            Ok(answer) => answer.status().is_server_error(),
            Err(_) => true,
        };
        self.watch(what, failed, request.send()).await
    }
}
