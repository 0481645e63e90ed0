//! What the app and its relay say to each other.
//!
//! Pure types and rules: no I/O, no clock, no randomness. The relay serialises these types, the
//! app reads them, and the TypeScript under `ui/src/lib/bindings/` is generated from them, so a
//! field exists in one place only. JSON is camelCase; times are Unix milliseconds in UTC; tokens
//! are integers; money is in minor units. The contract's words are kept: what Stripe calls
//! `past_due` is called so here.
//!
//! Deliberately not here: anything about how either side stores or computes what it says.

pub mod account;
pub mod billing;
pub mod config;
pub mod counting;
pub mod error;
pub mod generation;
pub mod ids;
pub mod ledger;
pub mod sse;
pub mod time;
pub mod tokens;

pub use account::{AccountSnapshot, Subscription, SubscriptionStatus, TokenFigures, User};
pub use config::RelayConfig;
pub use error::{ErrorBody, ErrorCode};
pub use ids::{GenerationId, PlanId, UserId};
pub use time::UnixMillis;
pub use tokens::Tokens;
