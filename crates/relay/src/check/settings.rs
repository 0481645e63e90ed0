//! The settings that may be left out, and what their absence means.

use super::Finding;
use crate::config::{Config, Database};
use autocrea_protocol::account::Interval;

/// One finding for each that an operator should know of.
#[must_use]
pub fn settings(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("configuration", "valid, and all that is required is set")];
    let mut note = |what: &'static str, seen: &str| findings.push(Finding::note(what, seen));
    let yearly = |plan: &crate::config::PlanTerms| {
        plan.id.is_free() || plan.price_id(Interval::Year).is_some()
    };
    if !config.plans.iter().all(yearly) {
        note("STRIPE_*_YEARLY_PRICE_ID", "not all are set: those plans are sold by the month only");
    }
    if config.clerk.webhook_secrets.is_empty() {
        note("CLERK_WEBHOOK_SECRET", "not set: people are met when they first sign in");
    }
    if config.resend.api_key.is_some() && config.resend.webhook_secrets.is_empty() {
        note("RESEND_WEBHOOK_SECRET", "not set: bounces and complaints are not heard of");
    }
    if !config.joxcoder.counter.is_exact() {
        note("JOXCODER_TOKENIZER", "not set: tokens are estimated before and counted by the model");
    }
    if config.metrics_bind.is_none() {
        note("METRICS_BIND", "not set: there are no metrics");
    }
    if config.log.otlp_endpoint.is_none() {
        note("OTEL_EXPORTER_OTLP_ENDPOINT", "not set: traces are not exported");
    }
    if config.limits.per_minute == 0 || config.limits.per_minute_address == 0 {
        note("RELAY_RATE_PER_MINUTE", "0: requests are not limited");
    }
    let proxied = config.public_url.starts_with("https://") && config.bind.ip().is_loopback();
    if proxied && config.limits.trusted_proxies.is_empty() {
        let seen = "not set: behind a proxy all people without a token count as one address";
        note("RELAY_TRUSTED_PROXIES", seen);
    }
    if matches!(config.database, Database::Sqlite(_)) {
        findings.push(Finding::ok("DATABASE_URL", "SQLite: one process, and no replicas"));
    }
    findings
}
