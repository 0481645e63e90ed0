//! Webhook endpoints: where events are sent. One is made for the relay at start
//! (`Stripe::webhook_target`); `stripe setup` makes and finds them through the API.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::books::{API_VERSION, Answer, Books, Kept, Metadata};
use super::failure::Failure;
use super::form::Form;
use super::ids;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WebhookEndpoint {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) url: String,
    pub(crate) secret: String,
    pub(crate) enabled_events: Vec<String>,
    pub(crate) description: Option<String>,
    pub(crate) disabled: bool,
    pub(crate) api_version: Option<String>,
    pub(crate) metadata: Metadata,
    /// Whether a relay has been aimed at in this run; one that was only read from disk may be at
    /// another address today.
    #[serde(skip)]
    pub(crate) aimed: bool,
}

impl Kept for WebhookEndpoint {
    const NOUN: &'static str = "webhook endpoint";
    fn id(&self) -> &str {
        &self.id
    }
    fn created(&self) -> i64 {
        self.created
    }
}

impl WebhookEndpoint {
    /// Whether an event of that kind is to be sent here.
    pub(crate) fn wants(&self, kind: &str) -> bool {
        !self.disabled
            && self.enabled_events.iter().any(|enabled| {
                enabled == "*"
                    || enabled == kind
                    || enabled
                        .strip_suffix('*')
                        .is_some_and(|prefix| prefix.ends_with('.') && kind.starts_with(prefix))
            })
    }

    /// The secret is told once, when the endpoint is made.
    pub(crate) fn json(&self, with_secret: bool) -> Value {
        let mut json = json!({
            "id": self.id,
            "object": "webhook_endpoint",
            "api_version": self.api_version,
            "application": null,
            "created": self.created,
            "description": self.description,
            "enabled_events": self.enabled_events,
            "livemode": false,
            "metadata": self.metadata,
            "status": if self.disabled { "disabled" } else { "enabled" },
            "url": self.url,
        });
        if with_secret {
            json["secret"] = json!(self.secret);
        }
        json
    }
}

impl Books {
    /// Sends all events to `url` from now on, signed with `secret`.
    pub(crate) fn aim(&mut self, url: &str, secret: &str) -> String {
        // A relay of an earlier run, started again on another port, keeps its endpoint, and what
        // is still on its way to it.
        let everything = |endpoint: &&WebhookEndpoint| endpoint.enabled_events == ["*"];
        let known = self
            .endpoints
            .iter()
            .find(|endpoint| endpoint.url == url)
            .or_else(|| self.endpoints.iter().filter(everything).find(|endpoint| !endpoint.aimed))
            .cloned();
        let endpoint = match known {
            Some(mut endpoint) => {
                secret.clone_into(&mut endpoint.secret);
                url.clone_into(&mut endpoint.url);
                endpoint.disabled = false;
                endpoint.aimed = true;
                endpoint
            }
            None => WebhookEndpoint {
                id: ids::fresh("we_1", 23),
                created: self.now,
                url: url.to_owned(),
                secret: secret.to_owned(),
                enabled_events: vec!["*".to_owned()],
                description: None,
                disabled: false,
                api_version: Some(API_VERSION.to_owned()),
                metadata: Metadata::new(),
                aimed: true,
            },
        };
        let id = endpoint.id.clone();
        self.endpoints.put(endpoint);
        id
    }

    pub(crate) fn create_endpoint(&mut self, form: &Form) -> Answer {
        form.only(&["api_version", "connect", "description", "enabled_events", "metadata", "url"])?;
        let enabled_events = form.texts("enabled_events");
        if enabled_events.is_empty() {
            return Err(Failure::missing("enabled_events"));
        }
        let mut endpoint = WebhookEndpoint {
            id: ids::fresh("we_1", 23),
            created: self.now,
            url: web_address(form.required("url")?)?,
            secret: ids::fresh("whsec_", 32),
            enabled_events,
            description: form.text("description").map(ToOwned::to_owned),
            disabled: false,
            api_version: form.text("api_version").map(ToOwned::to_owned),
            metadata: Metadata::new(),
            aimed: true,
        };
        form.lay_metadata(&mut endpoint.metadata);
        let json = endpoint.json(true);
        self.endpoints.put(endpoint);
        Ok(json)
    }

    pub(crate) fn update_endpoint(&mut self, id: &str, form: &Form) -> Answer {
        form.only(&["description", "disabled", "enabled_events", "metadata", "url"])?;
        let mut endpoint = self.endpoints.find(id)?.clone();
        if let Some(url) = form.text("url") {
            endpoint.url = web_address(url)?;
        }
        if form.node("enabled_events").is_some() {
            endpoint.enabled_events = form.texts("enabled_events");
        }
        if let Some(disabled) = form.boolean("disabled")? {
            endpoint.disabled = disabled;
        }
        if let Some(description) = form.raw("description") {
            endpoint.description = Some(description.to_owned()).filter(|text| !text.is_empty());
        }
        form.lay_metadata(&mut endpoint.metadata);
        let json = endpoint.json(false);
        self.endpoints.put(endpoint);
        Ok(json)
    }

    pub(crate) fn delete_endpoint(&mut self, id: &str) -> Answer {
        let mut endpoint = self.endpoints.find(id)?.clone();
        endpoint.disabled = true;
        endpoint.enabled_events.clear();
        endpoint.url.clear();
        self.endpoints.put(endpoint);
        Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
    }

    pub(crate) fn retrieve_endpoint(&self, id: &str) -> Answer {
        self.endpoints
            .find(id)
            .ok()
            .filter(|endpoint| !endpoint.url.is_empty())
            .map(|endpoint| endpoint.json(false))
            .ok_or_else(|| Failure::no_such(WebhookEndpoint::NOUN, id, "id"))
    }
}

fn web_address(url: &str) -> Result<String, Failure> {
    url::Url::parse(url)
        .ok()
        .filter(|parsed| matches!(parsed.scheme(), "http" | "https"))
        .map(|_| url.to_owned())
        .ok_or_else(|| {
            Failure::invalid("Invalid URL: An explicit scheme (such as https) must be provided.")
                .code("url_invalid")
                .param("url")
        })
}
