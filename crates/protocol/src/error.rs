//! How the relay says no.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The body of every 4xx and 5xx of the relay. 5xx say nothing about the inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// One sentence for a person, in the language asked for.
    pub error: String,
    /// For programs.
    pub code: ErrorCode,
    /// To quote when asking for help.
    pub request_id: String,
    /// Which field was wrong, for `invalid_request`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub field: Option<String>,
}

/// The closed set of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// 401: no token, or one that is not valid.
    Unauthenticated,
    /// 403
    Forbidden,
    /// 400, with `field`.
    InvalidRequest,
    /// 400: no such plan, or it has no such price.
    InvalidPlan,
    /// 404: no Stripe customer.
    NoSubscription,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 409: the id was used for something else, or its spool has expired.
    GenerationConflict,
    /// 413
    PayloadTooLarge,
    /// 415
    UnsupportedMediaType,
    /// 429: not enough tokens.
    TokenLimit,
    /// 429, with `Retry-After`.
    RateLimited,
    /// 429: the plan's "at once" is reached.
    TooManyGenerations,
    /// 502 or 503: something that the relay needs does not answer.
    UpstreamUnavailable,
    /// 500
    Internal,
}

impl ErrorCode {
    /// The HTTP status that goes with the code (`upstream_unavailable`: 503).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::InvalidRequest | Self::InvalidPlan => 400,
            Self::NoSubscription | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::GenerationConflict => 409,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::TokenLimit | Self::RateLimited | Self::TooManyGenerations => 429,
            Self::UpstreamUnavailable => 503,
            Self::Internal => 500,
        }
    }
}
