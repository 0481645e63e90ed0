//! The one module that speaks to Resend.
//!
//! [`Resend::send`] hands one mail over, under the caller's idempotency key: Resend sends a mail
//! once for a key, for 24 hours, and answers the same again. [`events`] reads what Resend tells of
//! addresses.
//!
//! Deliberately not here: when to try again, and what a mail says (`crate::mail`).

pub mod events;

use crate::config::ResendSettings;
use crate::upstream::{self, Service};
use http::{HeaderMap, StatusCode, header};
use reqwest::Client;
use secrecy::ExposeSecret;
use serde::Deserialize;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

/// One attempt, connecting included.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that `retry-after` can make anybody wait.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// How Resend names it that the key is not one, or may not send.
const KEY_FAULTS: [&str; 3] = ["missing_api_key", "invalid_api_key", "restricted_api_key"];

/// Why a mail was not taken. Never says to whom it was, nor anything of what it said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResendFault {
    /// Resend asks for patience; the mail was not taken.
    #[error("too many requests")]
    Patience {
        /// How long, if it says.
        wait: Option<Duration>,
    },
    /// It could not be reached; the mail was not taken.
    #[error("no connection could be made")]
    Unreachable,
    /// It failed, or did not answer in time, or is still at it: the mail may have been taken.
    #[error("{why}")]
    Unsure {
        /// In a few words.
        why: String,
        /// How long it asks to wait, if it says.
        wait: Option<Duration>,
    },
    /// It does not let this relay in: the key is not one, or may not send. That says nothing of the
    /// mail, which was not taken.
    #[error("not let in, {status}, {name}")]
    NotLetIn {
        /// HTTP status.
        status: u16,
        /// Resend's name of the error, or `-`.
        name: String,
    },
    /// It understood and said no.
    #[error("refused with {status}, {name}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Resend's name of the error, or `-`.
        name: String,
    },
}

/// Resend, as one account. Cheap to clone.
#[derive(Clone)]
pub struct Resend {
    http: Client,
    settings: ResendSettings,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

#[derive(Deserialize)]
struct Problem {
    name: String,
}

impl Resend {
    /// As configured; `None` without a key: there is nothing to send with.
    ///
    /// # Errors
    /// If the HTTP client cannot be made.
    pub fn new(settings: &ResendSettings) -> Result<Option<Self>, reqwest::Error> {
        if settings.api_key.is_none() {
            return Ok(None);
        }
        let http =
            upstream::client().timeout(ATTEMPT_TIMEOUT).connect_timeout(CONNECT_TIMEOUT).build()?;
        Ok(Some(Self { http, settings: settings.clone() }))
    }

    /// Hands over the body of a mail as it was rendered; answers Resend's id, if it gives one.
    ///
    /// # Errors
    /// [`ResendFault`].
    pub async fn send(&self, key: &str, body: String) -> Result<Option<String>, ResendFault> {
        let mut request = self
            .http
            .post(format!("{}/emails", self.settings.base_url))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", key)
            .body(body);
        if let Some(api_key) = &self.settings.api_key {
            request = request.bearer_auth(api_key.expose_secret());
        }
        let answer = match Service::Resend.send("mail", request).await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Err(ResendFault::Unreachable),
            Err(_) => return Err(unsure("no answer in time", None)),
        };
        let (status, wait) = (answer.status(), retry_after(answer.headers()));
        if status.is_success() {
            return Ok(answer.json::<Accepted>().await.ok().map(|accepted| accepted.id));
        }
        let name = match answer.json::<Problem>().await {
            Ok(problem) if is_plain(&problem.name) => problem.name,
            _ => "-".to_owned(),
        };
        Err(match status {
            StatusCode::TOO_MANY_REQUESTS => ResendFault::Patience { wait },
            _ if KEY_FAULTS.contains(&name.as_str()) => {
                ResendFault::NotLetIn { status: status.as_u16(), name }
            }
            StatusCode::CONFLICT if name != "invalid_idempotent_request" => {
                unsure("still at it", wait)
            }
            status if status.is_client_error() => {
                ResendFault::Refused { status: status.as_u16(), name }
            }
            status => unsure(&format!("it answered {}", status.as_u16()), wait),
        })
    }
}

fn unsure(why: &str, wait: Option<Duration>) -> ResendFault {
    ResendFault::Unsure { why: why.to_owned(), wait }
}

/// Whether an error's name is one, and not a sentence that could name somebody.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(secs) => Duration::from_secs(secs),
        Err(_) => {
            let at = OffsetDateTime::parse(text, &Rfc2822).ok()?;
            Duration::try_from(at - OffsetDateTime::now_utc()).unwrap_or(Duration::ZERO)
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::response::IntoResponse;
    use http::HeaderValue;

    fn waits(text: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(text));
        retry_after(&headers)
    }

    /// What comes of a mail that is answered so.
    async fn sent(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Sent {
        let routes = axum::Router::new().fallback(async move || answer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let settings = ResendSettings {
            api_key: Some("re_key".into()),
            from: "noreply@example.org".into(),
            base_url,
            webhook_secrets: Vec::new(),
        };
        let resend = Resend::new(&settings).expect("a client").expect("a key");
        resend.send("mail-1", "{}".to_owned()).await
    }

    type Sent = Result<Option<String>, ResendFault>;

    #[tokio::test]
    async fn what_was_taken_was_taken_whatever_else_is_said_of_it() {
        assert_eq!(sent(r#"{"id":"re_1"}"#).await, Ok(Some("re_1".into())));
        assert_eq!(sent("{}").await, Ok(None));
        assert_eq!(sent("ok").await, Ok(None));
    }

    #[tokio::test]
    async fn only_a_key_that_is_none_says_nothing_of_the_mail() {
        for name in KEY_FAULTS {
            let refusal = sent((StatusCode::FORBIDDEN, format!(r#"{{"name":"{name}"}}"#))).await;
            assert!(matches!(refusal, Err(ResendFault::NotLetIn { .. })), "{refusal:?}");
        }
        for body in [r#"{"name":"validation_error"}"#, "", "no"] {
            let refusal = sent((StatusCode::FORBIDDEN, body)).await;
            assert!(matches!(refusal, Err(ResendFault::Refused { status: 403, .. })), "{body}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date_and_is_never_more_than_a_day() {
        assert_eq!(waits("7"), Some(Duration::from_secs(7)));
        assert_eq!(waits("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(waits("99999999"), Some(LONGEST_WAIT));
        assert_eq!(waits("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn what_goes_to_the_log_of_a_refusal_is_a_name_and_no_sentence() {
        assert!(is_plain("validation_error"));
        assert!(!is_plain("ana@example.com is not valid") && !is_plain(""));
    }
}
