//! Subscriptions in flexible billing mode: what they are, how they begin, and are changed by the API.
//! How they end is in `ending`. Plan changes are in `change`, renewals and retries in `cycle`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept, Metadata};
use super::calendar;
use super::failure::Failure;
use super::form::Form;
use super::ids;
use super::invoice::{BillingReason, Line};

/// Stripe's states of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// The first invoice is not paid yet.
    Incomplete,
    /// The first invoice was not paid in time.
    IncompleteExpired,
    /// In its trial.
    Trialing,
    /// Paid for.
    Active,
    /// The latest invoice has failed and is being retried.
    PastDue,
    /// All retries have failed.
    Unpaid,
    /// Its trial ended without a payment method.
    Paused,
    /// Ended for good.
    Canceled,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) status: SubscriptionStatus,
    pub(crate) item: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) anchor: i64,
    pub(crate) period_start: i64,
    pub(crate) period_end: i64,
    pub(crate) cancel_at: Option<i64>,
    pub(crate) cancel_at_period_end: bool,
    pub(crate) canceled_at: Option<i64>,
    pub(crate) ended_at: Option<i64>,
    pub(crate) cancellation: Cancellation,
    pub(crate) default_payment_method: Option<String>,
    pub(crate) latest_invoice: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) trial_start: Option<i64>,
    pub(crate) trial_end: Option<i64>,
    pub(crate) trial_end_announced: bool,
    pub(crate) pause_collection: Option<String>,
    /// A change to another price that waits for the end of the period.
    pub(crate) scheduled: Option<Scheduled>,
    /// Prorations that wait for the next invoice.
    pub(crate) pending_lines: Vec<Line>,
}

/// A subscription schedule, as far as the sandbox needs one: the price that comes next.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scheduled {
    pub(crate) schedule: String,
    pub(crate) price: String,
}

/// Why it was cancelled, and what its owner said to it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cancellation {
    pub(crate) reason: Option<String>,
    pub(crate) feedback: Option<String>,
    pub(crate) comment: Option<String>,
}

/// Why a subscription ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Requested,
    PaymentFailed,
    /// The moment that was set earlier has come.
    Due,
}

/// What a new subscription begins with.
pub(crate) struct Beginning {
    pub(crate) customer: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) metadata: Metadata,
    pub(crate) trial_end: Option<i64>,
    pub(crate) payment_method: Option<String>,
}

impl Kept for Subscription {
    const NOUN: &'static str = "subscription";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl Subscription {
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.status, SubscriptionStatus::Canceled | SubscriptionStatus::IncompleteExpired)
    }
}

const UPDATE_PARAMS: &[&str] = &[
    "add_invoice_items",
    "application_fee_percent",
    "automatic_tax",
    "billing_cycle_anchor",
    "billing_thresholds",
    "cancel_at",
    "cancel_at_period_end",
    "cancellation_details",
    "collection_method",
    "days_until_due",
    "default_payment_method",
    "default_source",
    "default_tax_rates",
    "description",
    "discounts",
    "invoice_settings",
    "items",
    "metadata",
    "off_session",
    "on_behalf_of",
    "pause_collection",
    "payment_behavior",
    "payment_settings",
    "pending_invoice_item_interval",
    "proration_behavior",
    "proration_date",
    "transfer_data",
    "trial_end",
    "trial_from_plan",
    "trial_settings",
];

