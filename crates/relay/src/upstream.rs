//! The services that the relay needs, as somebody who watches it sees them: every call is counted and
//! timed, and is a span of the trace that it belongs to.
//!
//! What is asked is named in a word or two of ours; addresses and bodies, which carry ids and more,
//! are neither counted by nor told.

use crate::metrics;
use std::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

/// The target of the spans that are exported; nothing else is, and no log shows them.
pub const SPANS: &str = "autocrea_relay::spans";

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
