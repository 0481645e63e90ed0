//! JoxCoder: the one module that speaks to the model's endpoint.
//!
//! [`JoxCoder::ask`] sends a conversation to `{JOXCODER_URL}/chat/completions` and waits until the
//! endpoint answers, for as long as it is scaling up from zero; [`Answer::next`] then gives the
//! text as the network brings it. Nothing is buffered beyond one read, so a caller who does not ask
//! slows the endpoint down and not this process. Dropping either of the two closes the connection,
//! which is how a cancellation reaches the endpoint.
//!
//! Time is bounded three ways: how long the endpoint may take to wake up, how long it may be silent,
//! and how long an answer may take in all (counted after it has woken). After the first byte nothing
//! is tried again.
//!
//! Deliberately not here: tokens, people and what a failure costs.

mod reader;

pub use reader::{AnswerReader, Batch, Ending, ReadError, Reported};

use crate::config::{GenerationSettings, JoxCoderSettings};
use crate::upstream::Service;
use autocrea_protocol::Tokens;
use autocrea_protocol::generation::Message;
use reqwest::{StatusCode, header};
use secrecy::ExposeSecret;
use serde::Serialize;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// Hugging Face holds a request for as long as this header says while it scales up.
const SCALE_UP_HEADER: &str = "x-scale-up-timeout";
/// The longest that is asked for: proxies on the way give up on silent connections soon after.
const LONGEST_HOLD: Duration = Duration::from_secs(30);
/// The wait before the second try; it doubles until [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a TCP and TLS connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection waits for the next question.
const POOL_IDLE: Duration = Duration::from_secs(30);
/// Once the model has given its reason to end, how long its usage and `[DONE]` may take.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// After `[DONE]` the response's own end is awaited so long, so that the connection is used again.
const TAIL: Duration = Duration::from_secs(1);

/// What is asked of the model.
#[derive(Clone, Debug)]
pub struct Question {
    /// The conversation.
    pub messages: Vec<Message>,
    /// The most output allowed.
    pub max_output: Tokens,
}

/// Why there is no answer, or not the whole of it.
#[derive(Debug, thiserror::Error)]
pub enum JoxCoderError {
    /// No connection, or it broke.
    #[error("the connection to the model failed")]
    Connection(#[source] reqwest::Error),
    /// An answer other than success.
    #[error("the model's endpoint answered {0}")]
    Status(StatusCode),
    /// The stream could not be read.
    #[error("the model's answer could not be read")]
    Read(#[from] ReadError),
    /// The stream ended with neither a finish reason nor `[DONE]`.
    #[error("the model's answer broke off")]
    BrokenOff,
    /// It stayed asleep, was silent, or took too long.
    #[error("the model took too long: {0}")]
    Timeout(Patience),
}

/// Which patience ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Connecting.
    Connecting,
    /// Waking up.
    Waking,
    /// Between two reads.
    Idle,
    /// In all.
    Total,
}

impl std::fmt::Display for Patience {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Waking => "waking",
            Self::Idle => "idle",
            Self::Total => "total",
        })
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: &'a [Message],
    max_tokens: i64,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// A client of the endpoint; cheap to clone.
#[derive(Clone, Debug)]
pub struct JoxCoder {
    http: reqwest::Client,
    settings: JoxCoderSettings,
    patience: GenerationSettings,
    address: String,
}

