//! Connections to the endpoint, each moved along by whoever is using it.
//!
//! A connection in a task of its own hands over every chunk of an answer by a turn of the scheduler,
//! and a model that is fast sends dozens of them at once. Here the one who reads an answer moves the
//! connection's bytes in the same poll: what has come is read in one go, and when the answer is
//! dropped the connection is closed with it.
//!
//! A connection whose answer has been read to its end waits for the next question ([`Idle`]).

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::time::{Instant, sleep};

/// What a connection is made of.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Wire = http1::Connection<Stream, Full<Bytes>>;

/// How long a connection waits for the next question. Shorter than what proxies keep: a question on
/// one that is just being closed has failed, since it may not be asked twice.
const IDLE: Duration = Duration::from_secs(30);
/// The most that is read of the network at once. A client that is not told reads ahead by up to
/// 400 KiB a connection when the model is faster than we are.
pub(super) const READ_BYTES: usize = 16 << 10;

/// See the module.
pub(super) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    wire: Option<Pin<Box<Wire>>>,
}

impl Line {
    /// Over a connection that has just been made.
    pub(super) async fn open(stream: Stream) -> Result<Self, hyper::Error> {
        let made = http1::Builder::new().max_buf_size(READ_BYTES).handshake(stream).await;
        made.map(|(sender, wire)| Self { sender, wire: Some(Box::pin(wire)) })
    }

    /// Sends a request and waits for the head of its response. The error holds the request if not a
    /// byte of it was sent.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let mut answered = pin!(self.sender.try_send_request(request));
        let wire = &mut self.wire;
        poll_fn(|cx| moved(wire, cx, |cx| answered.poll_unpin(cx))).await
    }

    /// The next bytes of a response; safe to drop while waiting.
    pub(super) async fn chunk(
        &mut self,
        body: &mut Incoming,
    ) -> Option<Result<Bytes, hyper::Error>> {
        poll_fn(|cx| self.poll_chunk(body, cx)).await
    }

    /// As [`Line::chunk`], if there are any at once.
    pub(super) async fn chunk_at_hand(
        &mut self,
        body: &mut Incoming,
    ) -> Option<Option<Result<Bytes, hyper::Error>>> {
        poll_fn(|cx| {
            Poll::Ready(match self.poll_chunk(body, cx) {
                Poll::Ready(chunk) => Some(chunk),
                Poll::Pending => None,
            })
        })
        .await
    }

    fn poll_chunk(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, hyper::Error>>> {
        moved(&mut self.wire, cx, |cx| {
            loop {
                match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        // Trailers say nothing here.
                        if let Ok(data) = frame.into_data() {
                            return Poll::Ready(Some(Ok(data)));
                        }
                    }
                    Poll::Ready(Some(Err(fault))) => return Poll::Ready(Some(Err(fault))),
                    Poll::Ready(None) => return Poll::Ready(None),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
    }

    /// Reads a response to its end; whether another request may follow.
    async fn finish(&mut self, mut body: Incoming) -> bool {
        while let Some(chunk) = self.chunk(&mut body).await {
            if chunk.is_err() {
                return false;
            }
        }
        let (sender, wire) = (&mut self.sender, &mut self.wire);
        poll_fn(|cx| moved(wire, cx, |cx| sender.poll_ready(cx))).await.is_ok()
    }

    /// Whether it can carry a request, as far as is known here.
    fn is_open(&mut self, cx: &mut Context<'_>) -> bool {
        turn(&mut self.wire, cx);
        self.wire.is_some() && self.sender.is_ready()
    }
}

/// What `poll` answers, the connection's bytes being moved if it has to wait for them. What they
/// bring wakes whoever polls this, too.
fn moved<T>(
    wire: &mut Option<Pin<Box<Wire>>>,
    cx: &mut Context<'_>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    if let Poll::Ready(it) = poll(cx) {
        return Poll::Ready(it);
    }
    turn(wire, cx);
    poll(cx)
}

/// Moves the bytes there are. A fault is told to whoever waits for a response, too.
fn turn(wire: &mut Option<Pin<Box<Wire>>>, cx: &mut Context<'_>) {
    if wire.as_mut().is_some_and(|moving| moving.poll_unpin(cx).is_ready()) {
        *wire = None;
    }
}

fn here() -> runtime::Id {
    runtime::Handle::current().id()
}

/// The connections that wait for the next question; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Idle(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// Of each runtime: a connection's bytes move with the one in which it was made.
    lines: HashMap<runtime::Id, Vec<(Instant, Line)>>,
    swept: bool,
}

impl Idle {
    /// The one that has waited least; the others then grow old.
    pub(super) async fn take(&self) -> Option<Line> {
        loop {
            let (since, mut line) = self.0.lock().lines.get_mut(&here())?.pop()?;
            let open = poll_fn(|cx| Poll::Ready(line.is_open(cx))).await;
            if open && since.elapsed() < IDLE {
                return Some(line);
            }
        }
    }

    /// Keeps a connection once its response has been read to its end.
    pub(super) async fn keep(self, mut line: Line, body: Incoming) {
        if !line.finish(body).await {
            return;
        }
        let swept = {
            let mut waiting = self.0.lock();
            waiting.lines.entry(here()).or_default().push((Instant::now(), line));
            std::mem::replace(&mut waiting.swept, true)
        };
        if !swept {
            tokio::spawn(self.sweep());
        }
    }

    /// Closes those that have waited for too long, until none is left.
    async fn sweep(self) {
        loop {
            sleep(IDLE).await;
            let mut waiting = self.0.lock();
            waiting.lines.retain(|_, lines| {
                lines.retain(|(since, _)| since.elapsed() < IDLE);
                !lines.is_empty()
            });
            waiting.swept = !waiting.lines.is_empty();
            if !waiting.swept {
                return;
            }
        }
    }
}
