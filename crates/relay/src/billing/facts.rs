//! What Stripe says about one customer now, reduced to what billing decides by.
//!
//! `crate::stripe` fills these from its typed objects; [`super::fold`] reads nothing else. The
//! same facts are kept as JSON beside the customer, so that what time alone changes (a yearly
//! plan's next month, the end of the days of grace) is decided again without asking Stripe.
//!
//! Deliberately not here: names, addresses, cards, anything that identifies a person, and any
//! amount that no rule needs. Times are Unix seconds, as Stripe counts them.

use autocrea_protocol::account::Interval;
use serde::{Deserialize, Serialize};

/// Everything about a customer that decides plan and tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// When the customer was deleted at Stripe, if it was.
    pub deleted_at: Option<i64>,
    /// All subscriptions, ended ones too, oldest first as Stripe lists them.
    pub subscriptions: Vec<SubscriptionFact>,
    /// All invoices of subscriptions, drafts not, oldest first as Stripe lists them.
    pub invoices: Vec<InvoiceFact>,
}

impl Facts {
    /// Whether every subscription and invoice of `others` is among these.
    #[must_use]
    pub fn covers(&self, others: &Self) -> bool {
        let invoice = |id: &str| self.invoices.iter().any(|one| one.id == id);
        let subscription = |id: &str| self.subscriptions.iter().any(|one| one.id == id);
        others.invoices.iter().all(|one| invoice(&one.id))
            && others.subscriptions.iter().all(|one| subscription(&one.id))
    }
}

/// Stripe's subscription status, in Stripe's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Paid for.
    Active,
    /// In a trial.
    Trialing,
    /// A payment failed; Stripe tries again.
    PastDue,
    /// Stripe has stopped trying.
    Unpaid,
    /// A trial ended without a payment method.
    Paused,
    /// Ended.
    Canceled,
    /// The first payment has not been made: as if there were no subscription.
    Incomplete,
    /// It never was.
    IncompleteExpired,
}

impl Status {
    /// Whether the subscription keeps a second checkout shut.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Active | Self::Trialing | Self::PastDue | Self::Unpaid | Self::Paused)
    }

    /// Whether there is, or ever was, a subscription at all.
    #[must_use]
    pub const fn counts(self) -> bool {
        !matches!(self, Self::Incomplete | Self::IncompleteExpired)
    }
}

/// One subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionFact {
    /// `sub_…`
    pub id: String,
    /// As Stripe has it.
    pub status: Status,
    /// Price of the first item.
    pub price: String,
    /// That price's interval, as Stripe has it.
    pub interval: Option<Interval>,
    /// Orders subscriptions.
    pub created: i64,
    /// `items.data[0].current_period_start`
    pub period_start: i64,
    /// `items.data[0].current_period_end`
    pub period_end: i64,
    /// The portal's flexible way of cancelling sets only this.
    pub cancel_at: Option<i64>,
    /// The classic way.
    pub cancel_at_period_end: bool,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// End of the trial, if there is or was one.
    pub trial_end: Option<i64>,
}

/// One invoice of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceFact {
    /// `in_…`
    pub id: String,
    /// Whose.
    pub subscription: String,
    /// Settled, by whatever means.
    pub paid: bool,
    /// Still to be paid, and an attempt to collect it has been made that is not undecided.
    pub overdue: bool,
    /// Still to be paid (overdue or not).
    pub open: bool,
    /// Orders invoices.
    pub created: i64,
    /// When collecting it failed first; the finalisation where Stripe shows no failed charge.
    pub first_failed_at: Option<i64>,
    /// What was bought.
    pub lines: Vec<LineFact>,
    /// Collected, in minor units.
    pub charged: i64,
    /// Given back of it.
    pub refunded: i64,
    /// Disputes of its charges.
    pub disputes: Vec<DisputeFact>,
}

/// One line of an invoice, if it is of a subscription item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineFact {
    /// Of which price.
    pub price: String,
    /// A part of a period after a change, not a period.
    pub proration: bool,
    /// Gives back what was not used of something already billed.
    pub credit: bool,
    /// Minor units, before discounts.
    pub amount: i64,
    /// First second.
    pub start: i64,
    /// The second after the last.
    pub end: i64,
}

/// A dispute of a charge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputeFact {
    /// `du_…`
    pub id: String,
    /// Where it stands.
    pub standing: Standing,
}

/// Where a dispute stands. Inquiries (`warning_…`) and prevented disputes have moved no money
/// and are not facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The money is with the bank.
    Open,
    /// The money stays with the bank.
    Lost,
    /// The money came back.
    Won,
}

impl InvoiceFact {
    /// Whether all that was collected has been given back.
    #[must_use]
    pub fn is_refunded(&self) -> bool {
        self.charged > 0 && self.refunded >= self.charged
    }

    /// Whether nothing of what was collected is kept: it has been given back, or a bank has it.
    #[must_use]
    pub fn is_returned(&self) -> bool {
        self.refunded >= self.charged || self.is_contested()
    }

    /// Whether a bank holds the money, or has taken it for good.
    #[must_use]
    pub fn is_contested(&self) -> bool {
        self.disputes
            .iter()
            .any(|dispute| matches!(dispute.standing, Standing::Open | Standing::Lost))
    }

    /// `whole` × the share that was refunded, rounded down.
    #[must_use]
    pub fn refunded_share_of(&self, whole: i64) -> i64 {
        if self.charged <= 0 {
            return 0;
        }
        super::share(whole, self.refunded.clamp(0, self.charged), self.charged)
    }
}
