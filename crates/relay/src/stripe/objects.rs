//! What is read of Stripe's objects, and no more.
//!
//! async-stripe has types of them whole, in which each field that a newer or an older Stripe leaves
//! out is an answer that cannot be read, and which weigh more than the rest of the relay. What
//! billing does not decide by must not be able to stop it.
//!
//! Times are Unix seconds, amounts minor units, as Stripe counts them.

use serde::Deserialize;
use std::collections::HashMap;

/// What a writer of metadata has put there.
pub(super) type Metadata = Option<HashMap<String, String>>;

/// A page of a list, newest first.
#[derive(Deserialize)]
pub(super) struct List<T> {
    pub data: Vec<T>,
    #[serde(default)]
    pub has_more: bool,
}

/// What lists are made of: each is where the next page can begin.
pub(super) trait Listed {
    fn id(&self) -> &str;
}

macro_rules! listed {
    ($($object:ident),*) => {
        $(impl Listed for $object {
            fn id(&self) -> &str {
                &self.id
            }
        })*
    };
}

listed!(Subscription, Owned, Invoice, Line, Charge, BalanceTransaction);

/// Another object: its id, or itself where Stripe has expanded it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    Id(String),
    Object { id: String },
}

impl Reference {
    pub fn id(&self) -> &str {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }

    pub fn is(&self, id: &str) -> bool {
        self.id() == id
    }

    pub fn into_id(self) -> String {
        match self {
            Self::Id(id) | Self::Object { id } => id,
        }
    }
}

/// An answer of which nothing is read.
#[derive(Deserialize)]
pub(super) struct Anything {}

#[derive(Deserialize)]
pub(super) struct Customer {
    pub id: String,
    /// Of a deleted one this is all there is beside the id.
    #[serde(default)]
    pub deleted: bool,
    pub metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct Price {
    pub id: String,
    /// None where it has no fixed amount.
    pub unit_amount: Option<i64>,
    /// ISO 4217, lower case.
    pub currency: Option<String>,
    pub recurring: Option<Recurring>,
}

#[derive(Deserialize)]
pub(super) struct Recurring {
    pub interval: String,
}

#[derive(Deserialize)]
pub(super) struct Subscription {
    pub id: String,
    pub customer: Reference,
    pub status: String,
    pub created: i64,
    pub items: List<Item>,
    pub cancel_at: Option<i64>,
    #[serde(default)]
    pub cancel_at_period_end: bool,
    pub ended_at: Option<i64>,
    pub trial_end: Option<i64>,
}

/// A subscription of which only the owner is asked: whatever else it is, it hinders no other.
#[derive(Deserialize)]
pub(super) struct Owned {
    pub id: String,
    pub customer: Reference,
}

#[derive(Deserialize)]
pub(super) struct Item {
    pub price: Price,
    pub current_period_start: i64,
    pub current_period_end: i64,
}

#[derive(Deserialize)]
pub(super) struct Invoice {
    pub id: String,
    pub customer: Option<Reference>,
    /// None while it is made.
    pub status: Option<String>,
    pub created: i64,
    pub lines: List<Line>,
    pub parent: Option<InvoiceParent>,
    /// Where the subscription was before 2025-03-31.basil.
    pub subscription: Option<Reference>,
    #[serde(default)]
    pub attempted: bool,
    #[serde(default)]
    pub attempt_count: i64,
    pub status_transitions: Option<StatusTransitions>,
    pub amount_paid: Option<i64>,
    #[serde(default)]
    pub starting_balance: i64,
    pub ending_balance: Option<i64>,
    #[serde(default)]
    pub total: i64,
    pub currency: String,
    pub number: Option<String>,
    pub hosted_invoice_url: Option<String>,
    pub invoice_pdf: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct InvoiceParent {
    pub subscription_details: Option<SubscriptionDetails>,
}

#[derive(Deserialize)]
pub(super) struct SubscriptionDetails {
    pub subscription: Option<Reference>,
}

#[derive(Deserialize)]
pub(super) struct StatusTransitions {
    pub finalized_at: Option<i64>,
}

#[derive(Deserialize)]
pub(super) struct Line {
    pub id: String,
    pub amount: i64,
    pub period: Span,
    pub pricing: Option<Pricing>,
    pub parent: Option<LineParent>,
}

#[derive(Deserialize)]
pub(super) struct Span {
    pub start: i64,
    pub end: i64,
}

#[derive(Deserialize)]
pub(super) struct Pricing {
    pub price_details: Option<PriceDetails>,
}

#[derive(Deserialize)]
pub(super) struct PriceDetails {
    pub price: Reference,
}

#[derive(Deserialize)]
pub(super) struct LineParent {
    pub subscription_item_details: Option<LineDetails>,
    pub invoice_item_details: Option<LineDetails>,
}

#[derive(Deserialize)]
pub(super) struct LineDetails {
    #[serde(default)]
    pub proration: bool,
    pub proration_details: Option<ProrationDetails>,
}

impl LineDetails {
    /// Whether it gives back what was not used of earlier lines.
    pub fn credits(&self) -> bool {
        self.proration_details.as_ref().is_some_and(|details| details.credited_items.is_some())
    }
}

#[derive(Deserialize)]
pub(super) struct ProrationDetails {
    pub credited_items: Option<Anything>,
}

#[derive(Deserialize)]
pub(super) struct InvoicePayment {
    pub id: String,
    pub invoice: Reference,
    pub status: Option<String>,
    pub amount_paid: Option<i64>,
    pub payment: Payment,
}

impl InvoicePayment {
    /// Whether money came by it.
    pub fn has_paid(&self) -> bool {
        let paid = self.status.as_deref() == Some("paid");
        self.amount_paid.map_or(paid, |amount| amount > 0)
    }
}

#[derive(Deserialize)]
pub(super) struct Payment {
    pub payment_intent: Option<Reference>,
    pub charge: Option<Reference>,
}

#[derive(Deserialize)]
pub(super) struct Charge {
    pub id: String,
    pub customer: Option<Reference>,
    pub payment_intent: Option<Reference>,
    /// Where it was before 2025-03-31.basil.
    pub invoice: Option<Reference>,
    pub status: String,
    pub amount: i64,
    #[serde(default)]
    pub amount_refunded: i64,
    #[serde(default)]
    pub disputed: bool,
    pub created: i64,
}

#[derive(Deserialize)]
pub(super) struct Dispute {
    pub id: String,
    pub status: String,
}

#[derive(Deserialize)]
pub(super) struct BalanceTransaction {
    pub id: String,
    pub metadata: Metadata,
}

#[derive(Deserialize)]
pub(super) struct CheckoutSession {
    pub id: String,
    /// While it is open.
    pub url: Option<String>,
    pub customer: Option<Reference>,
    pub client_reference_id: Option<String>,
    #[serde(default)]
    pub expires_at: i64,
}

#[derive(Deserialize)]
pub(super) struct PortalSession {
    pub url: String,
}

#[derive(Deserialize)]
pub(super) struct PortalConfiguration {
    pub id: String,
    pub metadata: Metadata,
}
