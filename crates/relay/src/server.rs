//! The listener: connections in, requests to the router, a graceful end.
//!
//! Our own accept loop on hyper, because it is where a connection is bounded: TCP_NODELAY (without
//! it each small answer waits some 40 ms for an acknowledgement), time-outs for headers and bodies
//! that do not come, a close that does not take the answer with it ([`linger`]), and a stop that
//! lets running requests end and closes idle connections at once.

mod linger;

use crate::app::App;
use crate::threads::Threads;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::Extensions;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use linger::{Lingering, Unread};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// How long a sender is waited for.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Headers that have begun, and the pause between two requests.
    headers: Duration,
    /// A whole body.
    body: Duration,
    /// What still comes of a body that has been answered already.
    rest: Duration,
}

const PATIENCE: Patience = Patience {
    headers: Duration::from_secs(30),
    body: Duration::from_secs(120),
    rest: Duration::from_secs(10),
};
/// How long everything is given when the relay stops: the generations' half a minute, and then
/// what it takes to write their ends.
const GRACE: Duration = Duration::from_secs(35);
const MAX_HEADERS: usize = 64;
/// What a connection may hold of a request's head, and of answers that its client does not read.
const BUFFER: usize = 64 * 1024;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Accepts until the relay stops, then waits for what is running.
pub async fn run(app: Arc<App>, router: Router, listener: TcpListener, mut threads: Threads) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (router, stopping) = (router.clone(), app.stopping.clone());
                let stream = stream.into_std();
                let served = async move {
                    match there(stream) {
                        Ok(stream) => connection(router, stream, peer, PATIENCE, stopping).await,
                        Err(error) => tracing::warn!(%error, "a connection could not be served"),
                    }
                };
                connections.spawn_on(served, threads.next());
            }
            Err(error) => {
                // Out of descriptors, most likely: connections that end make room.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    app.tasks.close();
    let ended = async {
        connections.wait().await;
        app.tasks.wait().await;
    };
    if tokio::time::timeout(GRACE, ended).await.is_err() {
        tracing::warn!("some work was still running when the grace time was over");
    }
}

/// A stream whose bytes move with the runtime that this is called in.
fn there(stream: std::io::Result<std::net::TcpStream>) -> std::io::Result<TcpStream> {
    TcpStream::from_std(stream?)
}

/// A body that must have come whole within [`Patience::body`], however busily its sender drips.
struct Bounded {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
    /// All of it has come, or no more will.
    over: bool,
    unread: Unread,
}

/// The sender was too slow.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come in time")]
struct TooSlow;

impl Bounded {
    fn body(body: Incoming, patience: Duration, unread: Unread) -> Body {
        unread.set(false);
        if body.is_end_stream() {
            return Body::empty();
        }
        let deadline = Box::pin(tokio::time::sleep(patience));
        Body::new(Self { body, deadline, over: false, unread })
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        self.unread.set(!self.over && !self.body.is_end_stream());
    }
}

impl hyper::body::Body for Bounded {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.over = !matches!(frame, Some(Ok(_)));
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        self.deadline.as_mut().poll(context).map(|()| Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

async fn connection(
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    patience: Patience,
    stopping: CancellationToken,
) {
    stream.set_nodelay(true).ok();
    let unread = Unread::default();
    let stream = Lingering::new(stream, unread.clone(), patience.rest);
    let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let mut request: Request =
            request.map(|body| Bounded::body(body, patience.body, unread.clone()));
        let extensions: &mut Extensions = request.extensions_mut();
        extensions.insert(Peer(peer));
        // In a box of its own, which goes when the answer has begun: a stream that lasts for hours
        // must not keep the room in which its request was worked on.
        Box::pin(router.clone().oneshot(request))
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.headers);
    builder.max_headers(MAX_HEADERS).max_buf_size(BUFFER);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use http::StatusCode;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const SHORT: Patience = Patience {
        headers: Duration::from_millis(200),
        body: Duration::from_millis(400),
        rest: Duration::from_millis(200),
    };

    /// What comes back to somebody who sends this at once and then, every few milliseconds, another
    /// letter, until they are hung up on.
    async fn drip(begin: &str, letter: &str) -> String {
        async fn read(body: Result<Bytes, axum::extract::rejection::BytesRejection>) -> StatusCode {
            body.map_or_else(|refused| refused.status(), |_| StatusCode::OK)
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut client = TcpStream::connect(listener.local_addr().expect("an address"))
            .await
            .expect("a connection");
        let (stream, peer) = listener.accept().await.expect("a connection");
        let router = Router::new().route("/", post(read));
        let served = connection(router, stream, peer, SHORT, CancellationToken::new());
        let (mut answers, mut out) = client.split();
        let mut answer = String::new();
        let dripping = async {
            out.write_all(begin.as_bytes()).await.expect("written");
            while out.write_all(letter.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            std::future::pending::<()>().await;
        };
        let hung_up = async {
            tokio::select! {
                () = dripping => {}
                ((), _) = async { tokio::join!(served, answers.read_to_string(&mut answer)) } => {}
            }
        };
        tokio::time::timeout(Duration::from_secs(20), hung_up).await.expect("it hangs up");
        answer
    }

    #[tokio::test]
    async fn headers_that_drip_are_not_waited_for() {
        assert_eq!(drip("POST / HTTP/1.1\r\nhost: x\r\nx-slow: ", "a").await, "");
        assert_eq!(drip("", "").await, "", "nor somebody who says nothing");
    }

    #[tokio::test]
    async fn a_body_that_drips_is_refused_and_not_waited_for() {
        let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
        let answer = drip(head, "a").await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
}
