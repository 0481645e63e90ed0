//! Invoices and their lines, as they look. How they are drafted, finalised and collected is in
//! `collecting`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept, Metadata};
use super::catalogue::Price;
use super::ids;
use super::subscription::Subscription;

/// Why an invoice was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BillingReason {
    #[serde(rename = "subscription_create")]
    Create,
    #[serde(rename = "subscription_cycle")]
    Cycle,
    #[serde(rename = "subscription_update")]
    Update,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InvoiceStatus {
    Draft,
    Open,
    Paid,
    Uncollectible,
    Void,
}

impl InvoiceStatus {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Open => "open",
            Self::Paid => "paid",
            Self::Uncollectible => "uncollectible",
            Self::Void => "void",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) description: String,
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) price: String,
    pub(crate) product: String,
    pub(crate) unit_amount: i64,
    pub(crate) currency: String,
    pub(crate) quantity: i64,
    pub(crate) subscription: String,
    pub(crate) item: String,
    pub(crate) proration: bool,
    /// For a credit: the invoice and the line that had charged it.
    pub(crate) credited: Option<(String, String)>,
    pub(crate) metadata: Metadata,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) customer_email: Option<String>,
    pub(crate) customer_name: Option<String>,
    pub(crate) subscription: String,
    /// The subscription's metadata when the invoice was finalised.
    pub(crate) subscription_metadata: Metadata,
    pub(crate) proration_date: Option<i64>,
    pub(crate) status: InvoiceStatus,
    pub(crate) billing_reason: BillingReason,
    pub(crate) currency: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) number: Option<String>,
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
    pub(crate) starting_balance: i64,
    pub(crate) ending_balance: Option<i64>,
    pub(crate) amount_due: i64,
    pub(crate) amount_paid: i64,
    pub(crate) attempt_count: u32,
    pub(crate) attempted: bool,
    pub(crate) auto_advance: bool,
    pub(crate) next_payment_attempt: Option<i64>,
    pub(crate) finalized_at: Option<i64>,
    pub(crate) paid_at: Option<i64>,
    pub(crate) voided_at: Option<i64>,
    pub(crate) marked_uncollectible_at: Option<i64>,
    pub(crate) payment_intent: Option<String>,
}

impl Kept for Invoice {
    const NOUN: &'static str = "invoice";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl Invoice {
    pub(crate) fn total(&self) -> i64 {
        self.lines.iter().map(|line| line.amount).sum()
    }

    pub(crate) fn amount_remaining(&self) -> i64 {
        self.amount_due - self.amount_paid
    }
}

impl Line {
    /// A line for a share of a period of a subscription's item.
    pub(crate) fn new(
        subscription: &Subscription,
        price: &Price,
        amount: i64,
        period: (i64, i64),
        description: String,
    ) -> Self {
        Self {
            id: ids::fresh("il_1", 23),
            amount,
            description,
            start: period.0,
            end: period.1,
            price: price.id.clone(),
            product: price.product.clone(),
            unit_amount: price.unit_amount,
            currency: price.currency.clone(),
            quantity: subscription.quantity,
            subscription: subscription.id.clone(),
            item: subscription.item.clone(),
            proration: false,
            credited: None,
            metadata: subscription.metadata.clone(),
        }
    }

    fn json(&self, invoice: &str) -> Value {
        let credited = self
            .credited
            .as_ref()
            .map(|(invoice, line)| json!({ "invoice": invoice, "invoice_line_items": [line] }));
        json!({
            "id": self.id,
            "object": "line_item",
            "amount": self.amount,
            "currency": self.currency,
            "description": self.description,
            "discount_amounts": [],
            "discountable": !self.proration,
            "discounts": [],
            "invoice": invoice,
            "livemode": false,
            "metadata": self.metadata,
            "parent": {
                "invoice_item_details": null,
                "subscription_item_details": {
                    "invoice_item": self.proration.then(|| self.id.replacen("il_", "ii_", 1)),
                    "proration": self.proration,
                    "proration_details": { "credited_items": credited },
                    "subscription": self.subscription,
                    "subscription_item": self.item,
                },
                "type": "subscription_item_details",
            },
            "period": { "end": self.end, "start": self.start },
            "pretax_credit_amounts": [],
            "pricing": {
                "price_details": { "price": self.price, "product": self.product },
                "type": "price_details",
                "unit_amount_decimal": self.unit_amount.to_string(),
            },
            "quantity": self.quantity,
            "quantity_decimal": self.quantity.to_string(),
            "subscription": self.subscription,
            "subtotal": self.amount,
            "taxes": [],
        })
    }
}