impl Books {
    pub(crate) fn subscription_json(&self, subscription: &Subscription) -> Value {
        let s = subscription;
        let price = self.prices.get(&s.price);
        let currency = price.map_or("usd", |price| price.currency.as_str());
        let item = json!({
            "id": s.item,
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": s.created,
            "current_period_end": s.period_end,
            "current_period_start": s.period_start,
            "current_trial": null,
            "discounts": [],
            "metadata": {},
            "plan": price.map(super::catalogue::Price::plan_json),
            "price": price.map(super::catalogue::Price::json),
            "quantity": s.quantity,
            "subscription": s.id,
            "tax_rates": [],
        });
        json!({
            "id": s.id,
            "object": "subscription",
            "application": null,
            "application_fee_percent": null,
            "automatic_tax": { "disabled_reason": null, "enabled": false, "liability": null },
            "billing_cycle_anchor": s.anchor,
            "billing_cycle_anchor_config": null,
            "billing_mode": { "flexible": { "proration_discounts": "included" }, "type": "flexible" },
            "billing_schedules": [],
            "billing_thresholds": null,
            "cancel_at": s.cancel_at,
            "cancel_at_period_end": s.cancel_at_period_end,
            "canceled_at": s.canceled_at,
            "cancellation_details": {
                "comment": s.cancellation.comment,
                "feedback": s.cancellation.feedback,
                "feedback_option": null,
                "reason": s.cancellation.reason,
            },
            "collection_method": "charge_automatically",
            "created": s.created,
            "currency": currency,
            "customer": s.customer,
            "customer_account": null,
            "days_until_due": null,
            "default_payment_method": s.default_payment_method,
            "default_source": null,
            "default_tax_rates": [],
            "description": s.description,
            "discounts": [],
            "ended_at": s.ended_at,
            "invoice_settings": { "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null, "issuer": { "type": "self" } },
            "items": Self::sublist(&format!("/v1/subscription_items?subscription={}", s.id), &[item]),
            "latest_invoice": s.latest_invoice,
            "livemode": false,
            "managed_payments": null,
            "metadata": s.metadata,
            "next_pending_invoice_item_invoice": null,
            "on_behalf_of": null,
            "pause_collection": s.pause_collection.as_ref().map(|behavior| json!({ "behavior": behavior, "resumes_at": null })),
            "payment_settings": { "payment_method_options": null, "payment_method_types": null, "save_default_payment_method": "off" },
            "pending_invoice_item_interval": null,
            "pending_setup_intent": null,
            "pending_update": null,
            "schedule": s.scheduled.as_ref().map(|scheduled| &scheduled.schedule),
            "start_date": s.created,
            "status": s.status,
            "test_clock": null,
            "transfer_data": null,
            "trial_end": s.trial_end,
            "trial_settings": { "end_behavior": { "billing_cycle_anchor": null, "missing_payment_method": "create_invoice" } },
            "trial_start": s.trial_start,
        })
    }

    pub(crate) fn retrieve_subscription(&self, id: &str) -> Answer {
        self.subscriptions.find(id).map(|subscription| self.subscription_json(subscription))
    }

    /// Stores a changed subscription and tells of it.
    pub(crate) fn put_subscription(&mut self, before: &Value, subscription: Subscription) -> Value {
        let json = self.subscription_json(&subscription);
        self.subscriptions.put(subscription);
        self.emit_change("customer.subscription.updated", before, json.clone());
        json
    }

    /// Changes a subscription by `work` and tells of it.
    pub(crate) fn alter_subscription(
        &mut self,
        id: &str,
        work: impl FnOnce(&mut Subscription),
    ) -> Answer {
        let mut subscription = self.subscriptions.find(id)?.clone();
        let before = self.subscription_json(&subscription);
        work(&mut subscription);
        Ok(self.put_subscription(&before, subscription))
    }

    /// Begins a subscription with its first invoice, finalised and not yet paid (a trial's, over
    /// nothing, is paid by that alone). Answers with the ids of both.
    pub(crate) fn begin_subscription(
        &mut self,
        beginning: Beginning,
    ) -> Result<(String, String), Failure> {
        let price = self.prices.named(&beginning.price, "items[0][price]")?.clone();
        let interval = price.interval.ok_or_else(|| {
            Failure::invalid("The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.")
                .param("items[0][price]")
        })?;
        let now = self.now;
        let trial_end = beginning.trial_end.filter(|end| *end > now);
        let period_end = trial_end
            .unwrap_or_else(|| calendar::boundary_after(now, now, interval, price.interval_count));
        let subscription = Subscription {
            id: ids::fresh("sub_1", 23),
            created: now,
            customer: beginning.customer,
            status: if trial_end.is_some() {
                SubscriptionStatus::Trialing
            } else {
                SubscriptionStatus::Incomplete
            },
            item: ids::fresh("si_", 14),
            price: price.id.clone(),
            quantity: beginning.quantity,
            anchor: trial_end.unwrap_or(now),
            period_start: now,
            period_end,
            cancel_at: None,
            cancel_at_period_end: false,
            canceled_at: None,
            ended_at: None,
            cancellation: Cancellation::default(),
            default_payment_method: beginning.payment_method,
            latest_invoice: None,
            description: None,
            metadata: beginning.metadata,
            trial_start: trial_end.map(|_| now),
            trial_end,
            trial_end_announced: false,
            pause_collection: None,
            scheduled: None,
            pending_lines: Vec::new(),
        };
        let line = if trial_end.is_some() {
            self.trial_line(&subscription, &price)
        } else {
            self.period_line(&subscription, &price)
        };
        let id = subscription.id.clone();
        let invoice =
            self.draft_invoice(&subscription, BillingReason::Create, vec![line], (now, now))?;
        let mut subscription = subscription;
        subscription.latest_invoice = Some(invoice.clone());
        let json = self.subscription_json(&subscription);
        self.subscriptions.put(subscription);
        self.emit("customer.subscription.created", json);
        self.finalize_invoice(&invoice)?;
        Ok((id, invoice))
    }

    /// `POST /v1/subscriptions`: begins and pays with the saved card.
    pub(crate) fn create_subscription(&mut self, form: &Form) -> Answer {
        let customer = self.living_customer(form.required("customer")?, "customer")?.clone();
        let items = form.items("items");
        let [item] = items.as_slice() else {
            return Err(Failure::invalid("This sandbox keeps exactly one item a subscription.")
                .param("items"));
        };
        let mut metadata = Metadata::new();
        form.lay_metadata(&mut metadata);
        let trial_end = match form.integer("trial_period_days")? {
            Some(days) => Some(self.now + days * 86_400),
            None => form.integer("trial_end")?,
        };
        let method = form
            .text("default_payment_method")
            .map(ToOwned::to_owned)
            .or_else(|| customer.default_payment_method.clone());
        if method.is_none() && trial_end.is_none() {
            return Err(Failure::invalid("This customer has no attached payment source or default payment method. Please consider adding a default payment method.")
                .code("resource_missing"));
        }
        let (id, invoice) = self.begin_subscription(Beginning {
            customer: customer.id,
            price: item.required("price")?.to_owned(),
            quantity: item.integer("quantity")?.unwrap_or(1),
            metadata,
            trial_end,
            payment_method: form.text("default_payment_method").map(ToOwned::to_owned),
        })?;
        self.attempt_open_invoice(&invoice, None)?;
        self.retrieve_subscription(&id)
    }

    /// `POST /v1/subscriptions/{id}`.
    pub(crate) fn update_subscription(&mut self, id: &str, form: &Form) -> Answer {
        form.only(UPDATE_PARAMS)?;
        let mut subscription = self.subscriptions.find(id)?.clone();
        if subscription.has_ended() {
            return Err(Failure::invalid(
                "A canceled subscription can only update its cancellation_details and metadata.",
            ));
        }
        let before = self.subscription_json(&subscription);
        self.take_cancellation(&mut subscription, form)?;
        if let Some(method) = form.raw("default_payment_method") {
            if !method.is_empty() {
                self.payment_methods.named(method, "default_payment_method")?;
            }
            subscription.default_payment_method =
                Some(method.to_owned()).filter(|id| !id.is_empty());
        }
        if let Some(description) = form.raw("description") {
            subscription.description = Some(description.to_owned()).filter(|text| !text.is_empty());
        }
        match form.node("pause_collection") {
            Some(Form::Text(text)) if text.is_empty() => subscription.pause_collection = None,
            Some(node) => {
                subscription.pause_collection = Some(node.required("behavior")?.to_owned());
            }
            None => {}
        }
        form.lay_metadata(&mut subscription.metadata);
        let ends_trial = match form.text("trial_end") {
            Some("now") => {
                subscription.trial_end = Some(self.now);
                subscription.period_end = self.now;
                true
            }
            Some(_) => {
                let end = form.integer("trial_end")?.unwrap_or(self.now);
                subscription.trial_end = Some(end);
                subscription.period_end = end;
                subscription.anchor = end;
                subscription.status = SubscriptionStatus::Trialing;
                false
            }
            None => false,
        };
        self.put_subscription(&before, subscription);
        if ends_trial {
            self.catch_up(self.now)?;
        }
        self.change_by_form(id, form)?;
        self.retrieve_subscription(id)
    }
}
