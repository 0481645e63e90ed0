//! Payment intents and the charges that they make.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept};
use super::card::{ChargeOutcome, PaymentMethod};
use super::failure::Failure;
use super::ids;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PaymentIntent {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) description: String,
    pub(crate) status: IntentStatus,
    pub(crate) payment_method: Option<String>,
    pub(crate) latest_charge: Option<String>,
    pub(crate) last_error: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum IntentStatus {
    RequiresPaymentMethod,
    RequiresAction,
    Succeeded,
    Canceled,
}

impl Kept for PaymentIntent {
    const NOUN: &'static str = "payment_intent";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) payment_intent: String,
    pub(crate) payment_method: String,
    pub(crate) amount: i64,
    pub(crate) amount_refunded: i64,
    pub(crate) currency: String,
    pub(crate) description: String,
    pub(crate) failure_code: Option<String>,
    pub(crate) failure_message: Option<String>,
    pub(crate) decline_code: Option<String>,
    pub(crate) disputed: bool,
}

impl Kept for Charge {
    const NOUN: &'static str = "charge";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl Charge {
    pub(crate) fn paid(&self) -> bool {
        self.failure_code.is_none()
    }
}

impl PaymentIntent {
    pub(crate) fn json(&self) -> Value {
        let received = if self.status == IntentStatus::Succeeded { self.amount } else { 0 };
        json!({
            "id": self.id,
            "object": "payment_intent",
            "allowed_payment_method_types": null,
            "amount": self.amount,
            "amount_capturable": 0,
            "amount_details": { "tip": {} },
            "amount_received": received,
            "application": null,
            "application_fee_amount": null,
            "automatic_payment_methods": null,
            "canceled_at": null,
            "cancellation_reason": null,
            "capture_method": "automatic",
            "client_secret": format!("{}_secret_sandbox", self.id),
            "confirmation_method": "automatic",
            "created": self.created,
            "currency": self.currency,
            "customer": self.customer,
            "customer_account": null,
            "description": self.description,
            "excluded_payment_method_types": null,
            "last_payment_error": self.last_error,
            "latest_charge": self.latest_charge,
            "livemode": false,
            "managed_payments": null,
            "metadata": {},
            "next_action": null,
            "on_behalf_of": null,
            "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": { "card": { "installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic" } },
            "payment_method_types": ["card"],
            "payment_record": null,
            "processing": null,
            "receipt_email": null,
            "review": null,
            "setup_future_usage": "off_session",
            "shipping": null,
            "source": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": self.status,
            "transfer_data": null,
            "transfer_group": null,
        })
    }
}

impl Books {
    pub(crate) fn charge_json(&self, charge: &Charge) -> Value {
        let method = self.payment_methods.get(&charge.payment_method);
        let paid = charge.paid();
        let outcome = if paid {
            json!({
                "advice_code": null, "network_advice_code": null, "network_decline_code": null,
                "network_status": "approved_by_network", "reason": null, "risk_level": "normal",
                "risk_score": 12, "seller_message": "Payment complete.", "type": "authorized",
            })
        } else {
            json!({
                "advice_code": "try_again_later", "network_advice_code": null, "network_decline_code": "05",
                "network_status": "declined_by_network", "reason": charge.decline_code, "risk_level": "normal",
                "risk_score": 12, "seller_message": charge.failure_message, "type": "issuer_declined",
            })
        };
        json!({
            "id": charge.id,
            "object": "charge",
            "amount": charge.amount,
            "amount_captured": if paid { charge.amount } else { 0 },
            "amount_refunded": charge.amount_refunded,
            "application": null,
            "application_fee": null,
            "application_fee_amount": null,
            "balance_transaction": paid.then(|| charge.id.replacen("ch_", "txn_", 1)),
            "billing_details": method.map_or_else(
                || json!({ "address": null, "email": null, "name": null, "phone": null, "tax_id": null }),
                PaymentMethod::billing_details,
            ),
            "calculated_statement_descriptor": "AUTOCREA",
            "captured": paid,
            "created": charge.created,
            "currency": charge.currency,
            "customer": charge.customer,
            "description": charge.description,
            "disputed": charge.disputed,
            "failure_balance_transaction": null,
            "failure_code": charge.failure_code,
            "failure_message": charge.failure_message,
            "fraud_details": {},
            "livemode": false,
            "metadata": {},
            "on_behalf_of": null,
            "outcome": outcome,
            "paid": paid,
            "payment_intent": charge.payment_intent,
            "payment_method": charge.payment_method,
            "payment_method_details": method.map(PaymentMethod::details_json),
            "radar_options": {},
            "receipt_email": null,
            "receipt_number": null,
            "receipt_url": format!("{}/receipts/{}", self.url, charge.id),
            "refunded": charge.amount_refunded >= charge.amount,
            "review": null,
            "shipping": null,
            "source": null,
            "source_transfer": null,
            "statement_descriptor": null,
            "statement_descriptor_suffix": null,
            "status": if paid { "succeeded" } else { "failed" },
            "transfer_data": null,
            "transfer_group": null,
        })
    }

