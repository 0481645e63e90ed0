//! Disputes (chargebacks): opened and decided by a test or by a button, since no bank is there.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::books::{Answer, Books, Kept, Metadata};
use super::failure::Failure;
use super::form::Form;
use super::ids;

/// Stripe's states of a dispute, as far as they occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisputeStatus {
    /// Open; the money is withdrawn.
    NeedsResponse,
    /// Evidence has been handed in.
    UnderReview,
    /// Decided for us; the money is back.
    Won,
    /// Decided against us.
    Lost,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Dispute {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) charge: String,
    pub(crate) payment_intent: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) reason: String,
    pub(crate) status: DisputeStatus,
    pub(crate) metadata: Metadata,
}

impl Kept for Dispute {
    const NOUN: &'static str = "dispute";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

/// What evidence can consist of; none of it is ever given here.
const EVIDENCE: &[&str] = &[
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
];

impl Dispute {
    pub(crate) fn json(&self) -> Value {
        let mut evidence: Map<String, Value> =
            EVIDENCE.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        evidence.insert("enhanced_evidence".to_owned(), json!({}));
        json!({
            "id": self.id,
            "object": "dispute",
            "amount": self.amount,
            "balance_transactions": self.balance_transactions(),
            "charge": self.charge,
            "created": self.created,
            "currency": self.currency,
            "enhanced_eligibility_types": [],
            "evidence": evidence,
            "evidence_details": {
                "due_by": self.created + 7 * 86_400,
                "enhanced_eligibility": {},
                "has_evidence": false,
                "past_due": false,
                "submission_count": 0,
            },
            "is_charge_refundable": false,
            "livemode": false,
            "metadata": self.metadata,
            "network_reason_code": "10.4",
            "payment_intent": self.payment_intent,
            "payment_method_details": { "card": { "brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4" }, "type": "card" },
            "reason": self.reason,
            "status": self.status,
        })
    }

    /// The withdrawal, and its reversal once the dispute is won.
    fn balance_transactions(&self) -> Vec<Value> {
        let transaction = |amount: i64, fee: i64, what: &str| {
            json!({
                "id": self.id.replacen("du_", &format!("txn_{what}"), 1),
                "object": "balance_transaction",
                "amount": amount,
                "available_on": self.created,
                "balance_type": "payments",
                "created": self.created,
                "currency": self.currency,
                "description": format!("Chargeback {what} for {}", self.charge),
                "exchange_rate": null,
                "fee": fee,
                "fee_details": [{ "amount": fee, "application": null, "currency": self.currency, "description": "Dispute fee", "type": "stripe_fee" }],
                "net": amount - fee,
                "reporting_category": if amount < 0 { "dispute" } else { "dispute_reversal" },
                "source": self.id,
                "status": "available",
                "type": "adjustment",
            })
        };
        let mut all = vec![transaction(-self.amount, 1_500, "withdrawal")];
        if self.status == DisputeStatus::Won {
            all.push(transaction(self.amount, 0, "reversal"));
        }
        all
    }
}

impl Books {
    pub(crate) fn retrieve_dispute(&self, id: &str) -> Answer {
        self.disputes.find(id).map(Dispute::json)
    }

    /// The bank takes the money of a charge back.
    pub(crate) fn open_dispute(&mut self, charge: &str) -> Answer {
        let mut charge = self.charges.find(charge)?.clone();
        if !charge.paid() || charge.disputed {
            return Err(Failure::invalid(
                "Only a paid charge that is not disputed yet can be disputed.",
            ));
        }
        let before = self.charge_json(&charge);
        charge.disputed = true;
        let dispute = Dispute {
            id: ids::fresh("du_1", 23),
            created: self.now,
            charge: charge.id.clone(),
            payment_intent: charge.payment_intent.clone(),
            amount: charge.amount - charge.amount_refunded,
            currency: charge.currency.clone(),
            reason: "fraudulent".to_owned(),
            status: DisputeStatus::NeedsResponse,
            metadata: Metadata::new(),
        };
        let json = dispute.json();
        let after = self.charge_json(&charge);
        self.charges.put(charge);
        self.disputes.put(dispute);
        self.emit_change("charge.updated", &before, after);
        self.emit("charge.dispute.created", json.clone());
        self.emit("charge.dispute.funds_withdrawn", json.clone());
        Ok(json)
    }

    /// The bank decides.
    pub(crate) fn decide_dispute(&mut self, id: &str, won: bool) -> Answer {
        let mut dispute = self.disputes.find(id)?.clone();
        if matches!(dispute.status, DisputeStatus::Won | DisputeStatus::Lost) {
            return Err(Failure::invalid("This dispute is already closed"));
        }
        dispute.status = if won { DisputeStatus::Won } else { DisputeStatus::Lost };
        let json = dispute.json();
        self.disputes.put(dispute);
        if won {
            self.emit("charge.dispute.funds_reinstated", json.clone());
        }
        self.emit("charge.dispute.closed", json.clone());
        Ok(json)
    }

    /// `POST /v1/disputes/{id}`: evidence is taken note of.
    pub(crate) fn update_dispute(&mut self, id: &str, form: &Form) -> Answer {
        form.only(&["evidence", "metadata", "submit"])?;
        let before = self.disputes.find(id)?.clone();
        let mut dispute = before.clone();
        form.lay_metadata(&mut dispute.metadata);
        if form.node("evidence").is_some() && dispute.status == DisputeStatus::NeedsResponse {
            dispute.status = DisputeStatus::UnderReview;
        }
        let json = dispute.json();
        self.disputes.put(dispute);
        self.emit_change("charge.dispute.updated", &before.json(), json.clone());
        Ok(json)
    }
}
