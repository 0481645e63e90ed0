//! Every key of the configuration, read once.

use super::reader::{Key, Reader};
use super::{
    Catalogue, ClerkSettings, Config, ConfigError, Database, GenerationSettings, JoxCoderSettings,
    Limits, Log, ResendSettings, StripeSettings, StripeSetup,
};
use crate::counter::Counter;
use crate::{db, redis};
use autocrea_protocol::Tokens;
use autocrea_protocol::config::Links;
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::{Host, Url};

const fn var<'k>(path: &'k str, variable: &'k str) -> Key<'k> {
    Key { path, variable: Some(variable) }
}
const fn key(path: &str) -> Key<'_> {
    Key { path, variable: None }
}

/// Ours in full; of others only what an operator must know and we do not say ourselves.
const DEFAULT_FILTER: &str = "info,refinery_core=warn";
const SIGNING_SECRETS: &str = "signing secrets, as whsec_…";
const ANY_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

pub(super) fn config(mut reader: Reader<'_>) -> Result<Config, ConfigError> {
    let r = &mut reader;
    let config = Config {
        public_url: base(r, var("public_url", "RELAY_PUBLIC_URL"), Safe::HttpsUnlessLoopback, None),
        bind: r
            .parsed(var("bind", "RELAY_BIND"), "an address and a port, as 127.0.0.1:5000")
            .unwrap_or(ANY_ADDRESS),
        metrics_bind: r.parsed(
            var("metrics_bind", "METRICS_BIND"),
            "an address and a port, as 127.0.0.1:9100",
        ),
        min_app_version: r.required(key("min_app_version")),
        database: database(r),
        redis_url: redis_url(r),
        retention: days(r, var("database.retention_days", "RELAY_RETENTION_DAYS")),
        log: log(r),
        clerk: clerk(r),
        stripe: stripe(r),
        joxcoder: joxcoder(r),
        generation: generation(r),
        limits: limits(r),
        resend: resend(r),
        links: Links {
            support: r.text(key("links.support")),
            terms: r.text(key("links.terms")),
            privacy: r.text(key("links.privacy")),
            enterprise: r.text(key("links.enterprise")),
        },
        plans: Catalogue::read(r),
    };
    reader.finish(Some(config))
}

/// What `stripe setup` needs, and nothing else.
pub(super) fn stripe_setup(mut reader: Reader<'_>) -> Result<StripeSetup, ConfigError> {
    let r = &mut reader;
    let public = var("public_url", "RELAY_PUBLIC_URL");
    let setup = StripeSetup {
        public_url: base(r, public, Safe::HttpsUnlessLoopback, None),
        secret_key: SecretString::from(
            r.required_word(var("stripe.secret_key", "STRIPE_SECRET_KEY")),
        ),
        api_base: stripe_base(r),
    };
    reader.finish_part(setup)
}

/// Whether plain http is let through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Safe {
    HttpsUnlessLoopback,
    Either,
}

/// An address of a service, without the slash at the end; `ending` is one that it must have.
fn base(r: &mut Reader<'_>, at: Key<'_>, safe: Safe, ending: Option<&str>) -> String {
    let text = r.required(at);
    if text.is_empty() {
        return text;
    }
    let Ok(url) = Url::parse(&text) else {
        r.fault_at(at, "must be an address as https://example.org");
        return String::new();
    };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let plain = url.scheme() == "http" && (loopback || safe == Safe::Either);
    if url.host().is_none() || !(url.scheme() == "https" || plain) {
        let wanted = match safe {
            Safe::HttpsUnlessLoopback => "must be an https address (http only on loopback)",
            Safe::Either => "must be an https or http address",
        };
        r.fault_at(at, wanted);
    }
    let user = !url.username().is_empty() || url.password().is_some();
    if url.query().is_some() || url.fragment().is_some() || user {
        r.fault_at(at, "must carry no query, fragment or user name");
    }
    let text = text.trim_end_matches('/').to_owned();
    if ending.is_some_and(|ending| !text.ends_with(ending)) {
        r.fault_at(at, format!("must end in {}", ending.unwrap_or_default()));
    }
    text
}

fn secs(r: &mut Reader<'_>, at: Key<'_>, most: i64) -> Duration {
    Duration::from_secs(r.number(at, 1, most).unsigned_abs())
}

