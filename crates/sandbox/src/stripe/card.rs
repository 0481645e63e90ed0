//! Stripe's test cards, and the payment methods that come of them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::Kept;

/// What a test card does; the numbers are Stripe's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TestCard {
    /// 4242 4242 4242 4242: pays, always.
    Pays,
    /// 4000 0000 0000 0002: declined, always.
    Declined,
    /// 4000 0000 0000 9995: declined for want of money.
    InsufficientFunds,
    /// 4000 0000 0000 0341: can be saved, but every charge of it fails.
    FailsWhenCharged,
    /// 4000 0025 0000 3155: asks for authentication at the first payment, none later.
    AuthenticatesOnce,
    /// 4000 0027 6000 3184: asks for authentication each time, renewals included.
    AuthenticatesAlways,
}

impl TestCard {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Pays, "4242424242424242"),
        (Self::Declined, "4000000000000002"),
        (Self::InsufficientFunds, "4000000000009995"),
        (Self::FailsWhenCharged, "4000000000000341"),
        (Self::AuthenticatesOnce, "4000002500003155"),
        (Self::AuthenticatesAlways, "4000002760003184"),
    ];

    /// The card with that number; blanks and dashes do not count.
    #[must_use]
    pub fn from_number(number: &str) -> Option<Self> {
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        Self::ALL.into_iter().find(|(_, known)| *known == digits).map(|(card, _)| card)
    }

    /// Its sixteen digits.
    #[must_use]
    pub fn number(self) -> &'static str {
        Self::ALL.into_iter().find(|(card, _)| *card == self).map_or("", |(_, number)| number)
    }

    pub(crate) fn last4(self) -> &'static str {
        &self.number()[12..]
    }

    /// What the card says when it is charged while its owner is there to authenticate.
    pub(crate) fn charge_on_session(self, authenticated: bool) -> ChargeOutcome {
        match self {
            Self::AuthenticatesOnce | Self::AuthenticatesAlways if !authenticated => {
                ChargeOutcome::AuthenticationRequired
            }
            Self::AuthenticatesAlways => ChargeOutcome::Paid,
            other => other.charge_off_session(),
        }
    }

    /// What the card says when it is charged for a renewal.
    pub(crate) fn charge_off_session(self) -> ChargeOutcome {
        match self {
            Self::Pays | Self::AuthenticatesOnce => ChargeOutcome::Paid,
            Self::Declined | Self::FailsWhenCharged => ChargeOutcome::Declined {
                decline_code: "generic_decline",
                message: "Your card was declined.",
            },
            Self::InsufficientFunds => ChargeOutcome::Declined {
                decline_code: "insufficient_funds",
                message: "Your card has insufficient funds.",
            },
            Self::AuthenticatesAlways => ChargeOutcome::AuthenticationRequired,
        }
    }

    /// Whether the card can be kept for later payments.
    pub(crate) fn can_be_saved(self) -> bool {
        !matches!(self, Self::Declined | Self::InsufficientFunds)
    }
}

/// What a card says to a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChargeOutcome {
    Paid,
    Declined { decline_code: &'static str, message: &'static str },
    AuthenticationRequired,
}

impl ChargeOutcome {
    /// Stripe's `failure_code`, for what is not paid.
    pub(crate) fn failure_code(self) -> Option<&'static str> {
        match self {
            Self::Paid => None,
            Self::Declined { .. } => Some("card_declined"),
            Self::AuthenticationRequired => Some("authentication_required"),
        }
    }

    /// Stripe's `decline_code`, for what is not paid.
    pub(crate) fn decline_code(self) -> Option<&'static str> {
        match self {
            Self::Paid => None,
            Self::Declined { decline_code, .. } => Some(decline_code),
            Self::AuthenticationRequired => Some("authentication_required"),
        }
    }

    /// Stripe's sentence, for what is not paid.
    pub(crate) fn message(self) -> Option<&'static str> {
        match self {
            Self::Paid => None,
            Self::Declined { message, .. } => Some(message),
            Self::AuthenticationRequired => {
                Some("Your card was declined. This transaction requires authentication.")
            }
        }
    }
}

/// A saved card (`pm_…`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentMethod {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: Option<String>,
    pub(crate) card: TestCard,
    pub(crate) holder: Option<String>,
    pub(crate) email: Option<String>,
}

impl Kept for PaymentMethod {
    const NOUN: &'static str = "PaymentMethod";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl PaymentMethod {
    pub(crate) fn billing_details(&self) -> Value {
        json!({
            "address": { "city": null, "country": "ES", "line1": null, "line2": null, "postal_code": null, "state": null },
            "email": self.email, "name": self.holder, "phone": null, "tax_id": null,
        })
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "payment_method",
            "allow_redisplay": "always",
            "billing_details": self.billing_details(),
            "card": {
                "brand": "visa",
                "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
                "country": "US",
                "display_brand": "visa",
                "exp_month": 12,
                "exp_year": 2034,
                "fingerprint": format!("fp{}", self.card.last4()),
                "funding": "credit",
                "generated_from": null,
                "last4": self.card.last4(),
                "networks": { "available": ["visa"], "preferred": null },
                "regulated_status": "unregulated",
                "three_d_secure_usage": { "supported": true },
                "wallet": null,
            },
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "livemode": false,
            "metadata": {},
            "type": "card",
        })
    }

    /// The card as a charge tells of it.
    pub(crate) fn details_json(&self) -> Value {
        json!({
            "card": {
                "amount_authorized": null,
                "authorization_code": null,
                "brand": "visa",
                "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
                "country": "US",
                "electronic_commerce_indicator": null,
                "exp_month": 12,
                "exp_year": 2034,
                "fingerprint": format!("fp{}", self.card.last4()),
                "funding": "credit",
                "installments": null,
                "last4": self.card.last4(),
                "mandate": null,
                "network": "visa",
                "network_transaction_id": null,
                "regulated_status": "unregulated",
                "three_d_secure": null,
                "transaction_link_id": null,
                "wallet": null,
            },
            "type": "card",
        })
    }
}
