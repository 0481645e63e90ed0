//! What is right and what is wrong with a configuration, down to asking every service: one line a
//! finding, for `autocrea-relay check`.
//!
//! Each service is asked cheap questions that also show whether our key is taken and whether what we
//! need of it is there: the prices, the webhook, the portal, the sender's domain. A model that is
//! scaled to zero is well: it wakes when it is needed. What works but deserves a look is a note and
//! fails nothing.

mod clerk;
mod clock;
mod model;
mod resend;
mod settings;
mod stripe;

use crate::config::{Config, Database};
use crate::upstream;
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::Duration;

pub use settings::settings;

const PATIENCE: Duration = Duration::from_secs(10);

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can be worked with.
    Ok,
    /// So too, but somebody should know.
    Note,
    /// It cannot.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen; no secret.
    pub seen: String,
}

impl Finding {
    /// All is well.
    pub fn ok(what: &'static str, seen: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Ok, seen: seen.into() }
    }

    /// Somebody should know.
    pub fn note(what: &'static str, seen: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Note, seen: seen.into() }
    }

    /// It cannot be worked with.
    pub fn failed(what: &'static str, seen: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Failed, seen: seen.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Failed => "FAILED",
        };
        write!(f, "{}: {verdict}, {}", self.what, self.seen)
    }
}

/// Asks every service, all at the same time.
pub async fn services(config: &Config) -> Vec<Finding> {
    let client = upstream::client().timeout(PATIENCE).connect_timeout(PATIENCE / 2).build();
    let http = match client {
        Ok(http) => http,
        Err(error) => return vec![Finding::failed("http", error.to_string())],
    };
    let (public, clerk, stripe, joxcoder, resend, redis) = tokio::join!(
        public_url(&http, config),
        clerk::findings(&http, config),
        stripe::findings(config),
        model::finding(&http, config),
        resend::finding(&http, config),
        redis(config)
    );
    let mut all = vec![public, redis];
    if upstream::trusts_nobody() {
        let seen = "this system has none that are trusted: no https can be reached (install ca-certificates, or set SSL_CERT_FILE)";
        all.push(Finding::note("certificates", seen));
    }
    for findings in [clerk, stripe, vec![joxcoder, resend]] {
        all.extend(findings);
    }
    all
}

fn with_key(request: RequestBuilder, key: Option<&SecretString>) -> RequestBuilder {
    match key {
        Some(key) => request.bearer_auth(key.expose_secret()),
        None => request,
    }
}

/// What was answered, or why nothing was.
async fn answer(request: RequestBuilder) -> Result<Response, String> {
    request.send().await.map_err(|error| {
        let why = if error.is_timeout() {
            "it did not answer in time"
        } else if error.is_connect() {
            "no connection to it could be made"
        } else {
            "it did not answer as it should"
        };
        why.to_owned()
    })
}

/// Whether we can be reached where people and Stripe will look for us. From here that need not
/// work (a private network, a relay that is not started yet), so it is never a failure.
async fn public_url(http: &Client, config: &Config) -> Finding {
    let what = "public url";
    if config.public_url.starts_with("http://") {
        return Finding::note(
            what,
            "plain http on this machine: good for trying out, and neither Clerk nor Stripe can use it",
        );
    }
    match answer(http.get(format!("{}/healthz", config.public_url))).await {
        Ok(answer) if answer.status() == http::StatusCode::OK => {
            Finding::ok(what, "https, and a relay answers there")
        }
        Ok(answer) => {
            let status = answer.status();
            Finding::note(what, format!("/healthz answers {status} there; is the proxy set up?"))
        }
        Err(why) => Finding::note(what, format!("from here {why}; is the relay started?")),
    }
}

async fn redis(config: &Config) -> Finding {
    let Some(address) = &config.redis_url else {
        let without = match config.database {
            Database::Sqlite(_) => "none: one process counts for itself",
            Database::Postgres(_) => "none: PostgreSQL counts for all replicas, nothing is cached",
        };
        return Finding::ok("redis", without);
    };
    match crate::redis::reach(address).await {
        Ok(()) => {
            Finding::ok("redis", "it answers, takes what is written and passes on what is said")
        }
        Err(absence) => Finding::failed("redis", absence.to_string()),
    }
}
