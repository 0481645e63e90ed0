//! One loopback listener and everything that hangs from it.
//!
//! Dropping a [`Serving`] closes the listener and cuts every open connection at once: a test
//! that drops a twin in mid-stream sees what a pulled cable looks like. Requests whose `Host` is
//! not a loopback name are refused, so that no web page can reach the sandbox by rebinding a
//! name; so are changes that a page from elsewhere asks for.

use anyhow::Context;
use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A bound port of 127.0.0.1 that answers nobody yet: its address is needed to build the service.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Binds `port`; 0 takes any, and so does a port that is taken already.
    ///
    /// # Errors
    /// When not even a free port can be had.
    pub async fn to(port: u16) -> anyhow::Result<Self> {
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => listener,
            Err(refused) => {
                tracing::info!(port, %refused, "the port is taken; using a free one");
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                    .await
                    .context("no loopback port can be had")?
            }
        };
        let address = listener.local_addr().context("the listener has no address")?;
        Ok(Self { listener, address })
    }

    /// `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with `router` until the returned value is dropped.
    #[must_use]
    pub fn serve(self, router: Router) -> Serving {
        let url = self.url();
        let router = router.layer(middleware::from_fn(loopback_only));
        Serving { task: tokio::spawn(accept(self.listener, router)), url }
    }
}

/// A running service. Dropping it stops the service and every connection to it.
#[derive(Debug)]
pub struct Serving {
    task: JoinHandle<()>,
    url: String,
}

impl Serving {
    /// `http://127.0.0.1:<port>`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connections live in a `JoinSet` of this task, so that they end with it.
async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        stream.set_nodelay(true).ok();
        let service = TowerToHyperService::new(router.clone());
        connections.spawn(async move {
            let served = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(broken) = served {
                tracing::debug!(%broken, "a connection broke");
            }
        });
    }
}

async fn loopback_only(request: Request, next: Next) -> Response {
    if is_from_here(&request) {
        next.run(request).await
    } else {
        let why = "The sandbox answers loopback names only.\n";
        (StatusCode::FORBIDDEN, why).into_response()
    }
}

fn is_from_here(request: &Request) -> bool {
    let header = |name| request.headers().get(name)?.to_str().ok();
    let host = header(header::HOST).unwrap_or_default();
    let origin = header(header::ORIGIN).filter(|_| !request.method().is_safe());
    let local = |origin: &str| origin.strip_prefix("http://").is_some_and(is_loopback_host);
    is_loopback_host(host) && origin.is_none_or(local)
}

/// True for `127.0.0.1`, `localhost` and `[::1]`, with or without a port.
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::is_loopback_host;

    #[test]
    fn only_loopback_names_are_answered() {
        for host in ["127.0.0.1", "127.0.0.1:5051", "localhost:80", "[::1]:9", "[::1]"] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["", "example.com", "127.0.0.1.example.com", "evil:5051", "localhost.evil"] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