fn days(r: &mut Reader<'_>, at: Key<'_>) -> Duration {
    Duration::from_secs(r.number(at, 0, 36_500).unsigned_abs() * 24 * 3600)
}

fn database(r: &mut Reader<'_>) -> Database {
    let at = var("database.url", "DATABASE_URL");
    let text = r.required(at);
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        if let Err(fault) = db::Address::read(&text) {
            r.fault_at(at, format!("must be an address of PostgreSQL ({fault})"));
        }
        return Database::Postgres(SecretString::from(text));
    }
    let file = text.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match file {
        // Each connection would have a memory of its own, and what follows a `?` is no file's name.
        Some(path) if path == ":memory:" || path.contains('?') => {
            r.fault_at(at, "must be sqlite:<file>, a file on a disk and nothing else");
            Database::Sqlite(PathBuf::new())
        }
        Some(path) if !path.is_empty() => Database::Sqlite(PathBuf::from(path)),
        _ => {
            r.fault_at(at, "must be sqlite:<file> or postgres://…");
            Database::Sqlite(PathBuf::new())
        }
    }
}

fn redis_url(r: &mut Reader<'_>) -> Option<SecretString> {
    let at = var("database.redis_url", "REDIS_URL");
    let text = r.text(at)?;
    let begins = text.starts_with("redis://") || text.starts_with("rediss://");
    let address = SecretString::from(text);
    if !begins || !redis::is_address(&address) {
        r.fault_at(at, "must be an address as redis://<host>:6379 or rediss://<host>:6379");
    }
    Some(address)
}

fn log(r: &mut Reader<'_>) -> Log {
    let at = var("log.filter", "RUST_LOG");
    let filter = r.text(at).unwrap_or_else(|| DEFAULT_FILTER.to_owned());
    if filter.parse::<tracing_subscriber::EnvFilter>().is_err() {
        r.fault_at(at, "must be directives as `info` or `autocrea_relay=debug,info`");
    }
    let at = var("log.format", "LOG_FORMAT");
    let format = r.required(at);
    if !matches!(format.as_str(), "json" | "text" | "") {
        r.fault_at(at, "must be json or text");
    }
    let otlp = var("log.otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT");
    let otlp_endpoint = r.text(otlp).map(|_| base(r, otlp, Safe::Either, None));
    Log { filter, json: format == "json", otlp_endpoint }
}

fn clerk(r: &mut Reader<'_>) -> ClerkSettings {
    let api = var("clerk.api_url", "CLERK_API_URL");
    let ports = var("clerk.loopback_ports", "CLERK_LOOPBACK_PORTS");
    ClerkSettings {
        issuer: base(r, var("clerk.issuer", "CLERK_ISSUER"), Safe::HttpsUnlessLoopback, None),
        client_id: r.required_word(var("clerk.client_id", "CLERK_OAUTH_CLIENT_ID")),
        secret_key: r.secret(var("clerk.secret_key", "CLERK_SECRET_KEY")),
        api_url: base(r, api, Safe::HttpsUnlessLoopback, Some("/v1")),
        webhook_secrets: r
            .parsed_list(var("clerk.webhook_secret", "CLERK_WEBHOOK_SECRET"), SIGNING_SECRETS),
        scopes: r.list(key("clerk.scopes")),
        loopback_ports: r.parsed_list(ports, "ports"),
    }
}

fn stripe(r: &mut Reader<'_>) -> StripeSettings {
    let secrets = var("stripe.webhook_secret", "STRIPE_WEBHOOK_SECRET");
    let webhook_secrets: Vec<SecretString> = match r.required(secrets).as_str() {
        "" => Vec::new(),
        _ => r.words(secrets).into_iter().map(SecretString::from).collect(),
    };
    let api_base = stripe_base(r);
    StripeSettings {
        secret_key: SecretString::from(
            r.required_word(var("stripe.secret_key", "STRIPE_SECRET_KEY")),
        ),
        webhook_secrets,
        publishable_key: r.text(var("stripe.publishable_key", "STRIPE_PUBLISHABLE_KEY")),
        api_base,
        grace: days(r, var("stripe.grace_days", "RELAY_GRACE_DAYS")),
        reconcile: secs(r, var("stripe.reconcile_secs", "RELAY_RECONCILE_SECS"), 86_400),
    }
}

