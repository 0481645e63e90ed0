//! What there is to tell somebody, and what only its cause knew.
//!
//! Everything else that a mail says (name, language, plan in force) is read when it is rendered, so
//! that it is right on the day it goes out. Kept as JSON beside the mail.

use autocrea_protocol::account::Interval;
use autocrea_protocol::{PlanId, Tokens, UnixMillis};
use serde::{Deserialize, Serialize};

const DAY_MILLIS: i64 = 24 * 3_600_000;

/// A piece of news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum News {
    /// They have an account.
    Welcome,
    /// They have used a share of their tokens.
    Tokens {
        /// Which.
        share: Share,
        /// Of which plan.
        plan: PlanId,
        /// Spent of what the snapshot's `limit` counts.
        used: Tokens,
        /// That limit.
        limit: Tokens,
        /// When the plan's lot ends.
        ends_at: UnixMillis,
    },
    /// The free tokens ran out a day ago.
    Upgrade,
    /// A subscription is paid for, or its trial has begun.
    SubscriptionConfirmed {
        /// What was bought.
        plan: PlanId,
        /// How often it is paid.
        interval: Option<Interval>,
        /// Nothing has been paid yet.
        trial: bool,
        /// When it is paid next.
        until: UnixMillis,
    },
    /// A subscription will not be renewed, or has ended.
    SubscriptionCancelled {
        /// Of which plan.
        plan: PlanId,
        /// Until when the plan is kept; `None`: it has ended.
        until: Option<UnixMillis>,
    },
    /// An invoice could not be collected.
    PaymentFailed {
        /// For which plan.
        plan: PlanId,
        /// Until when the plan is kept all the same.
        kept_until: Option<UnixMillis>,
    },
    /// So many days have passed since they came.
    Onboarding {
        /// How many.
        day: Day,
    },
}

/// A share of the tokens, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Share {
    /// 50 %
    Half,
    /// 80 %
    Most,
    /// 100 %
    All,
}

impl Share {
    /// From the least to the most.
    pub const EACH: [Self; 3] = [Self::Half, Self::Most, Self::All];

    /// As a number.
    #[must_use]
    pub const fn percent(self) -> i64 {
        match self {
            Self::Half => 50,
            Self::Most => 80,
            Self::All => 100,
        }
    }
}

/// A day of the first week on which a mail is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Day {
    /// 1
    First,
    /// 2
    Second,
    /// 3
    Third,
    /// 5
    Fifth,
    /// 7
    Seventh,
}

impl Day {
    /// In order.
    pub const EACH: [Self; 5] =
        [Self::First, Self::Second, Self::Third, Self::Fifth, Self::Seventh];

    /// Milliseconds after they came when it is due, and when it is too late: the next one is due
    /// then, and two on one day would be one too many.
    #[must_use]
    pub const fn due_between(self) -> (i64, i64) {
        let (from, to) = match self {
            Self::First => (1, 2),
            Self::Second => (2, 3),
            Self::Third => (3, 5),
            Self::Fifth => (5, 7),
            Self::Seventh => (7, 10),
        };
        (from * DAY_MILLIS, to * DAY_MILLIS)
    }
}

impl News {
    /// The kind of mail: its tag at Resend.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::Tokens { share: Share::Half, .. } => "tokens_50",
            Self::Tokens { share: Share::Most, .. } => "tokens_80",
            Self::Tokens { share: Share::All, .. } => "tokens_100",
            Self::Upgrade => "upgrade",
            Self::SubscriptionConfirmed { .. } => "subscription_confirmed",
            Self::SubscriptionCancelled { .. } => "subscription_cancelled",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::Onboarding { day: Day::First } => "onboarding_1",
            Self::Onboarding { day: Day::Second } => "onboarding_2",
            Self::Onboarding { day: Day::Third } => "onboarding_3",
            Self::Onboarding { day: Day::Fifth } => "onboarding_5",
            Self::Onboarding { day: Day::Seventh } => "onboarding_7",
        }
    }

    /// Whether a person may ask not to be told.
    #[must_use]
    pub const fn is_promotional(&self) -> bool {
        matches!(self, Self::Upgrade | Self::Onboarding { .. })
    }
}
