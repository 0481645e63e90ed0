//! The listener: connections in, requests to the router, a graceful end.
//!
//! Our own accept loop on hyper, because it is where a connection is bounded: TCP_NODELAY (without
//! it each small answer waits some 40 ms for an acknowledgement), time-outs for headers and bodies
//! that do not come, and a stop that lets running requests end and closes idle connections at once.

use crate::app::App;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::Extensions;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Headers that have begun, and the pause between two requests.
const HEADERS: Duration = Duration::from_secs(30);
const BODY: Duration = Duration::from_secs(120);
/// How long everything is given when the relay stops: the generations' half a minute, and then
/// what it takes to write their ends.
const GRACE: Duration = Duration::from_secs(35);
const MAX_HEADERS: usize = 64;
const BUFFER: usize = 64 * 1024;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Accepts until the relay stops, then waits for what is running.
pub async fn run(app: Arc<App>, router: Router, listener: TcpListener) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = app.stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let served = connection(Arc::clone(&app), router.clone(), stream, peer);
                connections.spawn(served);
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

/// A body that must have come whole within [`BODY`], however busily its sender drips.
struct Bounded {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
}

/// The sender was too slow.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come in time")]
struct TooSlow;

impl Bounded {
    fn body(body: Incoming) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(Self { body, deadline: Box::pin(tokio::time::sleep(BODY)) })
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

async fn connection(app: Arc<App>, router: Router, stream: TcpStream, peer: SocketAddr) {
    stream.set_nodelay(true).ok();
    let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let mut request: Request = request.map(Bounded::body);
        let extensions: &mut Extensions = request.extensions_mut();
        extensions.insert(Peer(peer));
        router.clone().oneshot(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder.max_headers(MAX_HEADERS).max_buf_size(BUFFER);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = app.stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