impl Books {
    pub(crate) fn invoice_json(&self, invoice: &Invoice) -> Value {
        let i = invoice;
        let total = i.total();
        let lines: Vec<Value> = i.lines.iter().map(|line| line.json(&i.id)).collect();
        let seen = i.finalized_at.is_some();
        json!({
            "id": i.id,
            "object": "invoice",
            "account_country": "US",
            "account_name": "AUTOCREA sandbox",
            "account_tax_ids": null,
            "amount_due": i.amount_due,
            "amount_overpaid": 0,
            "amount_paid": i.amount_paid,
            "amount_remaining": i.amount_remaining(),
            "amount_shipping": 0,
            "application": null,
            "attempt_count": i.attempt_count,
            "attempted": i.attempted,
            "auto_advance": i.auto_advance,
            "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null, "provider": null, "status": null },
            "automatically_finalizes_at": null,
            "billing_reason": i.billing_reason,
            "collection_method": "charge_automatically",
            "created": i.created,
            "currency": i.currency,
            "custom_fields": null,
            "customer": i.customer,
            "customer_account": null,
            "customer_address": null,
            "customer_email": i.customer_email,
            "customer_name": i.customer_name,
            "customer_phone": null,
            "customer_shipping": null,
            "customer_tax_exempt": "none",
            "customer_tax_ids": [],
            "default_payment_method": null,
            "default_source": null,
            "default_tax_rates": [],
            "description": null,
            "discounts": [],
            "due_date": null,
            "effective_at": i.finalized_at,
            "ending_balance": i.ending_balance,
            "footer": null,
            "from_invoice": null,
            "hosted_invoice_url": seen.then(|| format!("{}/i/{}", self.url, i.id)),
            "invoice_pdf": seen.then(|| format!("{}/i/{}/pdf", self.url, i.id)),
            "issuer": { "type": "self" },
            "last_finalization_error": null,
            "latest_revision": null,
            "lines": Self::sublist(&format!("/v1/invoices/{}/lines", i.id), &lines),
            "livemode": false,
            "metadata": {},
            "next_payment_attempt": i.next_payment_attempt,
            "number": i.number,
            "on_behalf_of": null,
            "parent": {
                "quote_details": null,
                "subscription_details": {
                    "metadata": i.subscription_metadata,
                    "subscription": i.subscription,
                    "subscription_proration_date": i.proration_date,
                },
                "type": "subscription_details",
            },
            "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
            "period_end": i.period_end,
            "period_start": i.period_start,
            "post_payment_credit_notes_amount": 0,
            "pre_payment_credit_notes_amount": 0,
            "receipt_number": null,
            "rendering": null,
            "shipping_cost": null,
            "shipping_details": null,
            "starting_balance": i.starting_balance,
            "statement_descriptor": null,
            "status": i.status,
            "status_transitions": {
                "finalized_at": i.finalized_at,
                "marked_uncollectible_at": i.marked_uncollectible_at,
                "paid_at": i.paid_at,
                "voided_at": i.voided_at,
            },
            "subtotal": total,
            "subtotal_excluding_tax": total,
            "test_clock": null,
            "total": total,
            "total_discount_amounts": [],
            "total_excluding_tax": total,
            "total_pretax_credit_amounts": [],
            "total_taxes": [],
            "webhooks_delivered_at": i.finalized_at,
        })
    }

    pub(crate) fn retrieve_invoice(&self, id: &str) -> Answer {
        self.invoices.find(id).map(|invoice| self.invoice_json(invoice))
    }

    /// `GET /v1/invoices/{id}/lines`.
    pub(crate) fn lines_of_invoice(&self, id: &str) -> Result<Vec<Value>, super::failure::Failure> {
        let invoice = self.invoices.find(id)?;
        Ok(invoice.lines.iter().map(|line| line.json(&invoice.id)).collect())
    }

    /// What a product is called on invoices.
    pub(crate) fn product_name(&self, price: &Price) -> String {
        self.products.get(&price.product).map_or_else(String::new, |product| product.name.clone())
    }

    /// The regular line for the subscription's current period.
    pub(crate) fn period_line(&self, subscription: &Subscription, price: &Price) -> Line {
        let amount = price.unit_amount * subscription.quantity;
        let every = price.interval.map_or("month", super::calendar::Interval::word);
        let description = format!(
            "{} × {} (at ${}.{:02} / {every})",
            subscription.quantity,
            self.product_name(price),
            price.unit_amount / 100,
            price.unit_amount % 100,
        );
        let period = (subscription.period_start, subscription.period_end);
        Line::new(subscription, price, amount, period, description)
    }

    /// The line over nothing of a trial.
    pub(crate) fn trial_line(&self, subscription: &Subscription, price: &Price) -> Line {
        let description = format!("Trial period for {}", self.product_name(price));
        let period = (subscription.period_start, subscription.period_end);
        Line::new(subscription, price, 0, period, description)
    }
}
