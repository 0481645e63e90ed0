//! JoxCoder's twin: an OpenAI-compatible endpoint with a demonstration model.
//!
//! The model knows a handful of small web pages by heart, in Spanish and English, and says so: it
//! is called "demonstration model" wherever it speaks. It exists so that the whole product can be
//! tried and tested without a graphics card. Requests are recorded, replies can be written by
//! tests ([`JoxCoder::script`]) and faults asked for ([`JoxCoder::next`], [`JoxCoder::switch`]).

mod answer;
mod chat;
mod fault;
mod record;
mod stream;

pub(crate) use fault::words;
pub use fault::{Fault, Reply, Usage};
pub use record::{Outcome, Recorded};

use crate::serving::{Bound, Serving};
use axum::routing::{get, post};
use axum::{Json, Router};
use chat::Endpoint;
use serde_json::{Value, json};
use std::sync::Arc;

/// The model's name on the wire.
pub const MODEL: &str = "demo";

/// How JoxCoder is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// 0 takes any free port.
    pub port: u16,
    /// Chunks a second; 0 sends without pauses.
    pub chunks_per_second: u32,
}

/// A running twin of JoxCoder; stops when dropped.
pub struct JoxCoder {
    endpoint: Arc<Endpoint>,
    serving: Serving,
}

impl JoxCoder {
    /// Starts it.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let bound = Bound::to(options.port).await?;
        let endpoint = Arc::new(Endpoint::new(options.chunks_per_second));
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(chat::complete))
            .route("/health", get(async || "ok"))
            .with_state(Arc::clone(&endpoint));
        Ok(Self { endpoint, serving: bound.serve(router) })
    }

    /// The base address, which ends in `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/v1", self.serving.url())
    }

    /// The next request that nothing else was asked for meets this fault.
    pub fn next(&self, fault: Fault) {
        self.endpoint.queue_fault(fault);
    }

    /// The next request that nothing else was asked for gets this reply.
    pub fn script(&self, reply: Reply) {
        self.endpoint.queue_reply(reply);
    }

    /// Every request meets this fault, until `None`.
    pub fn switch(&self, fault: Option<Fault>) {
        self.endpoint.set_switch(fault);
    }

    /// The fault that every request meets.
    #[must_use]
    pub fn switched(&self) -> Option<Fault> {
        self.endpoint.switched()
    }

    /// Lets one held reply go on (now, or when it comes to be held).
    pub fn release(&self) {
        self.endpoint.gate.add_permits(1);
    }

    /// Chunks a second from now on; 0 sends without pauses.
    pub fn set_chunks_per_second(&self, pace: u32) {
        self.endpoint.set_pace(pace);
    }

    /// Everything asked so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Recorded> {
        self.endpoint.record.all()
    }

    /// Returns once `wanted` holds for the requests so far; put a time-out around it.
    pub async fn wait_for(&self, wanted: impl Fn(&[Recorded]) -> bool) {
        self.endpoint.record.wait_for(wanted).await;
    }
}

async fn models() -> Json<Value> {
    Json(json!({
        "object": "list",
        "data": [{
            "id": MODEL,
            "object": "model",
            "created": 1_735_689_600,
            "owned_by": "autocrea-sandbox",
            "name": "Demonstration model",
        }],
    }))
}
