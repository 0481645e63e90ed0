//! Checkout sessions in subscription mode: made by the relay, paid on the hosted page (see `paying`), expired by the relay or by time.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept, Metadata};
use super::card::TestCard;
use super::failure::Failure;
use super::form::Form;
use super::ids;

pub(crate) const DAY: i64 = 86_400;

/// Stripe's states of a checkout session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// Can be paid.
    Open,
    /// Has been paid.
    Complete,
    /// Cannot be paid any more.
    Expired,
}

/// What came of paying a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionPayment {
    /// Paid (or the trial has begun); the browser goes to this address.
    Paid {
        /// `success_url` with the session's id filled in.
        redirect: String,
        /// The new subscription.
        subscription: String,
    },
    /// The card said no; the session is open still.
    Declined {
        /// Stripe's sentence.
        message: String,
    },
    /// The card's owner must authenticate first.
    AuthenticationRequired,
    /// The session is not open.
    Closed(SessionStatus),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CheckoutSession {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) expires_at: i64,
    pub(crate) status: SessionStatus,
    pub(crate) customer: Option<String>,
    pub(crate) customer_email: Option<String>,
    pub(crate) client_reference_id: Option<String>,
    pub(crate) metadata: Metadata,
    pub(crate) subscription_metadata: Metadata,
    pub(crate) trial_end: Option<i64>,
    pub(crate) trial_days: Option<i64>,
    pub(crate) line_item: String,
    pub(crate) price: String,
    pub(crate) quantity: i64,
    pub(crate) locale: Option<String>,
    pub(crate) allow_promotion_codes: Option<bool>,
    pub(crate) success_url: String,
    pub(crate) cancel_url: Option<String>,
    pub(crate) subscription: Option<String>,
    pub(crate) invoice: Option<String>,
    /// The card that has been typed and waits for its owner to authenticate.
    pub(crate) authenticating: Option<TestCard>,
}

impl Kept for CheckoutSession {
    const NOUN: &'static str = "checkout.session";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl CheckoutSession {
    pub(crate) fn success_address(&self) -> String {
        self.success_url.replace("{CHECKOUT_SESSION_ID}", &self.id)
    }

    pub(crate) fn cancel_address(&self) -> Option<String> {
        self.cancel_url.as_ref().map(|url| url.replace("{CHECKOUT_SESSION_ID}", &self.id))
    }

    pub(crate) fn has_trial(&self) -> bool {
        self.trial_days.is_some() || self.trial_end.is_some()
    }
}

const PARAMS: &[&str] = &[
    "adaptive_pricing",
    "after_expiration",
    "allow_promotion_codes",
    "automatic_tax",
    "billing_address_collection",
    "branding_settings",
    "cancel_url",
    "client_reference_id",
    "consent_collection",
    "currency",
    "custom_fields",
    "custom_text",
    "customer",
    "customer_creation",
    "customer_email",
    "customer_update",
    "discounts",
    "excluded_payment_method_types",
    "expires_at",
    "integration_identifier",
    "line_items",
    "locale",
    "managed_payments",
    "metadata",
    "mode",
    "name_collection",
    "optional_items",
    "origin_context",
    "payment_method_collection",
    "payment_method_configuration",
    "payment_method_data",
    "payment_method_options",
    "payment_method_types",
    "phone_number_collection",
    "saved_payment_method_options",
    "submit_type",
    "subscription_data",
    "success_url",
    "tax_id_collection",
    "ui_mode",
    "wallet_options",
];

