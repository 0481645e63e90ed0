//! The configuration: one commented TOML file, embedded; a file over it; the environment over both.
//!
//! [`Config::load`] merges the layers, reads every key once and collects every fault before it
//! answers, so that an operator mends them all in one go. What it answers is whole and valid; no
//! other module reads the environment. Secrets are [`SecretString`]s, which neither `Debug` nor an
//! error ever shows.

mod plans;
mod read;
mod reader;

pub use plans::{Catalogue, PlanTerms};

use crate::counter::Counter;
use crate::svix;
use autocrea_protocol::Tokens;
use autocrea_protocol::config::Links;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The embedded file, as `default-config` prints it.
pub const DEFAULT: &str = include_str!("../../config.default.toml");

/// A valid configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where people reach this relay; no slash at the end.
    pub public_url: String,
    /// Where it listens.
    pub bind: SocketAddr,
    /// Where Prometheus may ask; `None` = nowhere.
    pub metrics_bind: Option<SocketAddr>,
    /// The oldest app that may talk to this relay.
    pub min_app_version: String,
    /// Where everything is kept.
    pub database: Database,
    /// Optional counters, cache and fan-out.
    pub redis_url: Option<SecretString>,
    /// How long raw events and rendered mails are kept.
    pub retention: Duration,
    /// Logs and traces.
    pub log: Log,
    /// Identity.
    pub clerk: ClerkSettings,
    /// Payments.
    pub stripe: StripeSettings,
    /// The model.
    pub joxcoder: JoxCoderSettings,
    /// Time-outs and bounds of a generation.
    pub generation: GenerationSettings,
    /// Requests a minute.
    pub limits: Limits,
    /// Mail.
    pub resend: ResendSettings,
    /// Addresses for people.
    pub links: Links,
    /// The plans.
    pub plans: Catalogue,
}

/// Which engine keeps the data, and where.
#[derive(Clone, Debug)]
pub enum Database {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL address; it carries a password.
    Postgres(SecretString),
}

/// Logs and traces.
#[derive(Clone, Debug)]
pub struct Log {
    /// `RUST_LOG`'s directives.
    pub filter: String,
    /// One JSON object a line, instead of text.
    pub json: bool,
    /// Where traces go.
    pub otlp_endpoint: Option<String>,
}

/// Clerk.
#[derive(Clone, Debug)]
pub struct ClerkSettings {
    /// `iss` of the tokens; discovery is below it. No slash at the end.
    pub issuer: String,
    /// `client_id` of the tokens.
    pub client_id: String,
    /// For opaque tokens.
    pub secret_key: Option<SecretString>,
    /// Clerk's own API; ends in `/v1`.
    pub api_url: String,
    /// Any of them may have signed a webhook; empty: none is taken.
    pub webhook_secrets: Vec<svix::Secret>,
    /// Scopes that the app asks for.
    pub scopes: Vec<String>,
    /// Ports registered for the loopback redirect.
    pub loopback_ports: Vec<u16>,
}

/// Stripe.
#[derive(Clone, Debug)]
pub struct StripeSettings {
    /// For calls.
    pub secret_key: SecretString,
    /// Any of them may have signed; never empty.
    pub webhook_secrets: Vec<SecretString>,
    /// Accepted, not needed.
    pub publishable_key: Option<String>,
    /// Without `/v1` and without a slash at the end.
    pub api_base: String,
    /// How long a plan is kept after the first failed payment.
    pub grace: Duration,
    /// Between two reconciliations.
    pub reconcile: Duration,
}

/// What `stripe setup` needs: it runs before there is anything else to configure.
#[derive(Clone, Debug)]
pub struct StripeSetup {
    /// As in [`Config`].
    pub public_url: String,
    /// As in [`StripeSettings`].
    pub secret_key: SecretString,
    /// As in [`StripeSettings`].
    pub api_base: String,
}

/// The model's endpoint.
#[derive(Clone, Debug)]
pub struct JoxCoderSettings {
    /// Ends in `/v1`.
    pub url: String,
    /// Its name.
    pub model: String,
    /// Bearer token.
    pub token: Option<SecretString>,
    /// How its tokens are counted.
    pub counter: Counter,
    /// The context window.
    pub context_tokens: Tokens,
    /// Whether messages may carry images.
    pub images: bool,
}

/// Time-outs and bounds of a generation.
#[derive(Clone, Debug)]
pub struct GenerationSettings {
    /// Between two pieces, prompt processing included.
    pub idle_timeout: Duration,
    /// Of the whole, after waking.
    pub total_timeout: Duration,
    /// How long an endpoint may take to wake.
    pub waking: Duration,
    /// How long a finished stream can be attached to.
    pub spool_ttl: Duration,
    /// Text of one message.
    pub max_prompt_bytes: u64,
    /// A whole request.
    pub max_body_bytes: u64,
}

/// Requests a minute, and streams at once; 0 = off.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of a person.
    pub per_minute: u32,
    /// Of an address without a token.
    pub per_minute_address: u32,
    /// Account streams of a person at once.
    pub account_streams: u32,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
}

impl Limits {
    /// Whether anything is counted.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.per_minute > 0 || self.per_minute_address > 0 || self.account_streams > 0
    }
}

/// Resend.
#[derive(Clone, Debug)]
pub struct ResendSettings {
    /// Unset: mails are kept and not sent.
    pub api_key: Option<SecretString>,
    /// Sender.
    pub from: String,
    /// Its API.
    pub base_url: String,
    /// Any of them may have signed a webhook; empty: none is taken.
    pub webhook_secrets: Vec<svix::Secret>,
}

/// An address, or a network of them (`10.0.0.0/8`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `address` is in it. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(it)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                net.to_bits() & mask == it.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(it)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                net.to_bits() & mask == it.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl std::str::FromStr for Network {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| ())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most { Err(()) } else { Ok(Self { address, bits }) }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The key, and the variable that sets it.
    pub key: String,
    /// What is wrong and what to write. Never repeats a secret.
    pub what: String,
}

/// Everything that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty.
    pub faults: Vec<Fault>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} fault(s):", self.faults.len())?;
        for fault in &self.faults {
            write!(f, "\n  {}: {}", fault.key, fault.what)?;
        }
        Ok(())
    }
}
impl std::error::Error for ConfigError {}

impl Config {
    /// Reads all layers. `file` is the one of `--config` or `RELAY_CONFIG`.
    ///
    /// # Errors
    /// With every fault that there is.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        with_text_of(file, |text| Self::from_layers(text, environment))
    }

    /// As [`Config::load`], the file's text given.
    ///
    /// # Errors
    /// With every fault that there is.
    pub fn from_layers(
        file: Option<&str>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        read::config(reader::Reader::new(DEFAULT, file, environment))
    }
}

impl StripeSetup {
    /// Reads all layers, and of them only this.
    ///
    /// # Errors
    /// With every fault that there is in it.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        with_text_of(file, |text| {
            read::stripe_setup(reader::Reader::new(DEFAULT, text, environment))
        })
    }
}

/// Reads with the file's text. One that cannot be read is a fault beside those of the other layers.
fn with_text_of<T>(
    file: Option<&Path>,
    read: impl FnOnce(Option<&str>) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    let Some(path) = file else { return read(None) };
    let error = match std::fs::read_to_string(path) {
        Ok(text) => return read(Some(&text)),
        Err(error) => error,
    };
    let what = format!("could not be read: {error}");
    let mut faults = vec![Fault { key: path.display().to_string(), what }];
    faults.extend(read(None).err().into_iter().flat_map(|others| others.faults));
    Err(ConfigError { faults })
}
