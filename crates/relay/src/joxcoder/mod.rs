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

mod line;
mod reader;
mod text;

pub use reader::{AnswerReader, Batch, Ending, ReadError, Reported};

use crate::config::{GenerationSettings, JoxCoderSettings};
use crate::upstream::{self, Service};
use autocrea_protocol::Tokens;
use autocrea_protocol::generation::Message;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use line::{Idle, Line, READ_BYTES};
use secrecy::ExposeSecret;
use serde::Serialize;
use std::error::Error;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use tower::ServiceExt as _;

/// Hugging Face holds a request for as long as this header says while it scales up.
const SCALE_UP_HEADER: &str = "x-scale-up-timeout";
/// The longest that is asked for: proxies on the way give up on silent connections soon after.
const LONGEST_HOLD: Duration = Duration::from_secs(30);
/// The shortest: the header is in seconds.
const SHORTEST_HOLD: Duration = Duration::from_secs(1);
/// How much longer than the time to wake up an answer is waited for that was held to its end.
const AFTER_HOLD: Duration = Duration::from_secs(2);
/// The wait before the second try; it doubles until [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a TCP and TLS connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Once the model has given its reason to end, how long its usage and `[DONE]` may take.
const LAST_WORDS: Duration = Duration::from_secs(15);
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
    /// No connection, or it broke before the answer began.
    #[error("the connection to the model failed")]
    Connection(#[source] Box<dyn Error + Send + Sync>),
    /// The connection broke while the model was answering.
    #[error("the connection to the model broke")]
    Broken(#[source] hyper::Error),
    /// The question cannot be written.
    #[error("the question cannot be written")]
    Question,
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

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// `JOXCODER_URL` is nowhere to connect to.
    #[error("the model's address cannot be used")]
    Address,
    /// `HF_TOKEN` holds what no header may.
    #[error("the model's token cannot be sent")]
    Token,
}

/// A client of the endpoint; cheap to clone.
///
/// It is hyper's own, and speaks HTTP/1.1: an answer is one long response, and what is read ahead of
/// whoever listens must be bounded.
#[derive(Clone)]
pub struct JoxCoder {
    connector: HttpsConnector<HttpConnector>,
    idle: Idle,
    model: String,
    patience: GenerationSettings,
    /// Where it is.
    address: Uri,
    /// The same, for the head of a request.
    path: PathAndQuery,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

impl JoxCoder {
    /// A client for these settings.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn new(
        settings: &JoxCoderSettings,
        patience: GenerationSettings,
    ) -> Result<Self, OpenError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(upstream::tls())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let address = format!("{}/chat/completions", settings.url.trim_end_matches('/'));
        let address = url::Url::parse(&address).map_err(|_| OpenError::Address)?;
        let address: Uri = address.as_str().parse().map_err(|_| OpenError::Address)?;
        let path = address.path_and_query().ok_or(OpenError::Address)?.clone();
        let host = address.host().ok_or(OpenError::Address)?;
        let host = match address.port_u16() {
            Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
            None => HeaderValue::try_from(host),
        };
        let authorization = settings.token.as_ref().map(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))?;
            value.set_sensitive(true);
            Ok::<_, http::header::InvalidHeaderValue>(value)
        });
        Ok(Self {
            connector,
            idle: Idle::default(),
            model: settings.model.clone(),
            patience,
            host: host.map_err(|_| OpenError::Address)?,
            path,
            address,
            authorization: authorization.transpose().map_err(|_| OpenError::Token)?,
        })
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
        let GenerationSettings { idle_timeout, total_timeout, .. } = self.patience;
        let answers_within = idle_timeout.min(total_timeout);
        let mut hold: Option<Duration> = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let failed = |came: &Result<(Line, Response<Incoming>), JoxCoderError>| match came {
                Ok((_, answer)) => answer.status().is_server_error(),
                Err(_) => true,
            };
            let patience = hold.map_or(answers_within, |hold| {
                // Held for the rest of the time, it is not waited for much longer than that.
                let left = waking_until.saturating_duration_since(began);
                (hold + answers_within).min(left.max(hold) + AFTER_HOLD)
            });
            let attempt = self.attempt(question, hold, patience);
            let (line, response) = Service::JoxCoder.watch("answer", failed, attempt).await?;
            let status = response.status();
            if status.is_success() {
                // A held request has spent its time on scaling up, which the total leaves out.
                let answering_since = if hold.is_some() { Instant::now() } else { began };
                return Ok(Answer {
                    line,
                    body: response.into_body(),
                    idle_lines: self.idle.clone(),
                    reader: AnswerReader::default(),
                    idle: self.patience.idle_timeout,
                    until: answering_since + self.patience.total_timeout,
                });
            }
            if !matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) {
                return Err(JoxCoderError::Status(status));
            }
            drop((line, response));
            let left = waking_until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(JoxCoderError::Timeout(Patience::Waking));
            }
            // The last try is at the very end.
            let wait = pause.min(left);
            waking(wait);
            tokio::time::sleep(wait).await;
            hold = Some((left - wait).clamp(SHORTEST_HOLD, LONGEST_HOLD));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(
        &self,
        question: &Question,
        hold: Option<Duration>,
        patience: Duration,
    ) -> Result<(Line, Response<Incoming>), JoxCoderError> {
        let body = serde_json::to_vec(&Body {
            model: &self.model,
            messages: &question.messages,
            max_tokens: question.max_output.get(),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
        });
        let body = body.map_err(|_| JoxCoderError::Question)?;
        let mut request = Request::post(Uri::from(self.path.clone()))
            .header(header::HOST, self.host.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "text/event-stream");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let Some(hold) = hold {
            request = request.header(SCALE_UP_HEADER, hold.as_secs());
        }
        let request = request.body(Full::from(body)).map_err(|_| JoxCoderError::Question)?;
        let GenerationSettings { idle_timeout, total_timeout, .. } = self.patience;
        match timeout(patience, self.send(request)).await {
            Err(_) => Err(JoxCoderError::Timeout(match hold {
                Some(_) => Patience::Waking,
                None if total_timeout <= idle_timeout => Patience::Total,
                None => Patience::Idle,
            })),
            Ok(Err(fault)) if took_too_long(&*fault) => {
                Err(JoxCoderError::Timeout(Patience::Connecting))
            }
            Ok(answered) => answered.map_err(JoxCoderError::Connection),
        }
    }

    /// Sends a request on a connection that waits for one, or on a new one.
    async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Line, Response<Incoming>), Box<dyn Error + Send + Sync>> {
        while let Some(mut line) = self.idle.take().await {
            match line.ask(request).await {
                Ok(response) => return Ok((line, response)),
                // Closed meanwhile, and nothing of the question was sent: it is asked on another.
                Err(mut fault) => match fault.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(fault.into_error().into()),
                },
            }
        }
        let stream = self.connector.clone().oneshot(self.address.clone()).await?;
        let mut line = Line::open(stream).await?;
        let response = line.ask(request).await.map_err(TrySendError::into_error)?;
        Ok((line, response))
    }
}

