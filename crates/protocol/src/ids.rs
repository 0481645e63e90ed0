//! Identifiers. Each is its own type, so that a person can never be passed where a plan is meant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use ts_rs::TS;
use uuid::Uuid;

/// A person, as Clerk names them (`user_…`). Kept exactly as it came.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct UserId(pub String);

/// A plan of the relay's catalogue: `free`, `creator`, `pro`, `business`.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct PlanId(pub String);

/// One generation: chosen by the app (UUIDv7) and the relay's idempotency key, per person.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(transparent)]
#[ts(type = "string")]
pub struct GenerationId(pub Uuid);

impl PlanId {
    /// The plan of everybody who has not bought one.
    pub const FREE: &'static str = "free";

    /// The free plan.
    #[must_use]
    pub fn free() -> Self {
        Self(Self::FREE.to_owned())
    }

    /// Whether this is the plan that costs nothing.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.0 == Self::FREE
    }
}

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }
    };
}
text_id!(UserId);
text_id!(PlanId);

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl std::str::FromStr for GenerationId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}
