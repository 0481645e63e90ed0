//! Invoice payments: which payment intent paid (or is to pay) which invoice. Since 2025-03-31.basil
//! this is the way from a charge to its invoice.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InvoicePayment {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) invoice: String,
    pub(crate) payment_intent: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) paid_at: Option<i64>,
    pub(crate) canceled_at: Option<i64>,
}

impl Kept for InvoicePayment {
    const NOUN: &'static str = "invoice_payment";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl InvoicePayment {
    pub(crate) fn status(&self) -> &'static str {
        match (self.paid_at, self.canceled_at) {
            (Some(_), _) => "paid",
            (None, Some(_)) => "canceled",
            (None, None) => "open",
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "invoice_payment",
            "amount_paid": self.paid_at.map(|_| self.amount),
            "amount_requested": self.amount,
            "created": self.created,
            "currency": self.currency,
            "invoice": self.invoice,
            "is_default": true,
            "livemode": false,
            "payment": { "payment_intent": self.payment_intent, "type": "payment_intent" },
            "status": self.status(),
            "status_transitions": { "canceled_at": self.canceled_at, "paid_at": self.paid_at },
        })
    }
}

impl Books {
    pub(crate) fn retrieve_invoice_payment(&self, id: &str) -> Answer {
        self.invoice_payments.find(id).map(InvoicePayment::json)
    }

    /// The `payments` list that an invoice carries when asked to expand it.
    pub(crate) fn payments_of_invoice(&self, invoice: &str) -> Value {
        let payments: Vec<Value> = self
            .invoice_payments
            .newest_first()
            .filter(|payment| payment.invoice == invoice)
            .map(InvoicePayment::json)
            .collect();
        Self::sublist("/v1/invoice_payments", &payments)
    }
}