    pub(crate) fn retrieve_charge(&self, id: &str) -> Answer {
        self.charges.find(id).map(|charge| self.charge_json(charge))
    }

    pub(crate) fn retrieve_payment_intent(&self, id: &str) -> Answer {
        self.payment_intents.find(id).map(PaymentIntent::json)
    }

    /// Makes a payment intent that waits for a payment method.
    pub(crate) fn open_intent(
        &mut self,
        customer: &str,
        amount: i64,
        currency: &str,
        description: &str,
    ) -> String {
        let intent = PaymentIntent {
            id: ids::fresh("pi_3", 23),
            created: self.now,
            customer: customer.to_owned(),
            amount,
            currency: currency.to_owned(),
            description: description.to_owned(),
            status: IntentStatus::RequiresPaymentMethod,
            payment_method: None,
            latest_charge: None,
            last_error: None,
        };
        let id = intent.id.clone();
        let json = intent.json();
        self.payment_intents.put(intent);
        self.emit("payment_intent.created", json);
        id
    }

    /// Charges a payment method for a payment intent and records what its card said.
    pub(crate) fn charge_intent(
        &mut self,
        intent: &str,
        method: &PaymentMethod,
        outcome: ChargeOutcome,
    ) -> Result<(), Failure> {
        let mut intent = self.payment_intents.find(intent)?.clone();
        let charge = Charge {
            id: ids::fresh("ch_3", 23),
            created: self.now,
            customer: intent.customer.clone(),
            payment_intent: intent.id.clone(),
            payment_method: method.id.clone(),
            amount: intent.amount,
            amount_refunded: 0,
            currency: intent.currency.clone(),
            description: intent.description.clone(),
            failure_code: outcome.failure_code().map(ToOwned::to_owned),
            failure_message: outcome.message().map(ToOwned::to_owned),
            decline_code: outcome.decline_code().map(ToOwned::to_owned),
            disputed: false,
        };
        intent.latest_charge = Some(charge.id.clone());
        let charge_json = self.charge_json(&charge);
        let (charge_event, intent_event) = if outcome == ChargeOutcome::Paid {
            intent.status = IntentStatus::Succeeded;
            intent.payment_method = Some(method.id.clone());
            intent.last_error = None;
            ("charge.succeeded", "payment_intent.succeeded")
        } else {
            intent.status = IntentStatus::RequiresPaymentMethod;
            intent.payment_method = None;
            intent.last_error = Some(json!({
                "type": "card_error",
                "code": charge.failure_code,
                "decline_code": charge.decline_code,
                "message": charge.failure_message,
                "charge": charge.id,
                "payment_method": method.json(),
            }));
            ("charge.failed", "payment_intent.payment_failed")
        };
        self.charges.put(charge);
        self.emit(charge_event, charge_json);
        let intent_json = intent.json();
        self.payment_intents.put(intent);
        self.emit(intent_event, intent_json);
        Ok(())
    }
}
