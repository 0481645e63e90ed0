//! The AUTOCREA relay: keeps the secrets, meters the tokens, tells the app at once when something
//! about the account has changed.
//!
//! A request comes in through [`server`], is given an id and a language by [`error::render`], and
//! reaches a handler in [`routes`]; a handler that needs somebody takes an [`auth::Person`]. What
//! must happen together is a plain function over a [`db::Tx`]: [`ledger`] for tokens, [`account`]
//! for people, [`billing`] for what they pay, [`mail`] for what they are told. After a commit,
//! whoever watches one of the people that it touched ([`changes`]) is told.
//!
//! The program (`main.rs`) only reads the configuration and calls [`start`]; tests do the same in
//! their own process.

pub mod account;
pub mod app;
pub mod auth;
pub mod billing;
pub mod ceiling;
pub mod changes;
pub mod check;
pub mod clock;
pub mod config;
pub mod counter;
pub mod db;
pub mod departure;
pub mod error;
pub mod generation;
pub mod joxcoder;
pub mod lang;
pub mod lease;
pub mod ledger;
pub mod limits;
pub mod mail;
pub mod metrics;
mod news;
pub mod places;
pub mod prices;
pub mod redis;
pub mod resend;
pub mod routes;
pub mod server;
pub mod snapshots;
pub mod stripe;
pub mod svix;
pub mod sweep;
pub mod threads;
pub mod upstream;

use app::{App, StartError};
use clock::Clock;
use config::Config;
use std::net::SocketAddr;
use std::sync::Arc;
use threads::Threads;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A relay that is running in this process.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its inside, for tests.
    pub app: Arc<App>,
    server: JoinHandle<()>,
}

impl Running {
    /// Where it listens, as `http://127.0.0.1:5000`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Stops gracefully: no new work, running work gets half a minute.
    pub async fn stop(self) {
        self.app.stopping.cancel();
        self.ended().await;
    }

    /// Waits until it has stopped; something else must have cancelled `app.stopping`.
    pub async fn ended(self) {
        if self.server.await.is_err() {
            tracing::error!("the server panicked");
        }
    }
}

/// Opens the database, listens where the configuration says, starts the workers, and has connections
/// served by `threads`.
///
/// # Errors
/// [`StartError`].
pub async fn start(config: Config, threads: Threads) -> Result<Running, StartError> {
    let address = config.bind;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })?;
    run(config, Clock::system(), listener, threads).await
}

/// As [`start`], all of it in this runtime, with a clock that a test may move, and on a listener that
/// is open already (whose address the configuration may have been told).
///
/// # Errors
/// [`StartError`].
pub async fn serve(
    config: Config,
    clock: Clock,
    listener: TcpListener,
) -> Result<Running, StartError> {
    run(config, clock, listener, Threads::here()).await
}

async fn run(
    config: Config,
    clock: Clock,
    listener: TcpListener,
    threads: Threads,
) -> Result<Running, StartError> {
    let address = config.bind;
    let addr = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
    let metrics = match config.metrics_bind {
        Some(address) => Some(
            TcpListener::bind(address)
                .await
                .map_err(|source| StartError::Listen { address, source })?,
        ),
        None => None,
    };
    let app = App::open(config, clock).await?;
    app.start_workers();
    if let Some(listener) = metrics {
        app.tasks.spawn(metrics::serve(Arc::clone(&app), listener));
    }
    let router = routes::router(&app);
    let server = tokio::spawn(server::run(Arc::clone(&app), router, listener, threads));
    tracing::info!(%addr, "listening");
    Ok(Running { addr, app, server })
}
