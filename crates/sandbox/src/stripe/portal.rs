//! Portal sessions: the relay makes one, its address lets one customer in. What the visitor can do
//! there is in `hosted::portal`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{Answer, Books, Kept};
use super::failure::Failure;
use super::form::Form;
use super::ids;

/// A portal session that goes straight to one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    pub(crate) kind: FlowKind,
    pub(crate) subscription: Option<String>,
    /// For `subscription_update_confirm`: the price to be confirmed.
    pub(crate) price: Option<String>,
    pub(crate) after: AfterCompletion,
    pub(crate) return_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FlowKind {
    PaymentMethodUpdate,
    SubscriptionCancel,
    SubscriptionUpdate,
    SubscriptionUpdateConfirm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AfterCompletion {
    HostedConfirmation,
    PortalHomepage,
    Redirect,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PortalSession {
    pub(crate) id: String,
    /// What the address carries in place of the id.
    pub(crate) key: String,
    pub(crate) created: i64,
    pub(crate) customer: String,
    pub(crate) configuration: String,
    pub(crate) return_url: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) flow: Option<Flow>,
}

impl Kept for PortalSession {
    const NOUN: &'static str = "billing portal session";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl Flow {
    fn read(form: &Form) -> Result<Self, Failure> {
        let (kind, name) = match form.required("type")? {
            "payment_method_update" => (FlowKind::PaymentMethodUpdate, None),
            "subscription_cancel" => (FlowKind::SubscriptionCancel, Some("subscription_cancel")),
            "subscription_update" => (FlowKind::SubscriptionUpdate, Some("subscription_update")),
            "subscription_update_confirm" => {
                (FlowKind::SubscriptionUpdateConfirm, Some("subscription_update_confirm"))
            }
            other => {
                return Err(Failure::invalid(format!("Invalid flow_data[type]: {other}"))
                    .param("flow_data[type]"));
            }
        };
        let details = name.and_then(|name| form.node(name));
        let subscription =
            details.and_then(|details| details.text("subscription")).map(ToOwned::to_owned);
        if let Some(name) = name
            && subscription.is_none()
        {
            return Err(Failure::missing(&format!("flow_data[{name}][subscription]")));
        }
        let price = details.and_then(|details| {
            details
                .items("items")
                .first()
                .and_then(|item| item.text("price"))
                .map(ToOwned::to_owned)
        });
        let after = form.node("after_completion");
        let kind_after = match after.and_then(|after| after.text("type")) {
            Some("redirect") => AfterCompletion::Redirect,
            Some("hosted_confirmation") => AfterCompletion::HostedConfirmation,
            _ => AfterCompletion::PortalHomepage,
        };
        let return_url = after
            .and_then(|after| after.node("redirect"))
            .and_then(|redirect| redirect.text("return_url"))
            .map(ToOwned::to_owned);
        if kind_after == AfterCompletion::Redirect && return_url.is_none() {
            return Err(Failure::missing("flow_data[after_completion][redirect][return_url]"));
        }
        Ok(Self { kind, subscription, price, after: kind_after, return_url })
    }

    fn json(&self) -> Value {
        let of = |kind: FlowKind| {
            (self.kind == kind).then(|| {
                let mut details = json!({ "subscription": self.subscription });
                if kind == FlowKind::SubscriptionUpdateConfirm {
                    details["discounts"] = json!(null);
                    details["items"] = json!([{ "id": null, "price": self.price, "quantity": 1 }]);
                } else if kind == FlowKind::SubscriptionCancel {
                    details["retention"] = json!(null);
                }
                details
            })
        };
        json!({
            "after_completion": {
                "hosted_confirmation": (self.after == AfterCompletion::HostedConfirmation).then(|| json!({ "custom_message": null })),
                "redirect": self.return_url.as_ref().map(|url| json!({ "return_url": url })),
                "type": self.after,
            },
            "customer_update": null,
            "subscription_cancel": of(FlowKind::SubscriptionCancel),
            "subscription_update": of(FlowKind::SubscriptionUpdate),
            "subscription_update_confirm": of(FlowKind::SubscriptionUpdateConfirm),
            "type": self.kind,
        })
    }
}

impl PortalSession {
    pub(crate) fn json(&self, url: &str) -> Value {
        json!({
            "id": self.id,
            "object": "billing_portal.session",
            "configuration": self.configuration,
            "created": self.created,
            "customer": self.customer,
            "customer_account": null,
            "flow": self.flow.as_ref().map(Flow::json),
            "livemode": false,
            "locale": self.locale,
            "on_behalf_of": null,
            "return_url": self.return_url,
            "url": format!("{url}/p/session/{}", self.key),
        })
    }
}

impl Books {
    pub(crate) fn create_portal_session(&mut self, form: &Form) -> Answer {
        form.only(&[
            "configuration",
            "customer",
            "customer_account",
            "flow_data",
            "locale",
            "on_behalf_of",
            "return_url",
        ])?;
        let customer = self.living_customer(form.required("customer")?, "customer")?.id.clone();
        let configuration = match form.text("configuration") {
            Some(id) => self.configurations.named(id, "configuration")?,
            None => self
                .configurations
                .iter()
                .find(|configuration| configuration.is_default)
                .ok_or_else(|| Failure::invalid("No configuration provided and your test mode default configuration has not been created."))?,
        };
        let configuration = configuration.id.clone();
        let flow = form.node("flow_data").map(Flow::read).transpose()?;
        if let Some(id) = flow.as_ref().and_then(|flow| flow.subscription.as_ref()) {
            let subscription =
                self.subscriptions.named(id, "flow_data[subscription_update][subscription]")?;
            if subscription.customer != customer || subscription.has_ended() {
                return Err(Failure::invalid(format!(
                    "The subscription `{id}` cannot be updated in this flow: it has ended or is another customer's."
                )));
            }
        }
        let session = PortalSession {
            id: ids::fresh("bps_1", 23),
            key: ids::fresh("test_", 40),
            created: self.now,
            customer,
            configuration,
            return_url: form.text("return_url").map(ToOwned::to_owned),
            locale: form.text("locale").map(ToOwned::to_owned),
            flow,
        };
        let json = session.json(&self.url);
        self.portal_sessions.put(session);
        self.emit("billing_portal.session.created", json.clone());
        Ok(json)
    }

    pub(crate) fn portal_session_by_key(&self, key: &str) -> Option<&PortalSession> {
        self.portal_sessions.newest_first().find(|session| session.key == key)
    }
}
