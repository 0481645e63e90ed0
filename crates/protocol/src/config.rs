//! `GET /api/config`: all that the app must know beside the relay's URL.

use crate::account::Interval;
use crate::{PlanId, Tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Public configuration of a relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct RelayConfig {
    /// Where people sign in.
    pub clerk: ClerkConfig,
    /// Where the browser comes back to.
    pub redirects: Redirects,
    /// The catalogue, as in `GET /api/plans`.
    pub plans: Vec<Plan>,
    /// Limits of a generation.
    pub generation: GenerationLimits,
    /// Addresses for people; null where there is none.
    pub links: Links,
    /// The relay's version.
    pub version: String,
    /// The oldest app that may talk to this relay.
    pub min_app_version: String,
}

/// The OAuth provider. The app is a public client: no secret, PKCE S256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct ClerkConfig {
    /// Issuer; discovery is below it.
    pub issuer: String,
    /// The app's client id.
    pub client_id: String,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
}

/// Redirect addresses that are registered with the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct Redirects {
    /// The https bounce page for sign-in.
    pub auth: String,
    /// The https bounce page for checkout.
    pub checkout: String,
    /// Ports registered for `http://127.0.0.1:<port>/callback`, in order of preference.
    pub loopback_ports: Vec<u16>,
}

/// Limits of a generation, and what the model is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct GenerationLimits {
    /// Text of one message, in bytes.
    #[ts(type = "number")]
    pub max_prompt_bytes: u64,
    /// The whole request body, in bytes.
    #[ts(type = "number")]
    pub max_body_bytes: u64,
    /// The model's context window, input and output together.
    pub context_tokens: Tokens,
    /// Whether messages may carry `data:` images.
    pub images: bool,
    /// The model's name, for people.
    pub model: String,
}

/// Addresses for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct Links {
    /// Where to ask for help.
    pub support: Option<String>,
    /// Terms of service.
    pub terms: Option<String>,
    /// Privacy policy.
    pub privacy: Option<String>,
    /// "Talk to us", for the enterprise plan.
    pub enterprise: Option<String>,
}

/// `GET /api/plans`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct Plans {
    /// free, creator, pro, business, in that order.
    pub plans: Vec<Plan>,
}

/// A plan as the app shows it; name and features in the language asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Which.
    pub id: PlanId,
    /// For people.
    pub name: String,
    /// Granted a period.
    pub tokens: Tokens,
    /// Generations at once; 0 = no limit.
    pub concurrency: u32,
    /// Generations in any hour; 0 = no limit.
    pub generations_per_hour: u32,
    /// The most output one generation may ask for.
    pub max_output_tokens: Tokens,
    /// Empty for free, and while Stripe has never been reached.
    pub prices: Vec<Price>,
    /// Lines for people.
    pub features: Vec<String>,
}

/// A price as Stripe has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// How often.
    pub interval: Interval,
    /// Minor units of `currency`.
    #[ts(type = "number")]
    pub amount: i64,
    /// ISO 4217, lower case, as Stripe writes it.
    pub currency: String,
}
