//! One configuration in three layers: what is taken, what is refused, and what never shows.

use autocrea_protocol::account::Interval;
use autocrea_protocol::{PlanId, Tokens};
use autocrea_relay::config::{Config, ConfigError, Database};
use std::collections::BTreeMap;
use std::time::Duration;

type Environment = BTreeMap<String, String>;

const REQUIRED: [(&str, &str); 9] = [
    ("STRIPE_SECRET_KEY", "sk_live_hidden"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_hidden"),
    ("STRIPE_CREATOR_PRICE_ID", "price_creator"),
    ("STRIPE_PRO_PRICE_ID", "price_pro"),
    ("STRIPE_BUSINESS_PRICE_ID", "price_business"),
    ("CLERK_ISSUER", "https://clerk.example.org"),
    ("CLERK_OAUTH_CLIENT_ID", "client"),
    ("JOXCODER_URL", "https://model.example.org/v1"),
    ("RELAY_PUBLIC_URL", "https://relay.example.org/"),
];

fn with(variables: &[(&str, &str)]) -> Environment {
    let mut environment: Environment =
        REQUIRED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (name, value) in variables {
        environment.insert((*name).to_owned(), (*value).to_owned());
    }
    environment
}

fn read(file: Option<&str>, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::from_layers(file, &with(variables))
}

fn faults(file: Option<&str>, variables: &[(&str, &str)]) -> Vec<String> {
    let error = read(file, variables).expect_err("a fault");
    error.faults.into_iter().map(|fault| fault.key).collect()
}

#[test]
fn the_required_variables_and_the_defaults_are_enough() {
    let config = read(None, &[]).expect("a valid configuration");
    assert_eq!(config.bind.to_string(), "127.0.0.1:5000");
    assert_eq!(config.public_url, "https://relay.example.org");
    assert!(
        matches!(config.database, Database::Sqlite(path) if path.ends_with("autocrea-relay.db"))
    );
    assert_eq!(config.generation.idle_timeout, Duration::from_secs(60));
    assert_eq!(config.generation.total_timeout, Duration::from_secs(900));
    assert_eq!(config.generation.waking, Duration::from_secs(600));
    assert_eq!(config.stripe.grace, Duration::from_secs(7 * 86_400));
    assert_eq!((config.limits.per_minute, config.limits.per_minute_address), (300, 60));
    assert_eq!(config.resend.from, "noreply@autocrea.joxai.org");
    let ids: Vec<_> = config.plans.iter().map(|plan| plan.id.as_str().to_owned()).collect();
    assert_eq!(ids, ["free", "creator", "pro", "business"]);
    let pro = config.plans.get(&PlanId::from("pro")).expect("a plan");
    assert_eq!((pro.tokens, pro.max_output_tokens), (Tokens(1_500_000), Tokens(16_384)));
}

#[test]
fn every_missing_variable_is_named_in_one_go() {
    let error = Config::from_layers(None, &Environment::new()).expect_err("faults");
    let text = error.to_string();
    for (name, _) in REQUIRED {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert_eq!(error.faults.len(), REQUIRED.len(), "{text}");
}

#[test]
fn every_variable_of_the_contract_is_taken() {
    let all = [
        ("STRIPE_CREATOR_YEARLY_PRICE_ID", "price_creator_y"),
        ("STRIPE_PRO_YEARLY_PRICE_ID", "price_pro_y"),
        ("STRIPE_BUSINESS_YEARLY_PRICE_ID", "price_business_y"),
        ("STRIPE_API_BASE", "http://127.0.0.1:12111"),
        ("STRIPE_PUBLISHABLE_KEY", "pk_live_x"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_new, whsec_old"),
        ("CLERK_SECRET_KEY", "sk_clerk"),
        ("CLERK_API_URL", "http://127.0.0.1:7001/v1"),
        ("CLERK_WEBHOOK_SECRET", "whsec_clerk"),
        ("CLERK_LOOPBACK_PORTS", "1234,1235"),
        ("JOXCODER_MODEL", "joxcoder-2"),
        ("HF_TOKEN", "hf_x"),
        ("JOXCODER_CONTEXT_TOKENS", "65536"),
        ("JOXCODER_IMAGES", "true"),
        ("RESEND_FROM_EMAIL", "AUTOCREA <hola@example.org>"),
        ("RESEND_BASE_URL", "http://127.0.0.1:7002"),
        ("DATABASE_URL", "postgres://user:hidden@db.example.org/relay"),
        ("REDIS_URL", "rediss://cache.example.org"),
        ("RELAY_BIND", "0.0.0.0:8080"),
        ("METRICS_BIND", "127.0.0.1:9100"),
        ("RELAY_RATE_PER_MINUTE", "0"),
        ("RELAY_RATE_PER_MINUTE_ADDRESS", "7"),
        ("RELAY_TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1, fd00::/8"),
        ("RELAY_GENERATION_IDLE_TIMEOUT_SECS", "1"),
        ("RELAY_GENERATION_TOTAL_TIMEOUT_SECS", "2"),
        ("RELAY_GENERATION_WAKING_SECS", "3"),
        ("RELAY_GRACE_DAYS", "4"),
        ("RELAY_SPOOL_TTL_SECS", "5"),
        ("RELAY_RECONCILE_SECS", "6"),
        ("RELAY_RETENTION_DAYS", "8"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example.org:4318"),
        ("RUST_LOG", "autocrea_relay=debug,info"),
        ("LOG_FORMAT", "json"),
    ];
    let config = read(None, &all).expect("a valid configuration");
    assert_eq!(config.stripe.webhook_secrets.len(), 2);
    assert_eq!(config.clerk.loopback_ports, [1234, 1235]);
    assert_eq!(config.joxcoder.context_tokens, Tokens(65_536));
    assert!(config.joxcoder.images && config.log.json);
    assert!(matches!(config.database, Database::Postgres(_)));
    assert_eq!(config.limits.trusted_proxies.len(), 3);
    assert_eq!(config.generation.spool_ttl, Duration::from_secs(5));
    let yearly = config.plans.by_price("price_pro_y").expect("a plan");
    assert_eq!((yearly.0.id.as_str(), yearly.1), ("pro", Interval::Year));
    assert!(config.plans.by_price("price_of_nobody").is_none());
}

#[test]
fn a_tokenizer_is_read_at_the_start_and_one_that_cannot_be_is_a_fault() {
    let tokenizer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/relay/support/tokenizer.json");
    let config = read(None, &[("JOXCODER_TOKENIZER", tokenizer)]).expect("valid");
    assert!(config.joxcoder.counter.is_exact());
    let no_tokenizer = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for spoilt in ["no/such/file.json", no_tokenizer] {
        assert_eq!(faults(None, &[("JOXCODER_TOKENIZER", spoilt)]).len(), 1, "{spoilt}");
    }
}

#[test]
fn a_file_is_over_the_defaults_and_the_environment_over_both() {
    let file = "bind = \"127.0.0.1:1\"\n[plans.free]\ntokens = 5\n[joxcoder]\nmodel = \"mine\"\n";
    let config = read(Some(file), &[("RELAY_BIND", "127.0.0.1:2")]).expect("valid");
    assert_eq!(config.bind.port(), 2);
    assert_eq!(config.joxcoder.model, "mine");
    assert_eq!(config.plans.get(&PlanId::free()).expect("a plan").tokens, Tokens(5));
}

#[test]
fn the_embedded_file_is_itself_a_valid_file() {
    let defaults = autocrea_relay::config::DEFAULT;
    read(Some(defaults), &[]).expect("a valid configuration");
    // Each key that is only commented out there is known, too.
    let keys = defaults.lines().filter_map(|line| {
        let (key, rest) = line.strip_prefix("# ")?.split_once(" = ")?;
        let name = key.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
        (name && rest.starts_with('"')).then(|| key.to_owned())
    });
    let known: Vec<String> = keys.collect();
    assert!(known.len() >= 14, "{known:?}");
    let uncommented: String = defaults
        .lines()
        .map(|line| match line.strip_prefix("# ").and_then(|it| it.split_once(" = ")) {
            Some((key, _)) if known.iter().any(|it| it == key) => format!("{}\n", &line[2..]),
            _ => format!("{line}\n"),
        })
        .collect();
    let error = Config::from_layers(Some(&uncommented), &with(&[]));
    let unknown = error.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(!unknown.contains("is not a key"), "{unknown}");
}

#[test]
fn unknown_keys_are_faults_and_are_all_listed() {
    let file = "publik_url = \"x\"\n[plans.gold]\ntokens = 1\n[clerk]\nisuer = \"x\"\n";
    let named = faults(Some(file), &[]);
    for key in ["publik_url", "plans.gold", "clerk.isuer"] {
        assert!(named.iter().any(|it| it == key), "{key} in {named:?}");
    }
    let empty = "[sripe]\n[plans.golden]\n[links.more]\n[joxcoder.url]\n";
    let named = faults(Some(empty), &[("JOXCODER_URL", "")]);
    for key in ["sripe", "plans.golden", "links.more", "JOXCODER_URL (joxcoder.url)"] {
        assert!(named.iter().any(|it| it == key), "{key} in {named:?}");
    }
    assert!(read(Some("[links]\n[plans]\n[plans.free]\n[plans.free.name]\n"), &[]).is_ok());
}

#[test]
fn an_address_is_judged_before_anybody_is_asked_there() {
    let wrong = [
        ("DATABASE_URL", "postgres://u:hidden@db.example.org:port/x"),
        ("DATABASE_URL", "postgres://u:hidden@db.example.org/x?sslmode=perhaps"),
        ("DATABASE_URL", "postgres://u:hidden@db.example.org/x?sslrootcert=/no/such/file"),
        ("DATABASE_URL", "postgres://u:hidden@db.example.org/x?hidden=1"),
        ("DATABASE_URL", "sqlite:"),
        ("DATABASE_URL", "sqlite::memory:"),
        ("DATABASE_URL", "sqlite:relay.db?mode=rwc"),
        ("REDIS_URL", "redis://:hidden@cache.example.org:port"),
        ("REDIS_URL", "redis://:hidden@cache.example.org/first"),
        ("REDIS_URL", "redis://"),
        ("JOXCODER_URL", "https://:hidden@model.example.org/v1"),
        ("JOXCODER_URL", "https://model.example.org/v1?key=hidden"),
        ("STRIPE_API_BASE", "http://127.0.0.1:12111/v1/"),
    ];
    for (variable, value) in wrong {
        let error = read(None, &[(variable, value)]).err().map(|it| it.to_string());
        let error = error.unwrap_or_else(|| panic!("{value} is taken"));
        assert!(error.contains(variable) && !error.contains("hidden@"), "{value}: {error}");
    }
    for (variable, value) in [
        ("DATABASE_URL", "postgresql:///relay?host=/var/run/postgresql&user=u"),
        ("DATABASE_URL", "sqlite:///var/lib/relay.db"),
        ("REDIS_URL", "redis://localhost"),
        ("JOXCODER_URL", "http://10.0.0.1:8080/v1/"),
        ("CLERK_API_URL", "https://api.clerk.com/v1/"),
        ("STRIPE_API_BASE", "https://api.stripe.com/"),
    ] {
        read(None, &[(variable, value)]).unwrap_or_else(|error| panic!("{value}: {error}"));
    }
}

#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let empty: Vec<(&str, &str)> = [
        "RELAY_BIND",
        "METRICS_BIND",
        "DATABASE_URL",
        "REDIS_URL",
        "CLERK_SECRET_KEY",
        "CLERK_API_URL",
        "CLERK_WEBHOOK_SECRET",
        "CLERK_LOOPBACK_PORTS",
        "STRIPE_API_BASE",
        "STRIPE_PUBLISHABLE_KEY",
        "STRIPE_PRO_YEARLY_PRICE_ID",
        "JOXCODER_MODEL",
        "JOXCODER_IMAGES",
        "JOXCODER_TOKENIZER",
        "JOXCODER_CONTEXT_TOKENS",
        "HF_TOKEN",
        "RESEND_API_KEY",
        "RESEND_FROM_EMAIL",
        "RELAY_RATE_PER_MINUTE",
        "RELAY_TRUSTED_PROXIES",
        "RELAY_SPOOL_TTL_SECS",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "RUST_LOG",
        "LOG_FORMAT",
    ]
    .map(|name| (name, ""))
    .into();
    let config = read(None, &empty).expect("a valid configuration");
    assert_eq!(format!("{config:?}"), format!("{:?}", read(None, &[]).expect("valid")));
}

#[test]
fn each_value_that_makes_no_sense_is_a_fault_of_its_own() {
    let spoilt = [
        ("STRIPE_WEBHOOK_SECRET", "whsec_a,,whsec_b"),
        ("STRIPE_API_BASE", "https://api.stripe.com/v1"),
        ("CLERK_ISSUER", "http://clerk.example.org"),
        ("RELAY_PUBLIC_URL", "http://relay.example.org"),
        ("JOXCODER_URL", "https://model.example.org"),
        ("CLERK_API_URL", "https://api.clerk.com"),
        ("DATABASE_URL", "mysql://x"),
        ("REDIS_URL", "http://x"),
        ("RELAY_BIND", "5000"),
        ("RELAY_RATE_PER_MINUTE", "-1"),
        ("RELAY_GENERATION_IDLE_TIMEOUT_SECS", "soon"),
        ("RELAY_TRUSTED_PROXIES", "10.0.0.0/33"),
        ("CLERK_LOOPBACK_PORTS", "70000"),
        ("JOXCODER_IMAGES", "perhaps"),
        ("JOXCODER_TOKENIZER", "no-such-file.json"),
        ("LOG_FORMAT", "xml"),
        ("STRIPE_PRO_PRICE_ID", "price_creator"),
    ];
    let named = faults(None, &spoilt);
    for (name, _) in &spoilt[..spoilt.len() - 1] {
        assert!(named.iter().any(|key| key.starts_with(name)), "{name} in {named:?}");
    }
    assert!(named.iter().any(|key| key == "plans"), "the same price twice: {named:?}");
}

#[test]
fn a_secret_of_white_space_is_no_secret() {
    for blank in ["", "   ", "\t"] {
        let named = faults(None, &[("STRIPE_WEBHOOK_SECRET", blank), ("STRIPE_SECRET_KEY", blank)]);
        assert_eq!(named.len(), 2, "{blank:?}: {named:?}");
    }
    for blank in ["   ", "whsec_", "whsec_b2xk,", ",whsec_b2xk", "whsec_b2xk, whsec_"] {
        let svix = [("CLERK_WEBHOOK_SECRET", blank), ("RESEND_WEBHOOK_SECRET", blank)];
        let named = faults(None, &svix);
        assert_eq!(named.len(), 2, "{blank:?}: {named:?}");
    }
}

#[test]
fn what_stands_behind_a_key_is_no_part_of_it() {
    for name in [
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_PRO_PRICE_ID",
        "CLERK_SECRET_KEY",
        "CLERK_OAUTH_CLIENT_ID",
        "HF_TOKEN",
        "JOXCODER_MODEL",
        "RESEND_API_KEY",
    ] {
        for value in ["one_word   # from the dashboard", "one\nword"] {
            let named = faults(None, &[(name, value)]);
            assert_eq!(named.len(), 1, "{name}: {named:?}");
            assert!(named[0].contains(name), "{named:?}");
        }
        assert!(read(None, &[(name, " one_word ")]).is_ok(), "{name}");
    }
}

#[test]
fn plain_http_is_for_loopback_only() {
    for loopback in ["http://127.0.0.1:5000", "http://localhost:5000", "http://[::1]:5000"] {
        let base = [("RELAY_PUBLIC_URL", loopback), ("CLERK_ISSUER", loopback)];
        assert!(read(None, &base).is_ok(), "{loopback}");
    }
    for elsewhere in ["http://10.0.0.1", "http://localhost.example.org", "ftp://127.0.0.1"] {
        assert_eq!(faults(None, &[("RELAY_PUBLIC_URL", elsewhere)]).len(), 1, "{elsewhere}");
    }
}

#[test]
fn secrets_show_neither_in_debug_nor_in_errors() {
    let secrets = [
        ("STRIPE_SECRET_KEY", "hidden-1"),
        ("STRIPE_WEBHOOK_SECRET", "hidden-2"),
        ("CLERK_SECRET_KEY", "hidden-3"),
        ("CLERK_WEBHOOK_SECRET", "hidden-4"),
        ("HF_TOKEN", "hidden-5"),
        ("RESEND_API_KEY", "hidden-6"),
        ("DATABASE_URL", "postgres://u:hidden-8@db/x"),
        ("REDIS_URL", "redis://:hidden-9@cache"),
    ];
    let config = read(None, &secrets).expect("a valid configuration");
    assert!(!format!("{config:?}").contains("hidden"));
    let broken = "[stripe]\nsecret_key = \"hidden-10\nwebhook_secret = hidden-11\n";
    let mut spoilt = secrets.to_vec();
    spoilt.push(("DATABASE_URL", "mysql://u:hidden-12@db/x"));
    spoilt.push(("REDIS_URL", "hidden-13"));
    let error = read(Some(broken), &spoilt).expect_err("faults");
    assert!(error.faults.len() >= 3);
    assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
}
