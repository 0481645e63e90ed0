//! `autocrea-relay stripe setup`: an account of Stripe's, made ready for the relay.
//!
//! Everything is found again by a name of ours (a product by its id, a price by its lookup key, the
//! webhook endpoint by its address, the portal's configuration by its metadata), so a second run makes
//! nothing new and mends what was changed. What costs what is only ours to say when a price is made:
//! one that is there keeps its amount. The merchant's own default configuration of the portal is left
//! alone; the relay opens the portal with this one.

use super::StripeFault;
use super::api::{API_VERSION, Api, Form};
use super::envelope::HANDLED;
use autocrea_protocol::account::Interval;
use serde_json::Value;
use std::fmt;

/// What the portal's configuration is known by: `metadata[autocrea]=portal`.
pub const PORTAL_MARK: (&str, &str) = ("autocrea", "portal");
const CURRENCY: &str = "usd";

/// The plans that are sold, in minor units of [`CURRENCY`]: by the month, by the year.
const PLANS: [(&str, &str, i64, i64); 3] = [
    ("creator", "AUTOCREA Creator", 2_900, 29_000),
    ("pro", "AUTOCREA Pro", 7_900, 79_000),
    ("business", "AUTOCREA Business", 19_900, 199_000),
];

/// One thing of the account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it is.
    pub what: String,
    /// Whether it was made just now.
    pub new: bool,
}

/// An account that is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// What was looked for, in order.
    pub things: Vec<Made>,
    /// The variables for the relay.
    pub variables: Vec<(String, String)>,
    /// What the operator has to know besides.
    pub notes: Vec<String>,
}

impl fmt::Display for Ready {
    /// As lines that a shell and an `EnvironmentFile` read: all but the variables are comments.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Made { what, new } in &self.things {
            writeln!(f, "# {}: {what}", if *new { "made" } else { "there already" })?;
        }
        for (name, value) in &self.variables {
            writeln!(f, "{name}={value}")?;
        }
        for note in &self.notes {
            writeln!(f, "# {note}")?;
        }
        Ok(())
    }
}

impl Ready {
    fn thing(&mut self, what: impl Into<String>, new: bool) {
        self.things.push(Made { what: what.into(), new });
    }
}

/// Makes what is missing.
///
/// # Errors
/// [`StripeFault`]; what was made before it stays and is found again.
pub async fn run(api: &Api, public_url: &str) -> Result<Ready, StripeFault> {
    let mut ready = Ready::default();
    let mut sold = Vec::new();
    for (plan, name, monthly, yearly) in PLANS {
        let product = product(api, plan, name, &mut ready).await?;
        let mut prices = Vec::new();
        for (interval, amount) in [(Interval::Month, monthly), (Interval::Year, yearly)] {
            let price = price(api, plan, &product, interval, amount, &mut ready).await?;
            ready.variables.push((variable(plan, interval), price.clone()));
            prices.push(price);
        }
        sold.push((product, prices));
    }
    endpoint(api, public_url, &mut ready).await?;
    portal(api, public_url, &sold, &mut ready).await?;
    Ok(ready)
}

fn variable(plan: &str, interval: Interval) -> String {
    let yearly = if interval == Interval::Year { "_YEARLY" } else { "" };
    format!("STRIPE_{}{yearly}_PRICE_ID", plan.to_uppercase())
}

fn form(pairs: &[(&str, &str)]) -> Form {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_default().to_owned()
}

async fn product(
    api: &Api,
    plan: &str,
    name: &str,
    ready: &mut Ready,
) -> Result<String, StripeFault> {
    let ours = format!("autocrea_{plan}");
    let found = match api.get("product", &format!("products/{ours}"), &[]).await {
        Err(StripeFault::NotFound(_)) => None,
        found => Some(found?),
    };
    let is_new = found.is_none();
    let product = match found {
        Some(product) if product["active"] == true => product,
        Some(_) => {
            let path = format!("products/{ours}");
            api.post("product", &path, &form(&[("active", "true")])).await?
        }
        None => {
            let new = [("id", ours.as_str()), ("name", name), ("metadata[planId]", plan)];
            api.post("product", "products", &form(&new)).await?
        }
    };
    let product = id(&product);
    ready.thing(format!("product {product}"), is_new);
    Ok(product)
}

async fn price(
    api: &Api,
    plan: &str,
    product: &str,
    interval: Interval,
    amount: i64,
    ready: &mut Ready,
) -> Result<String, StripeFault> {
    let key = format!("autocrea_{plan}_{}", interval.as_str());
    let asked = [("lookup_keys[]", key.as_str()), ("active", "true")];
    let found = api.all("price", "prices", &asked).await?;
    if let Some(price) = found.iter().find(|price| price["lookup_key"] == key) {
        ready.thing(format!("price {key}"), false);
        if price["unit_amount"] != amount || price["currency"] != CURRENCY {
            ready.notes.push(format!("{key} costs what you made it cost; it was left so."));
        }
        return Ok(id(price));
    }
    let amount = amount.to_string();
    let new = [
        ("product", product),
        ("currency", CURRENCY),
        ("unit_amount", amount.as_str()),
        ("recurring[interval]", interval.as_str()),
        ("lookup_key", key.as_str()),
        // From one that was archived.
        ("transfer_lookup_key", "true"),
        ("metadata[planId]", plan),
    ];
    let made = api.post("price", "prices", &form(&new)).await?;
    ready.thing(format!("price {key}"), true);
    Ok(id(&made))
}

