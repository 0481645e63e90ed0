//! Logs: structured, to standard error, as text or as one JSON object a line. And traces, where
//! there is somebody to send them to.
//!
//! Only the spans of [`SPANS`] are exported: requests and the calls that they make, with routes,
//! statuses and request ids, never an address, a query, a header or a person. Without an endpoint no
//! exporter is made and the spans are switched off where they stand.

use async_trait::async_trait;
use autocrea_relay::config::Log;
use autocrea_relay::upstream::{self, SPANS};
use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::io::IsTerminal as _;
use std::time::Duration;
use tokio::runtime::Handle;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{FilterExt as _, FilterFn, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

/// How long the collector may take to accept a batch.
const PATIENCE: Duration = Duration::from_secs(5);

/// What has to be sent before the program ends.
pub(crate) struct Traces(Option<SdkTracerProvider>);

/// Starts logging and, with an endpoint, tracing; the second call in a process changes nothing.
/// To be called inside the runtime, which carries what is exported.
pub(crate) fn start(log: &Log) -> Traces {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Without the hint of one the other's would be lost, and every word that any library has to say
    // would be looked at.
    let fit = FilterFn::new(is_fit_to_be_told).with_max_level_hint(LevelFilter::TRACE);
    let filter = filter.and(fit);
    let to_stderr = fmt::layer().with_writer(std::io::stderr);
    let to_stderr =
        if std::io::stderr().is_terminal() { to_stderr } else { to_stderr.with_ansi(false) };
    let to_stderr: Box<dyn Layer<Registry> + Send + Sync> =
        if log.json { to_stderr.json().flatten_event(true).boxed() } else { to_stderr.boxed() };
    let Some(endpoint) = &log.otlp_endpoint else {
        tracing_subscriber::registry().with(to_stderr.with_filter(filter)).try_init().ok();
        return Traces(None);
    };
    match provider(endpoint) {
        Ok(provider) => {
            let exported = tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("autocrea-relay"))
                .with_location(false)
                .with_threads(false)
                .with_tracked_inactivity(false)
                .with_filter(Targets::new().with_target(SPANS, Level::TRACE));
            let layers: Vec<Box<dyn Layer<Registry> + Send + Sync>> =
                vec![to_stderr.with_filter(filter).boxed(), exported.boxed()];
            tracing_subscriber::registry().with(layers).try_init().ok();
            Traces(Some(provider))
        }
        Err(error) => {
            tracing_subscriber::registry().with(to_stderr.with_filter(filter)).try_init().ok();
            tracing::error!(%error, "traces cannot be exported; the relay goes on without them");
            Traces(None)
        }
    }
}

/// Whatever is asked for in `RUST_LOG`, of what others say this is left out: statements with their
/// parameters, which are people's; that the database knows of migrations which this version does
/// not, which is as it should be while a newer one is rolled out; and that traces could not be
/// exported, where the exporter's own warning precedes the error of who called it.
fn is_fit_to_be_told(what: &Metadata<'_>) -> bool {
    let level = *what.level();
    match what.target() {
        target if target.starts_with("tokio_postgres") => level <= Level::INFO,
        target if target.starts_with("refinery_core") => level != Level::ERROR,
        target if target.starts_with("opentelemetry-otlp") => level == Level::ERROR,
        _ => true,
    }
}

fn provider(endpoint: &str) -> Result<SdkTracerProvider, ExporterBuildError> {
    let http = upstream::client().timeout(PATIENCE).build();
    let http = http.map_err(|error| ExporterBuildError::InternalFailure(error.to_string()))?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client { http, runtime: Handle::current() })
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .with_timeout(PATIENCE)
        .build()?;
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "autocrea-relay"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ])
        .build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    Ok(builder.with_batch_exporter(exporter).build())
}

impl Traces {
    /// Sends what is still to be sent, and ends.
    pub(crate) async fn flush(self) {
        let Some(provider) = self.0 else { return };
        // It waits for its own thread, which waits for the runtime: not on one of its threads.
        let ended = tokio::task::spawn_blocking(move || provider.shutdown()).await;
        if let Ok(Err(error)) = ended {
            tracing::warn!(%error, "the last traces could not be exported");
        }
    }
}

/// The exporter's requests, by our own HTTP client: its thread has no runtime of its own.
#[derive(Debug)]
struct Client {
    http: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let asked = self
            .http
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body);
        let sent = self.runtime.spawn(async move {
            let answer = asked.send().await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = sent.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}
