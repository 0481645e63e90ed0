//! Buying a plan.

use crate::PlanId;
use crate::account::Interval;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `POST /api/stripe/create-checkout`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutRequest {
    /// Which plan.
    pub plan_id: PlanId,
    /// Monthly unless said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// Its answer: a Checkout session, or (with a live subscription) a portal session in the
/// plan-change flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutResponse {
    /// Stripe's id of the Checkout session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// To open in the browser.
    pub url: String,
    /// `portal`, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// `POST /api/stripe/create-portal`'s answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PortalResponse {
    /// To open in the browser.
    pub url: String,
}

/// `POST /api/stripe/sync`. The answer is the account snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncRequest {
    /// The Checkout session that the browser came back with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}
