//! Configurations of the customer portal: what its visitors may do. There is always a default one;
//! `stripe setup` makes another through the API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept, Metadata};
use super::failure::Failure;
use super::form::Form;
use super::ids;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Configuration {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) active: bool,
    pub(crate) is_default: bool,
    pub(crate) name: Option<String>,
    pub(crate) default_return_url: Option<String>,
    pub(crate) headline: Option<String>,
    pub(crate) privacy_policy_url: Option<String>,
    pub(crate) terms_of_service_url: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) login_page: bool,
    pub(crate) customer_update: bool,
    pub(crate) customer_allowed_updates: Vec<String>,
    pub(crate) invoice_history: bool,
    pub(crate) payment_method_update: bool,
    pub(crate) cancel: bool,
    pub(crate) cancel_immediately: bool,
    pub(crate) cancel_reasons: Vec<String>,
    pub(crate) update: bool,
    pub(crate) update_allowed: Vec<String>,
    /// Products, and the prices of each, that can be changed to; empty is the whole catalogue.
    pub(crate) update_products: Vec<(String, Vec<String>)>,
    pub(crate) update_proration: String,
    pub(crate) schedule_conditions: Vec<String>,
}

impl Kept for Configuration {
    const NOUN: &'static str = "configuration";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl Configuration {
    /// What a new account's Dashboard would have after the settings that AUTOCREA asks for: cancel
    /// and downgrade at the end of the period, upgrades at once, card and invoices.
    pub(crate) fn usual(now: i64) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            id: ids::fresh("bpc_1", 23),
            created: now,
            updated: now,
            active: true,
            is_default: false,
            name: None,
            default_return_url: None,
            headline: None,
            privacy_policy_url: None,
            terms_of_service_url: None,
            metadata: Metadata::new(),
            login_page: false,
            customer_update: false,
            customer_allowed_updates: Vec::new(),
            invoice_history: true,
            payment_method_update: true,
            cancel: true,
            cancel_immediately: false,
            cancel_reasons: words(&["too_expensive", "missing_features", "unused", "other"]),
            update: true,
            update_allowed: words(&["price"]),
            update_products: Vec::new(),
            update_proration: "always_invoice".to_owned(),
            schedule_conditions: words(&["decreasing_item_amount", "shortening_interval"]),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let conditions: Vec<Value> =
            self.schedule_conditions.iter().map(|kind| json!({ "type": kind })).collect();
        let products: Vec<Value> = self
            .update_products
            .iter()
            .map(|(product, prices)| {
                json!({
                    "adjustable_quantity": { "enabled": false, "maximum": null, "minimum": 1 },
                    "prices": prices,
                    "product": product,
                })
            })
            .collect();
        json!({
            "id": self.id,
            "object": "billing_portal.configuration",
            "active": self.active,
            "application": null,
            "business_profile": {
                "headline": self.headline,
                "privacy_policy_url": self.privacy_policy_url,
                "terms_of_service_url": self.terms_of_service_url,
            },
            "created": self.created,
            "default_return_url": self.default_return_url,
            "features": {
                "customer_update": { "allowed_updates": self.customer_allowed_updates, "enabled": self.customer_update },
                "invoice_history": { "enabled": self.invoice_history },
                "payment_method_update": { "enabled": self.payment_method_update, "payment_method_configuration": null },
                "subscription_cancel": {
                    "cancellation_reason": { "enabled": !self.cancel_reasons.is_empty(), "feedback_options": null, "options": self.cancel_reasons },
                    "enabled": self.cancel,
                    "mode": if self.cancel_immediately { "immediately" } else { "at_period_end" },
                    "proration_behavior": "none",
                },
                "subscription_update": {
                    "billing_cycle_anchor": null,
                    "default_allowed_updates": self.update_allowed,
                    "enabled": self.update,
                    "products": products,
                    "proration_behavior": self.update_proration,
                    "schedule_at_period_end": { "conditions": conditions },
                    "trial_update_behavior": "end_trial",
                },
            },
            "is_default": self.is_default,
            "livemode": false,
            "login_page": { "enabled": self.login_page, "url": null },
            "metadata": self.metadata,
            "name": self.name,
            "updated": self.updated,
        })
    }

    fn take(&mut self, form: &Form) -> Result<(), Failure> {
        form.only(&[
            "active",
            "business_profile",
            "default_return_url",
            "features",
            "login_page",
            "metadata",
            "name",
        ])?;
        if let Some(active) = form.boolean("active")? {
            self.active = active;
        }
        set_text(&mut self.name, form, "name");
        set_text(&mut self.default_return_url, form, "default_return_url");
        if let Some(profile) = form.node("business_profile") {
            set_text(&mut self.headline, profile, "headline");
            set_text(&mut self.privacy_policy_url, profile, "privacy_policy_url");
            set_text(&mut self.terms_of_service_url, profile, "terms_of_service_url");
        }
        form.lay_metadata(&mut self.metadata);
        let Some(features) = form.node("features") else { return Ok(()) };
        features.only(&[
            "customer_update",
            "invoice_history",
            "payment_method_update",
            "subscription_cancel",
            "subscription_update",
        ])?;
        if let Some(node) = features.node("customer_update") {
            set_bool(&mut self.customer_update, node)?;
            set_texts(&mut self.customer_allowed_updates, node, "allowed_updates");
        }
        if let Some(node) = features.node("invoice_history") {
            set_bool(&mut self.invoice_history, node)?;
        }
        if let Some(node) = features.node("payment_method_update") {
            set_bool(&mut self.payment_method_update, node)?;
        }
        if let Some(node) = features.node("subscription_cancel") {
            set_bool(&mut self.cancel, node)?;
            if let Some(mode) = node.text("mode") {
                self.cancel_immediately = mode == "immediately";
            }
            if let Some(reason) = node.node("cancellation_reason") {
                set_texts(&mut self.cancel_reasons, reason, "options");
            }
        }
        if let Some(node) = features.node("subscription_update") {
            self.take_update(node)?;
        }
        Ok(())
    }

    fn take_update(&mut self, node: &Form) -> Result<(), Failure> {
        set_bool(&mut self.update, node)?;
        set_texts(&mut self.update_allowed, node, "default_allowed_updates");
        if node.node("products").is_some() {
            self.update_products = node
                .items("products")
                .into_iter()
                .map(|product| {
                    Ok((product.required("product")?.to_owned(), product.texts("prices")))
                })
                .collect::<Result<_, Failure>>()?;
        }
        if let Some(proration) = node.text("proration_behavior") {
            proration.clone_into(&mut self.update_proration);
        }
        if let Some(schedule) = node.node("schedule_at_period_end") {
            self.schedule_conditions = schedule
                .items("conditions")
                .into_iter()
                .filter_map(|condition| condition.text("type").map(ToOwned::to_owned))
                .collect();
        }
        Ok(())
    }
}

