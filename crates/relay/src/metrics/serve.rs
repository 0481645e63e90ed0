//! `GET /metrics`, on a listener that only Prometheus reaches.

use super::METRICS;
use super::gauges::{self, Figures};
use crate::app::App;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use prometheus_client::encoding::prometheus_text;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// How long what the database said is told again.
const FRESH: Duration = Duration::from_secs(3);
/// Whoever asks is answered without the database after this long.
const PATIENCE: Duration = Duration::from_secs(2);

struct Scraped {
    app: Arc<App>,
    /// What the database said, and when. Held while it is asked: two who ask cost one question.
    last: Mutex<Option<(Instant, Figures)>>,
}

/// Answers until the relay stops.
pub async fn serve(app: Arc<App>, listener: TcpListener) {
    super::begin();
    let stopping = app.stopping.clone();
    let scraped = Arc::new(Scraped { app, last: Mutex::default() });
    let router = Router::new().route("/metrics", get(metrics)).with_state(scraped);
    let served = axum::serve(listener, router).with_graceful_shutdown(stopping.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "the listener of the metrics ended");
    }
}

async fn metrics(State(scraped): State<Arc<Scraped>>) -> Response {
    let figures = timeout(PATIENCE, figures(&scraped)).await.ok().flatten();
    let mut text = String::new();
    let written = prometheus_text::encode(&mut text, &METRICS.registry).and_then(|()| {
        prometheus_text::encode(&mut text, &gauges::registry(&scraped.app, figures))
    });
    if written.is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    ([(header::CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response()
}

async fn figures(scraped: &Scraped) -> Option<Figures> {
    let mut last = scraped.last.lock().await;
    if let Some((at, figures)) = *last
        && at.elapsed() < FRESH
    {
        return Some(figures);
    }
    match scraped.app.db.read(gauges::figures).await {
        Ok(figures) => {
            *last = Some((Instant::now(), figures));
            Some(figures)
        }
        Err(error) => {
            tracing::warn!(%error, "the database had nothing to say for the metrics");
            None
        }
    }
}
