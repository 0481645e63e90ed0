//! Whether everything that a configuration names can be reached: one line a service, for
//! `autocrea-relay check`.
//!
//! Each service is asked one cheap question that also shows whether our key is taken. A model that
//! is scaled to zero is well: it wakes when it is needed.

use crate::config::Config;
use autocrea_protocol::account::Interval;
use http::StatusCode;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use std::fmt;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

/// How one service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub service: &'static str,
    /// Whether it can be worked with.
    pub well: bool,
    /// What was seen; no secret, no address.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.well { "ok" } else { "FAILED" };
        write!(f, "{}: {verdict}, {}", self.service, self.what)
    }
}

/// Asks every service, all at the same time.
///
/// # Errors
/// If an HTTP client cannot be made.
pub async fn services(config: &Config) -> Result<Vec<Finding>, reqwest::Error> {
    let http = Client::builder().timeout(PATIENCE).connect_timeout(PATIENCE / 2).build()?;
    let (clerk, stripe, joxcoder, resend, redis) = tokio::join!(
        clerk(&http, config),
        stripe(&http, config),
        joxcoder(&http, config),
        resend(&http, config),
        redis(config)
    );
    Ok(vec![clerk, stripe, joxcoder, resend, redis])
}

fn finding(service: &'static str, well: bool, what: impl Into<String>) -> Finding {
    Finding { service, well, what: what.into() }
}

fn with_key(request: RequestBuilder, key: Option<&SecretString>) -> RequestBuilder {
    match key {
        Some(key) => request.bearer_auth(key.expose_secret()),
        None => request,
    }
}

/// The status that was answered, or why there was none.
async fn status(request: RequestBuilder) -> Result<StatusCode, String> {
    match request.send().await {
        Ok(answer) => Ok(answer.status()),
        Err(error) if error.is_timeout() => Err("it did not answer in time".to_owned()),
        Err(error) if error.is_connect() => Err("no connection to it could be made".to_owned()),
        Err(_) => Err("it did not answer as it should".to_owned()),
    }
}

async fn clerk(http: &Client, config: &Config) -> Finding {
    let mut last = String::new();
    for document in ["openid-configuration", "oauth-authorization-server"] {
        let address = format!("{}/.well-known/{document}", config.clerk.issuer);
        match status(http.get(address)).await {
            Ok(StatusCode::OK) => return finding("clerk", true, "discovery answers"),
            Ok(status) => last = format!("discovery answers {status}; is the issuer right?"),
            Err(reason) => last = reason,
        }
    }
    finding("clerk", false, last)
}

async fn stripe(http: &Client, config: &Config) -> Finding {
    let mut asked = 0;
    for plan in config.plans.iter() {
        for price in [Interval::Month, Interval::Year].iter().filter_map(|it| plan.price_id(*it)) {
            let address = format!("{}/v1/prices/{price}", config.stripe.api_base);
            let request = with_key(http.get(address), Some(&config.stripe.secret_key));
            let plan = &plan.id;
            match status(request).await {
                Ok(StatusCode::OK) => asked += 1,
                Ok(StatusCode::UNAUTHORIZED) => {
                    return finding("stripe", false, "the secret key is not taken");
                }
                Ok(StatusCode::NOT_FOUND) => {
                    return finding("stripe", false, format!("it has no such price for {plan}"));
                }
                Ok(status) => return finding("stripe", false, format!("it answers {status}")),
                Err(reason) => return finding("stripe", false, reason),
            }
        }
    }
    finding("stripe", true, format!("the key is taken and {asked} prices are there"))
}

async fn joxcoder(http: &Client, config: &Config) -> Finding {
    let address = format!("{}/models", config.joxcoder.url);
    match status(with_key(http.get(address), config.joxcoder.token.as_ref())).await {
        Ok(StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) => {
            finding("joxcoder", true, "it sleeps and wakes when it is needed")
        }
        Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            finding("joxcoder", false, "the token is not taken")
        }
        Ok(status) if status.is_success() => finding("joxcoder", true, "it lists its models"),
        // Not every server lists models; that it answers at all is what matters.
        Ok(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) => {
            finding("joxcoder", true, "it answers, without a list of models")
        }
        Ok(status) => finding("joxcoder", false, format!("it answers {status}")),
        Err(reason) => finding("joxcoder", false, reason),
    }
}

async fn resend(http: &Client, config: &Config) -> Finding {
    let Some(key) = &config.resend.api_key else {
        return finding("resend", true, "no key: mails are kept and not sent");
    };
    let address = format!("{}/domains", config.resend.base_url);
    match status(with_key(http.get(address), Some(key))).await {
        // A key that may only send is answered 401 here and works all the same.
        Ok(status) if !status.is_server_error() => finding("resend", true, "it answers"),
        Ok(status) => finding("resend", false, format!("it answers {status}")),
        Err(reason) => finding("resend", false, reason),
    }
}

async fn redis(config: &Config) -> Finding {
    let Some(address) = &config.redis_url else {
        return finding("redis", true, "none: each replica counts and caches for itself");
    };
    match crate::redis::reach(address).await {
        Ok(()) => finding("redis", true, "it answers and can be written to"),
        Err(absence) => finding("redis", false, absence.to_string()),
    }
}