/// Whether a connection did not come about in time.
fn took_too_long(fault: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(fault);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::TimedOut;
        }
        cause = error.source();
    }
    false
}

impl std::fmt::Debug for JoxCoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoxCoder").field("address", &self.address).finish_non_exhaustive()
    }
}

/// An answer that has begun.
pub struct Answer {
    line: Line,
    body: Incoming,
    idle_lines: Idle,
    reader: AnswerReader,
    idle: Duration,
    until: Instant,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").field("ending", self.ending()).finish_non_exhaustive()
    }
}

impl Answer {
    /// The next text, with what else has come by then; false at the end. Safe to drop while waiting.
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
            let read = match timeout_at(idle_until.min(self.until), self.line.chunk(&mut self.body))
                .await
            {
                _ if ending.is_whole() && self.until <= Instant::now() => return Ok(false),
                Ok(read) => read.transpose().map_err(JoxCoderError::Broken),
                Err(_) if self.until <= idle_until => Err(JoxCoderError::Timeout(Patience::Total)),
                Err(_) => Err(JoxCoderError::Timeout(Patience::Idle)),
            };
            match read {
                Ok(Some(bytes)) => {
                    self.reader.push(&bytes, batch)?;
                    if batch.pieces > 0 {
                        self.gather(batch).await?;
                        return Ok(true);
                    }
                }
                Ok(None) => {
                    // A server may leave out the blank line after its last event.
                    let ended = self.reader.push(b"\n\n", batch);
                    if batch.pieces > 0 {
                        return Ok(true);
                    }
                    return match ended {
                        _ if self.ending().is_whole() => Ok(false),
                        Err(fault) => Err(fault.into()),
                        Ok(()) => Err(JoxCoderError::BrokenOff),
                    };
                }
                Err(_) if ending.is_whole() => return Ok(false),
                Err(fault) => return Err(fault),
            }
        }
        Ok(false)
    }

    /// Adds what is there already. A model that is fast sends many pieces while one of them is being
    /// passed on; one by one each of them would cost a write to every client.
    async fn gather(&mut self, batch: &mut Batch) -> Result<(), JoxCoderError> {
        while batch.text.len() < READ_BYTES && !self.ending().done {
            match self.line.chunk_at_hand(&mut self.body).await {
                Some(Some(Ok(bytes))) => self.reader.push(&bytes, batch)?,
                Some(Some(Err(fault))) if !self.ending().is_whole() => {
                    return Err(JoxCoderError::Broken(fault));
                }
                // Nothing more for now; the end is seen again by whoever asks next.
                _ => break,
            }
        }
        Ok(())
    }

    /// What the model has said about the end so far.
    #[must_use]
    pub const fn ending(&self) -> &Ending {
        self.reader.ending()
    }

    /// Lets the response end by itself, in the background and not for long, so that its connection
    /// can carry the next question. Only for an answer that is whole.
    pub fn leave(self) {
        if self.ending().done {
            tokio::spawn(timeout(TAIL, self.idle_lines.keep(self.line, self.body)));
        }
    }
}

#[cfg(test)]
mod tests;