/// Where Stripe's events are to go.
#[must_use]
pub fn endpoint_address(public_url: &str) -> String {
    format!("{public_url}/api/stripe/webhooks")
}

/// Whether an endpoint has all the events that the relay handles, or all there are.
#[must_use]
pub fn has_all_events(endpoint: &Value) -> bool {
    let enabled: Vec<&str> = endpoint["enabled_events"]
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    enabled.contains(&"*") || HANDLED.iter().all(|event| enabled.contains(event))
}

async fn endpoint(api: &Api, public_url: &str, ready: &mut Ready) -> Result<(), StripeFault> {
    let address = endpoint_address(public_url);
    let all = api.all("webhook endpoint", "webhook_endpoints", &[]).await?;
    let mut events: Form =
        HANDLED.iter().map(|it| ("enabled_events[]".to_owned(), (*it).to_owned())).collect();
    if let Some(known) = all.iter().find(|it| it["url"] == address) {
        if !exactly_ours(known) || known["status"] != "enabled" {
            events.extend(form(&[("disabled", "false")]));
            api.post("webhook endpoint", &format!("webhook_endpoints/{}", id(known)), &events)
                .await?;
        }
        ready.thing(format!("webhook endpoint {address}"), false);
        ready.notes.push(
            "STRIPE_WEBHOOK_SECRET was shown when the endpoint was made: Stripe's Dashboard shows it \
             again under Developers, Webhooks, this endpoint, Signing secret."
                .to_owned(),
        );
        if known["api_version"].as_str().is_some_and(|it| it != API_VERSION) {
            ready.notes.push(format!(
                "The endpoint is of another API version than {API_VERSION}. The relay reads it all \
                 the same; to change it, delete the endpoint and run this again."
            ));
        }
        return Ok(());
    }
    events.extend(form(&[
        ("url", address.as_str()),
        ("api_version", API_VERSION),
        ("description", "AUTOCREA relay"),
        ("metadata[autocrea]", "webhooks"),
    ]));
    match api.post("webhook endpoint", "webhook_endpoints", &events).await {
        Ok(made) => {
            ready.thing(format!("webhook endpoint {address}"), true);
            let secret = made["secret"].as_str().unwrap_or_default().to_owned();
            ready.variables.push(("STRIPE_WEBHOOK_SECRET".to_owned(), secret));
        }
        // Stripe sends nothing to an address that only this machine knows.
        Err(StripeFault::Refused { status: 400, .. }) if public_url.starts_with("http://") => {
            ready.notes.push(format!(
                "No webhook endpoint: Stripe cannot reach {public_url}. Run `stripe listen \
                 --forward-to {address}`; it prints STRIPE_WEBHOOK_SECRET."
            ));
        }
        Err(fault) => return Err(fault),
    }
    Ok(())
}

/// Whether an endpoint has the events that the relay handles and no others.
fn exactly_ours(endpoint: &Value) -> bool {
    let count = endpoint["enabled_events"].as_array().map_or(0, Vec::len);
    has_all_events(endpoint) && count == HANDLED.len()
}

async fn portal(
    api: &Api,
    public_url: &str,
    sold: &[(String, Vec<String>)],
    ready: &mut Ready,
) -> Result<(), StripeFault> {
    let path = "billing_portal/configurations";
    let (name, value) = PORTAL_MARK;
    let all = api.all("portal configuration", path, &[("active", "true")]).await?;
    let wanted = portal_form(public_url, sold);
    let known = all.iter().find(|it| it["metadata"][name] == value);
    match known {
        Some(known) => {
            api.post("portal configuration", &format!("{path}/{}", id(known)), &wanted).await?;
        }
        None => {
            api.post("portal configuration", path, &wanted).await?;
        }
    }
    ready.thing("portal configuration", known.is_none());
    Ok(())
}

fn portal_form(public_url: &str, sold: &[(String, Vec<String>)]) -> Form {
    let back = format!("{public_url}/return/portal");
    let (mark, marked) = (format!("metadata[{}]", PORTAL_MARK.0), PORTAL_MARK.1);
    let mut wanted = form(&[
        ("name", "AUTOCREA"),
        (mark.as_str(), marked),
        ("default_return_url", back.as_str()),
        ("features[invoice_history][enabled]", "true"),
        ("features[payment_method_update][enabled]", "true"),
        ("features[subscription_cancel][enabled]", "true"),
        ("features[subscription_cancel][mode]", "at_period_end"),
        ("features[subscription_update][enabled]", "true"),
        ("features[subscription_update][default_allowed_updates][0]", "price"),
        // What is more is paid at once, what is less begins with the next period.
        ("features[subscription_update][proration_behavior]", "always_invoice"),
    ]);
    let update = "features[subscription_update]";
    for (at, kind) in ["decreasing_item_amount", "shortening_interval"].iter().enumerate() {
        let key = format!("{update}[schedule_at_period_end][conditions][{at}][type]");
        wanted.push((key, (*kind).to_owned()));
    }
    for (at, (product, prices)) in sold.iter().enumerate() {
        wanted.push((format!("{update}[products][{at}][product]"), product.clone()));
        for (nth, price) in prices.iter().enumerate() {
            wanted.push((format!("{update}[products][{at}][prices][{nth}]"), price.clone()));
        }
    }
    wanted
}
