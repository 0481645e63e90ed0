//! The account snapshot: all that the app knows of a person, pushed whole at every change.

use crate::{PlanId, Tokens, UnixMillis, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `GET /api/account`, and the data of every `account` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct AccountSnapshot {
    /// Grows with every change that the person can see and never goes back.
    #[ts(type = "number")]
    pub version: i64,
    /// Who.
    pub user: User,
    /// Which plan is in force, and until when.
    pub subscription: Subscription,
    /// What is left.
    pub tokens: TokenFigures,
}

/// A person, as Clerk describes them, with what they changed here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Clerk's id.
    pub id: UserId,
    /// Null until the profile has been fetched.
    pub email: Option<String>,
    /// Clerk's, unless the person set one here.
    pub name: Option<String>,
    /// Address of a picture.
    pub image_url: Option<String>,
    /// `es` or `en`.
    pub locale: String,
    /// First seen by the relay.
    pub created_at: UnixMillis,
    /// Last change of this record.
    pub updated_at: UnixMillis,
}

/// The plan in force. Never subscribed: `free`, false, and null everywhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// The plan in force now.
    pub plan_id: PlanId,
    /// Stripe's word, folded to these five; null for none.
    pub status: Option<SubscriptionStatus>,
    /// How often it is paid.
    pub interval: Option<Interval>,
    /// Start of what was paid for.
    pub current_period_start: Option<UnixMillis>,
    /// End of what was paid for (the year's, on a yearly plan).
    pub current_period_end: Option<UnixMillis>,
    /// It will not renew.
    pub cancel_at_period_end: bool,
    /// While a payment is overdue: until when the plan is kept.
    pub grace_until: Option<UnixMillis>,
}

impl Subscription {
    /// Somebody who never subscribed.
    #[must_use]
    pub fn none() -> Self {
        Self {
            plan_id: PlanId::free(),
            status: None,
            interval: None,
            current_period_start: None,
            current_period_end: None,
            cancel_at_period_end: false,
            grace_until: None,
        }
    }
}

/// Stripe's subscription status, as far as a person is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Paid for.
    Active,
    /// In a trial.
    Trialing,
    /// A payment is overdue (Stripe's `unpaid` too).
    PastDue,
    /// Ended.
    Canceled,
    /// Collection is paused.
    Paused,
}

/// Billing interval.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, TS,
)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Every month.
    Month,
    /// Every year.
    Year,
}

impl Interval {
    /// Stripe's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// Sums over the lots that are live as of the snapshot's version:
/// `limit` = `used` + `reserved` + `remaining`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct TokenFigures {
    /// `YYYY-MM`, UTC.
    pub month: String,
    /// Spent from the live lots.
    pub used: Tokens,
    /// Held by generations that are running.
    pub reserved: Tokens,
    /// What the live lots were granted and not lost.
    pub limit: Tokens,
    /// What can be spent now.
    pub remaining: Tokens,
    /// Generations of `month`.
    #[ts(type = "number")]
    pub generations_count: i64,
    /// When the latest began, if any did.
    pub last_generation_at: Option<UnixMillis>,
    /// End of the live lot that ends first.
    pub resets_at: Option<UnixMillis>,
}
