//! Refunds, whole or in part. What was refunded is told by `charge.refunded`; the subscription goes
//! on, as at Stripe.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept, Metadata};
use super::failure::Failure;
use super::form::Form;
use super::ids;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) charge: String,
    pub(crate) customer: String,
    pub(crate) payment_intent: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reason: Option<String>,
    pub(crate) metadata: Metadata,
}

impl Kept for Refund {
    const NOUN: &'static str = "refund";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl Refund {
    pub(crate) fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "refund",
            "amount": self.amount,
            "balance_transaction": self.id.replacen("re_", "txn_", 1),
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "destination_details": { "card": { "reference_status": "pending", "reference_type": "acquirer_reference_number", "type": "refund" }, "type": "card" },
            "metadata": self.metadata,
            "payment_intent": self.payment_intent,
            "payment_method": null,
            "reason": self.reason,
            "receipt_number": null,
            "source_transfer_reversal": null,
            "status": "succeeded",
            "transfer_reversal": null,
        })
    }
}

impl Books {
    pub(crate) fn retrieve_refund(&self, id: &str) -> Answer {
        self.refunds.find(id).map(Refund::json)
    }

    pub(crate) fn refunds_of_charge(&self, charge: &str) -> Value {
        let refunds: Vec<Value> = self
            .refunds
            .newest_first()
            .filter(|refund| refund.charge == charge)
            .map(Refund::json)
            .collect();
        Self::sublist(&format!("/v1/charges/{charge}/refunds"), &refunds)
    }

    pub(crate) fn create_refund(&mut self, form: &Form) -> Answer {
        form.only(&[
            "amount",
            "charge",
            "currency",
            "customer",
            "instructions_email",
            "metadata",
            "origin",
            "payment_intent",
            "reason",
            "refund_application_fee",
            "reverse_transfer",
        ])?;
        let charge = match (form.text("charge"), form.text("payment_intent")) {
            (Some(charge), _) => self.charges.named(charge, "charge")?.id.clone(),
            (None, Some(intent)) => self
                .payment_intents
                .named(intent, "payment_intent")?
                .latest_charge
                .clone()
                .ok_or_else(|| {
                    Failure::invalid(format!(
                        "This PaymentIntent ({intent}) does not have a successful charge to refund."
                    ))
                    .param("payment_intent")
                })?,
            (None, None) => {
                return Err(Failure::invalid(
                    "One of the following params should be provided for this request: payment_intent or charge.",
                ));
            }
        };
        let mut metadata = Metadata::new();
        form.lay_metadata(&mut metadata);
        let amount = form.integer("amount")?;
        let reason = form.text("reason").map(ToOwned::to_owned);
        self.refund_charge(&charge, amount, reason, metadata)
    }

    /// Gives back `amount`, or all that is left.
    pub(crate) fn refund_charge(
        &mut self,
        charge: &str,
        amount: Option<i64>,
        reason: Option<String>,
        metadata: Metadata,
    ) -> Answer {
        let mut charge = self.charges.find(charge)?.clone();
        let left = charge.amount - charge.amount_refunded;
        if !charge.paid() {
            return Err(Failure::invalid("This charge has not been paid and cannot be refunded."));
        }
        if charge.disputed {
            return Err(Failure::invalid(format!(
                "Charge {} has been charged back; cannot issue a refund.",
                charge.id
            ))
            .code("charge_disputed"));
        }
        if left <= 0 {
            return Err(Failure::invalid(format!(
                "Charge {} has already been refunded.",
                charge.id
            ))
            .code("charge_already_refunded"));
        }
        let amount = amount.unwrap_or(left);
        if !(1..=left).contains(&amount) {
            return Err(Failure::invalid(format!(
                "Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            ))
            .param("amount"));
        }
        let before = self.charge_json(&charge);
        charge.amount_refunded += amount;
        let refund = Refund {
            id: ids::fresh("re_3", 23),
            created: self.now,
            charge: charge.id.clone(),
            customer: charge.customer.clone(),
            payment_intent: charge.payment_intent.clone(),
            amount,
            currency: charge.currency.clone(),
            reason,
            metadata,
        };
        let json = refund.json();
        let after = self.charge_json(&charge);
        self.charges.put(charge);
        self.refunds.put(refund);
        self.emit("refund.created", json.clone());
        self.emit_change("charge.refunded", &before, after);
        Ok(json)
    }
}
