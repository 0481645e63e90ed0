//! Logs: structured, to standard error, as text or as one JSON object a line.

use autocrea_relay::config::Log;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// Starts logging; the second call in a process changes nothing.
pub(crate) fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let to_stderr = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if log.json {
        to_stderr.json().flatten_event(true).try_init()
    } else {
        to_stderr.try_init()
    };
    started.ok();
}
