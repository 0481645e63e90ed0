//! What an operator watches: counts and times of this process, and gauges that are read from the
//! database when somebody asks.
//!
//! The counts belong to the process, as its log does, so they are one static that any module may
//! add to ([`http`], [`webhook`], [`generation_ended`] …); nothing of it is handed around. Labels are
//! routes, names of services and closed sets of words, never a person, an address or an id: a
//! series has to end somewhere, and so has what an operator may know.
//!
//! They are told on a listener of their own ([`serve`]), which is not there unless `METRICS_BIND` is.

mod gauges;
mod serve;

pub use serve::serve;

use crate::upstream::Service;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: String,
    route: String,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    service: &'static str,
    what: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct To {
    service: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Hook {
    sender: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

type Times<L> = Family<L, Histogram, fn() -> Histogram>;

/// Half a millisecond to half a minute.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 17))
}

/// The process's own counts.
struct Metrics {
    registry: Registry,
    http: Family<Answered, Counter>,
    http_seconds: Times<Route>,
    upstream: Family<Asked, Counter>,
    upstream_seconds: Times<To>,
    webhooks: Family<Hook, Counter>,
    push_seconds: Histogram,
    streams: Gauge,
    tokens: Family<Kind, Counter>,
    generations: Family<Outcome, Counter>,
    swept: AtomicU64,
    started: Instant,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

impl Metrics {
    fn new() -> Self {
        let mut registry = Registry::with_prefix("autocrea");
        let r = &mut registry;
        Self {
            http: registered(r, "http_requests", "Answers, by route and class of status"),
            http_seconds: times_of(r, "http_request_seconds", "Until an answer's head is ready"),
            upstream: registered(r, "upstream_requests", "Calls of the services that we need"),
            upstream_seconds: times_of(r, "upstream_seconds", "Until a service has answered"),
            webhooks: registered(r, "webhooks", "Webhooks, by sender and what became of them"),
            push_seconds: {
                let seconds = times();
                let what = "From a commit to the snapshot on its way to an open stream";
                r.register("push_seconds", what, seconds.clone());
                seconds
            },
            streams: registered(r, "account_streams", "Account streams that are open"),
            tokens: registered(r, "tokens", "Tokens reserved, settled and released"),
            generations: registered(r, "generations", "Generations, by how they ended"),
            swept: AtomicU64::new(0),
            started: Instant::now(),
            registry,
        }
    }
}

fn registered<M>(registry: &mut Registry, name: &str, what: &str) -> M
where
    M: prometheus_client::registry::Metric + Clone + Default,
{
    let metric = M::default();
    registry.register(name, what, metric.clone());
    metric
}

fn times_of<L>(registry: &mut Registry, name: &str, what: &str) -> Times<L>
where
    Times<L>: prometheus_client::registry::Metric,
    L: Clone + std::hash::Hash + Eq,
{
    let family: Times<L> = Family::new_with_constructor(times);
    registry.register(name, what, family.clone());
    family
}

/// A request has been answered; `route` as the router has it, never as it was asked for.
pub fn http(method: &http::Method, route: &str, status: u16, took: Duration) {
    let status = match status {
        200..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    // Anybody may invent a method, and a label for each would never end.
    let known = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS"];
    let method = if known.contains(&method.as_str()) { method.as_str() } else { "other" };
    let answered = Answered { method: method.to_owned(), route: route.to_owned(), status };
    METRICS.http.get_or_create(&answered).inc();
    let route = Route { route: route.to_owned() };
    METRICS.http_seconds.get_or_create(&route).observe(took.as_secs_f64());
}

/// A service has been asked for `what`.
pub fn asked(service: Service, what: &'static str, failed: bool, took: Duration) {
    let outcome = if failed { "failed" } else { "answered" };
    let service = service.as_str();
    METRICS.upstream.get_or_create(&Asked { service, what, outcome }).inc();
    METRICS.upstream_seconds.get_or_create(&To { service }).observe(took.as_secs_f64());
}

/// What becomes of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// It is kept, and is new.
    Accepted,
    /// It had come before.
    Duplicate,
    /// It is not the sender's, or too old.
    BadSignature,
    /// It did not arrive whole, or is not an event.
    Unreadable,
}

/// A webhook has come.
pub fn webhook(sender: Service, what: Webhook) {
    let outcome = match what {
        Webhook::Accepted => "accepted",
        Webhook::Duplicate => "duplicate",
        Webhook::BadSignature => "bad_signature",
        Webhook::Unreadable => "unreadable",
    };
    METRICS.webhooks.get_or_create(&Hook { sender: sender.as_str(), outcome }).inc();
}

/// A snapshot is on its way to an open stream, this long after the commit that made it.
pub fn pushed(after: Duration) {
    METRICS.push_seconds.observe(after.as_secs_f64());
}

/// An account stream, counted for as long as this lives.
#[derive(Debug)]
pub struct OpenStream(());

impl OpenStream {
    /// One more.
    #[must_use]
    pub fn new() -> Self {
        METRICS.streams.inc();
        Self(())
    }
}

impl Default for OpenStream {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        METRICS.streams.dec();
    }
}

/// A generation has reserved so many tokens.
pub fn reserved(tokens: i64) {
    count_tokens("reserved", tokens);
}

/// A generation has ended: in which way, what it cost, what it had reserved.
pub fn generation_ended(outcome: &'static str, charged: i64, reserved: i64) {
    METRICS.generations.get_or_create(&Outcome { outcome }).inc();
    count_tokens("settled", charged);
    count_tokens("released", reserved.saturating_sub(charged));
}

fn count_tokens(kind: &'static str, tokens: i64) {
    let tokens = u64::try_from(tokens).unwrap_or(0);
    METRICS.tokens.get_or_create(&Kind { kind }).inc_by(tokens);
}

/// A pass of the sweep is over.
pub fn swept() {
    let millis = u64::try_from(METRICS.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    METRICS.swept.store(millis.max(1), Ordering::Relaxed);
}

/// How long ago the last sweep was; `None` before the first.
fn since_swept() -> Option<Duration> {
    let at =
        Duration::from_millis(Some(METRICS.swept.load(Ordering::Relaxed)).filter(|it| *it > 0)?);
    Some(METRICS.started.elapsed().saturating_sub(at))
}

/// Makes the counts begin now, so that the uptime is the process's and not the first scrape's.
pub fn begin() {
    LazyLock::force(&METRICS);
}