impl JoxCoder {
    /// A client for these settings.
    ///
    /// # Errors
    /// If the process has no TLS provider or no usable certificates.
    pub fn new(
        settings: JoxCoderSettings,
        patience: GenerationSettings,
    ) -> Result<Self, reqwest::Error> {
        // The ring provider is this workspace's only one; installing it twice is harmless.
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // Shorter than what proxies keep: a question on a connection that is just being closed
            // has failed, since it may not be asked twice.
            .pool_idle_timeout(POOL_IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .build()?;
        let address = format!("{}/chat/completions", settings.url.trim_end_matches('/'));
        Ok(Self { http, settings, patience, address })
    }

    /// Sends a question and waits until the endpoint begins to answer. While it is scaling up,
    /// `waking` is told how long the next try is off.
    ///
    /// # Errors
    /// [`JoxCoderError`]; the question has then certainly not been answered.
    pub async fn ask(
        &self,
        question: &Question,
        mut waking: impl FnMut(Duration) + Send,
    ) -> Result<Answer, JoxCoderError> {
        let waking_until = Instant::now() + self.patience.waking;
        let mut hold = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let failed = |came: &Result<reqwest::Response, JoxCoderError>| match came {
                Ok(answer) => answer.status().is_server_error(),
                Err(_) => true,
            };
            let attempt = self.attempt(question, hold);
            let response = Service::JoxCoder.watch("answer", failed, attempt).await?;
            let status = response.status();
            if status.is_success() {
                // A held request has spent its time on scaling up, which the total leaves out.
                let answering_since = if hold.is_some() { Instant::now() } else { began };
                return Ok(Answer {
                    response,
                    reader: AnswerReader::default(),
                    idle: self.patience.idle_timeout,
                    until: answering_since + self.patience.total_timeout,
                });
            }
            if !matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) {
                return Err(JoxCoderError::Status(status));
            }
            drop(response);
            let left = waking_until.saturating_duration_since(Instant::now());
            if left <= pause {
                return Err(JoxCoderError::Timeout(Patience::Waking));
            }
            waking(pause);
            tokio::time::sleep(pause).await;
            hold = Some((left - pause).min(LONGEST_HOLD));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(
        &self,
        question: &Question,
        hold: Option<Duration>,
    ) -> Result<reqwest::Response, JoxCoderError> {
        let mut request =
            self.http.post(&self.address).header(header::ACCEPT, "text/event-stream").json(&Body {
                model: &self.settings.model,
                messages: &question.messages,
                max_tokens: question.max_output.get(),
                stream: true,
                stream_options: StreamOptions { include_usage: true },
            });
        if let Some(token) = &self.settings.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(hold) = hold {
            request = request.header(SCALE_UP_HEADER, hold.as_secs().max(1).to_string());
        }
        let patience = self.patience.idle_timeout + hold.unwrap_or_default();
        match timeout(patience, request.send()).await {
            Err(_) => Err(JoxCoderError::Timeout(Patience::Idle)),
            Ok(Err(fault)) if fault.is_timeout() => {
                Err(JoxCoderError::Timeout(Patience::Connecting))
            }
            Ok(answered) => {
                answered.map_err(|fault| JoxCoderError::Connection(fault.without_url()))
            }
        }
    }
}

/// An answer that has begun.
#[derive(Debug)]
pub struct Answer {
    response: reqwest::Response,
    reader: AnswerReader,
    idle: Duration,
    until: Instant,
}

impl Answer {
    /// The text of the next read that brings any; `None` at the end. Safe to drop while waiting.
    ///
    /// On failure the text that had arrived before the fault is left in `batch`.
    ///
    /// # Errors
    /// [`JoxCoderError`]: the answer is then not whole.
    pub async fn next(&mut self, batch: &mut Batch) -> Result<bool, JoxCoderError> {
        while !self.ending().done {
            let ending = *self.ending();
            // A model that has given its reason owes nothing more that is worth failing for.
            let patience = if ending.is_whole() { LAST_WORDS.min(self.idle) } else { self.idle };
            let idle_until = Instant::now() + patience;
            let read = match timeout_at(idle_until.min(self.until), self.response.chunk()).await {
                _ if ending.is_whole() && self.until <= Instant::now() => return Ok(false),
                Ok(read) => read.map_err(|fault| JoxCoderError::Connection(fault.without_url())),
                Err(_) if self.until <= idle_until => Err(JoxCoderError::Timeout(Patience::Total)),
                Err(_) => Err(JoxCoderError::Timeout(Patience::Idle)),
            };
            match read {
                Ok(Some(bytes)) => {
                    self.reader.push(&bytes, batch)?;
                    if batch.pieces > 0 {
                        return Ok(true);
                    }
                }
                Ok(None) if ending.is_whole() => return Ok(false),
                Ok(None) => return Err(JoxCoderError::BrokenOff),
                Err(_) if ending.is_whole() => return Ok(false),
                Err(fault) => return Err(fault),
            }
        }
        Ok(false)
    }

    /// What the model has said about the end so far.
    #[must_use]
    pub const fn ending(&self) -> &Ending {
        self.reader.ending()
    }

    /// Lets the response end by itself, in the background and not for long, so that its connection
    /// can carry the next question. Only for an answer that is whole.
    pub fn leave(mut self) {
        if self.ending().done {
            tokio::spawn(timeout(TAIL, async move {
                while let Ok(Some(_)) = self.response.chunk().await {}
            }));
        }
    }
}

#[cfg(test)]
mod tests;