fn stripe_base(r: &mut Reader<'_>) -> String {
    let api = var("stripe.api_base", "STRIPE_API_BASE");
    let api_base = base(r, api, Safe::HttpsUnlessLoopback, None);
    if api_base.ends_with("/v1") {
        r.fault_at(api, "must not end in /v1");
    }
    api_base
}

fn joxcoder(r: &mut Reader<'_>) -> JoxCoderSettings {
    let context = var("joxcoder.context_tokens", "JOXCODER_CONTEXT_TOKENS");
    let context_tokens = Tokens(r.number(context, 1_024, 100_000_000));
    JoxCoderSettings {
        url: base(r, var("joxcoder.url", "JOXCODER_URL"), Safe::Either, Some("/v1")),
        model: r.required_word(var("joxcoder.model", "JOXCODER_MODEL")),
        token: r.secret(var("joxcoder.token", "HF_TOKEN")),
        counter: counter(r, context_tokens),
        context_tokens,
        images: r.flag(var("joxcoder.images", "JOXCODER_IMAGES")),
    }
}

fn counter(r: &mut Reader<'_>, context: Tokens) -> Counter {
    let at = var("joxcoder.tokenizer", "JOXCODER_TOKENIZER");
    let Some(file) = r.text(at) else { return Counter::Estimate };
    Counter::exact(Path::new(&file), context).unwrap_or_else(|error| {
        r.fault_at(at, format!("must be a tokenizer.json that can be read ({error})"));
        Counter::Estimate
    })
}

fn generation(r: &mut Reader<'_>) -> GenerationSettings {
    let idle = var("generation.idle_timeout_secs", "RELAY_GENERATION_IDLE_TIMEOUT_SECS");
    let total = var("generation.total_timeout_secs", "RELAY_GENERATION_TOTAL_TIMEOUT_SECS");
    let waking = var("generation.waking_secs", "RELAY_GENERATION_WAKING_SECS");
    GenerationSettings {
        idle_timeout: secs(r, idle, 86_400),
        total_timeout: secs(r, total, 86_400),
        waking: Duration::from_secs(r.number(waking, 0, 86_400).unsigned_abs()),
        spool_ttl: secs(r, var("generation.spool_ttl_secs", "RELAY_SPOOL_TTL_SECS"), 86_400),
        max_prompt_bytes: r.number(key("generation.max_prompt_bytes"), 1, 1 << 30).unsigned_abs(),
        max_body_bytes: r.number(key("generation.max_body_bytes"), 1_024, 1 << 30).unsigned_abs(),
    }
}

fn limits(r: &mut Reader<'_>) -> Limits {
    let most = i64::from(u32::MAX);
    let person = r.number(var("limits.per_minute", "RELAY_RATE_PER_MINUTE"), 0, most);
    let address = var("limits.per_minute_address", "RELAY_RATE_PER_MINUTE_ADDRESS");
    let address = r.number(address, 0, most);
    let streams = r.number(key("limits.account_streams"), 0, most);
    let proxies = var("limits.trusted_proxies", "RELAY_TRUSTED_PROXIES");
    Limits {
        per_minute: u32::try_from(person).unwrap_or(0),
        per_minute_address: u32::try_from(address).unwrap_or(0),
        account_streams: u32::try_from(streams).unwrap_or(0),
        trusted_proxies: r.parsed_list(proxies, "addresses or networks, as 10.0.0.0/8"),
    }
}

fn resend(r: &mut Reader<'_>) -> ResendSettings {
    let from = var("resend.from", "RESEND_FROM_EMAIL");
    let sender = r.required(from);
    if !sender.contains('@') {
        r.fault_at(from, "must be an e-mail address");
    }
    let url = var("resend.base_url", "RESEND_BASE_URL");
    ResendSettings {
        api_key: r.secret(var("resend.api_key", "RESEND_API_KEY")),
        from: sender,
        base_url: base(r, url, Safe::HttpsUnlessLoopback, None),
        webhook_secrets: r
            .parsed_list(var("resend.webhook_secret", "RESEND_WEBHOOK_SECRET"), SIGNING_SECRETS),
    }
}