fn set_text(field: &mut Option<String>, form: &Form, name: &str) {
    if let Some(text) = form.raw(name) {
        *field = Some(text.to_owned()).filter(|text| !text.is_empty());
    }
}

fn set_texts(field: &mut Vec<String>, form: &Form, name: &str) {
    if form.node(name).is_some() {
        *field = form.texts(name);
    }
}

fn set_bool(field: &mut bool, form: &Form) -> Result<(), Failure> {
    if let Some(enabled) = form.boolean("enabled")? {
        *field = enabled;
    }
    Ok(())
}

impl Books {
    /// The configuration that is used when a portal session names none.
    pub(crate) fn stock_configuration(&mut self) {
        let mut configuration = Configuration::usual(self.now);
        configuration.is_default = true;
        self.configurations.put(configuration);
    }

    pub(crate) fn retrieve_configuration(&self, id: &str) -> Answer {
        self.configurations.find(id).map(Configuration::json)
    }

    pub(crate) fn create_configuration(&mut self, form: &Form) -> Answer {
        if form.node("features").is_none() {
            return Err(Failure::missing("features"));
        }
        let mut configuration = Configuration::usual(self.now);
        configuration.invoice_history = false;
        configuration.payment_method_update = false;
        configuration.cancel = false;
        configuration.cancel_reasons.clear();
        configuration.update = false;
        configuration.update_allowed.clear();
        "none".clone_into(&mut configuration.update_proration);
        configuration.schedule_conditions.clear();
        configuration.take(form)?;
        let json = configuration.json();
        self.configurations.put(configuration);
        self.emit("billing_portal.configuration.created", json.clone());
        Ok(json)
    }

    pub(crate) fn update_configuration(&mut self, id: &str, form: &Form) -> Answer {
        let before = self.configurations.find(id)?.clone();
        let mut configuration = before.clone();
        configuration.take(form)?;
        configuration.updated = self.now;
        let json = configuration.json();
        self.configurations.put(configuration);
        self.emit_change("billing_portal.configuration.updated", &before.json(), json.clone());
        Ok(json)
    }
}