impl Books {
    pub(crate) fn session_json(&self, session: &CheckoutSession) -> Value {
        let s = session;
        let price = self.prices.get(&s.price);
        let full = price.map_or(0, |price| price.unit_amount * s.quantity);
        let amount = if s.has_trial() { 0 } else { full };
        let customer = s.customer.as_ref().and_then(|id| self.customers.get(id));
        let details = customer.map(|customer| {
            json!({
                "address": null, "business_name": null, "email": customer.email, "individual_name": null,
                "name": customer.name, "phone": null, "tax_exempt": "none", "tax_ids": [],
            })
        });
        let paid = if s.has_trial() { "no_payment_required" } else { "paid" };
        let complete = s.status == SessionStatus::Complete;
        json!({
            "id": s.id,
            "object": "checkout.session",
            "adaptive_pricing": null,
            "after_expiration": null,
            "allow_promotion_codes": s.allow_promotion_codes,
            "allowed_payment_method_types": null,
            "amount_subtotal": amount,
            "amount_total": amount,
            "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
            "billing_address_collection": null,
            "cancel_url": s.cancel_url,
            "client_reference_id": s.client_reference_id,
            "client_secret": null,
            "collected_information": { "business_name": null, "individual_name": null, "shipping_details": null },
            "consent": null,
            "consent_collection": null,
            "created": s.created,
            "currency": price.map_or("usd", |price| price.currency.as_str()),
            "currency_conversion": null,
            "custom_fields": [],
            "custom_text": { "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null },
            "customer": s.customer,
            "customer_account": null,
            "customer_creation": if customer.is_some() { Value::Null } else { json!("always") },
            "customer_details": details,
            "customer_email": s.customer_email,
            "discounts": [],
            "expires_at": s.expires_at,
            "integration_identifier": null,
            "invoice": s.invoice,
            "invoice_creation": null,
            "livemode": false,
            "locale": s.locale,
            "managed_payments": { "enabled": false },
            "metadata": s.metadata,
            "mode": "subscription",
            "origin_context": null,
            "payment_intent": null,
            "payment_link": null,
            "payment_method_collection": "always",
            "payment_method_configuration_details": null,
            "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
            "payment_method_types": ["card"],
            "payment_status": if complete { paid } else { "unpaid" },
            "permissions": null,
            "phone_number_collection": { "enabled": false },
            "recovered_from": null,
            "saved_payment_method_options": { "allow_redisplay_filters": ["always"], "payment_method_remove": "disabled", "payment_method_save": null },
            "setup_intent": null,
            "shipping_address_collection": null,
            "shipping_cost": null,
            "shipping_options": [],
            "status": s.status,
            "submit_type": null,
            "subscription": s.subscription,
            "success_url": s.success_url,
            "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
            "ui_mode": "hosted_page",
            "url": (s.status == SessionStatus::Open).then(|| format!("{}/c/pay/{}", self.url, s.id)),
            "wallet_options": null,
        })
    }

    /// `GET /v1/checkout/sessions/{id}/line_items`, and what `expand[]=line_items` adds.
    pub(crate) fn line_items_of_session(&self, id: &str) -> Answer {
        let session = self.sessions.find(id)?;
        let price = self.prices.find(&session.price)?;
        let amount = if session.has_trial() { 0 } else { price.unit_amount * session.quantity };
        let item = json!({
            "id": session.line_item,
            "object": "item",
            "adjustable_quantity": null,
            "amount_discount": 0,
            "amount_subtotal": amount,
            "amount_tax": 0,
            "amount_total": amount,
            "currency": price.currency,
            "description": self.product_name(price),
            "metadata": {},
            "price": price.json(),
            "quantity": session.quantity,
        });
        Ok(Self::sublist(&format!("/v1/checkout/sessions/{id}/line_items"), &[item]))
    }

    pub(crate) fn retrieve_session(&self, id: &str) -> Answer {
        self.sessions.find(id).map(|session| self.session_json(session))
    }

    pub(crate) fn create_session(&mut self, form: &Form) -> Answer {
        form.only(PARAMS)?;
        match form.required("mode")? {
            "subscription" => {}
            other => {
                return Err(Failure::invalid(format!(
                    "This sandbox only makes sessions in subscription mode; got {other}"
                ))
                .param("mode"));
            }
        }
        match form.text("ui_mode") {
            None | Some("hosted_page") => {}
            Some(other) => {
                return Err(Failure::invalid(format!("Invalid ui_mode: must be one of elements, embedded_page, form, or hosted_page; this sandbox has only hosted_page; got {other}")).param("ui_mode"));
            }
        }
        let customer = form.text("customer").map(ToOwned::to_owned);
        if let Some(customer) = &customer {
            self.living_customer(customer, "customer")?;
            if form.text("customer_email").is_some() {
                return Err(Failure::invalid(
                    "You may only specify one of these parameters: customer, customer_email.",
                )
                .param("customer"));
            }
        }
        let items = form.items("line_items");
        let [item] = items.as_slice() else {
            return Err(Failure::missing("line_items"));
        };
        let price = self.prices.named(item.required("price")?, "line_items[0][price]")?;
        if !price.active {
            return Err(Failure::invalid(format!(
                "The price specified is inactive. This field only accepts active prices. Price: {}",
                price.id
            ))
            .param("line_items[0][price]"));
        }
        if price.interval.is_none() {
            return Err(Failure::invalid("You must provide at least one recurring price in `subscription` mode when using prices.")
                .param("line_items"));
        }
        let expires_at = form.integer("expires_at")?.unwrap_or(self.now + DAY);
        if !(self.now + 1_800 - 60..=self.now + DAY).contains(&expires_at) {
            return Err(Failure::invalid("The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation.")
                .param("expires_at"));
        }
        let data = form.node("subscription_data").cloned().unwrap_or_default();
        let mut metadata = Metadata::new();
        form.lay_metadata(&mut metadata);
        let mut subscription_metadata = Metadata::new();
        data.lay_metadata(&mut subscription_metadata);
        let session = CheckoutSession {
            id: ids::fresh("cs_test_a1", 56),
            created: self.now,
            expires_at,
            status: SessionStatus::Open,
            customer,
            customer_email: form.text("customer_email").map(ToOwned::to_owned),
            client_reference_id: form.text("client_reference_id").map(ToOwned::to_owned),
            metadata,
            subscription_metadata,
            trial_end: data.integer("trial_end")?,
            trial_days: data.integer("trial_period_days")?,
            line_item: ids::fresh("li_1", 23),
            price: price.id.clone(),
            quantity: item.integer("quantity")?.unwrap_or(1),
            locale: form.text("locale").map(ToOwned::to_owned),
            allow_promotion_codes: form.boolean("allow_promotion_codes")?,
            success_url: form.required("success_url")?.to_owned(),
            cancel_url: form.text("cancel_url").map(ToOwned::to_owned),
            subscription: None,
            invoice: None,
            authenticating: None,
        };
        for (name, url) in [
            ("success_url", Some(&session.success_url)),
            ("cancel_url", session.cancel_url.as_ref()),
        ] {
            let web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
            if url.is_some_and(|url| !web(url)) {
                return Err(Failure::invalid("Not a valid URL").code("url_invalid").param(name));
            }
        }
        let json = self.session_json(&session);
        self.sessions.put(session);
        Ok(json)
    }

    /// Expires an open session.
    pub(crate) fn expire_session(&mut self, id: &str) -> Answer {
        let mut session = self.sessions.find(id)?.clone();
        if session.status != SessionStatus::Open {
            let status = self.session_json(&session)["status"].clone();
            return Err(Failure::invalid(format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of {status}."
            )));
        }
        session.status = SessionStatus::Expired;
        session.expires_at = session.expires_at.min(self.now);
        let json = self.session_json(&session);
        self.sessions.put(session);
        self.emit("checkout.session.expired", json.clone());
        Ok(json)
    }
}
