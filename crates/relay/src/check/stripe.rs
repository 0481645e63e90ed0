//! Stripe: the key, the prices, the webhook endpoint, the portal.

use super::Finding;
use crate::config::Config;
use crate::stripe::StripeFault;
use crate::stripe::api::{API_VERSION, Api};
use crate::stripe::setup::{PORTAL_MARK, endpoint_address, has_all_events};
use autocrea_protocol::account::Interval;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    let api = match Api::new(&config.stripe.api_base, &config.stripe.secret_key) {
        Ok(api) => api,
        Err(fault) => return vec![Finding::failed("stripe", fault.to_string())],
    };
    let prices = match prices(&api, config).await {
        Ok(finding) => finding,
        Err(fault) => return vec![Finding::failed("stripe", said(&fault))],
    };
    vec![prices, webhook(&api, config).await, portal(&api).await]
}

/// What a fault means for whoever set the relay up.
fn said(fault: &StripeFault) -> String {
    match fault {
        StripeFault::Refused { status: 401, .. } => "the secret key is not taken".to_owned(),
        StripeFault::Refused { status: 403, what, .. } => {
            format!("the key may not read: {what}")
        }
        fault => fault.to_string(),
    }
}

async fn prices(api: &Api, config: &Config) -> Result<Finding, StripeFault> {
    let (mut faults, mut currencies, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for plan in config.plans.iter() {
        for interval in [Interval::Month, Interval::Year] {
            let Some(id) = plan.price_id(interval) else { continue };
            let name = format!("{} by the {}", plan.id, interval.as_str());
            match api.get("price", &format!("prices/{id}"), &[]).await {
                Ok(price) => {
                    count += 1;
                    currencies.extend(price["currency"].as_str().map(str::to_owned));
                    faults.extend(price_fault(&price, interval).map(|it| format!("{name} {it}")));
                }
                Err(StripeFault::NotFound(_)) => {
                    faults.push(format!("{name}: it has no such price"));
                }
                Err(fault) => return Err(fault),
            }
        }
    }
    if currencies.len() > 1 {
        let currencies: Vec<String> = currencies.into_iter().collect();
        faults.push(format!("the prices are in different currencies: {}", currencies.join(", ")));
    }
    if faults.is_empty() {
        return Ok(Finding::ok("stripe", format!("the key is taken and {count} prices are there")));
    }
    Ok(Finding::failed("stripe", faults.join("; ")))
}

fn price_fault(price: &Value, interval: Interval) -> Option<&'static str> {
    let recurring = &price["recurring"];
    let every = recurring["interval_count"].as_i64().unwrap_or(1);
    if price["active"] == false {
        Some("is archived")
    } else if recurring["interval"].is_null() {
        Some("is paid once, and not again and again")
    } else if recurring["interval"] != interval.as_str() || every != 1 {
        Some("is paid at another interval")
    } else if price["unit_amount"].is_null() {
        Some("has no fixed amount")
    } else {
        None
    }
}

async fn webhook(api: &Api, config: &Config) -> Finding {
    let what = "stripe webhook";
    let address = endpoint_address(&config.public_url);
    let all = match api.all("webhook endpoints", "webhook_endpoints", &[]).await {
        Ok(all) => all,
        Err(fault) => return Finding::note(what, format!("it could not be looked at: {fault}")),
    };
    let Some(endpoint) = all.iter().find(|it| it["url"] == address) else {
        let seen = format!("no endpoint is registered for {address}");
        return if config.public_url.starts_with("http://") {
            Finding::note(what, format!("{seen}; `stripe listen` stands in for it"))
        } else {
            let until = "until then only reconciliation brings news";
            Finding::note(what, format!("{seen}; run `autocrea-relay stripe setup`: {until}"))
        };
    };
    if endpoint["status"] != "enabled" {
        return Finding::failed(what, "the endpoint is disabled");
    }
    if !has_all_events(endpoint) {
        let seen = "the endpoint lacks events that are needed; run `autocrea-relay stripe setup`";
        return Finding::failed(what, seen);
    }
    match endpoint["api_version"].as_str() {
        Some(version) if version != API_VERSION => {
            Finding::note(what, format!("registered, but for API version {version}"))
        }
        _ => Finding::ok(what, "registered, with the events that are needed"),
    }
}

async fn portal(api: &Api) -> Finding {
    let what = "stripe portal";
    let path = "billing_portal/configurations";
    let all = match api.all("portal configurations", path, &[("active", "true")]).await {
        Ok(all) => all,
        Err(fault) => return Finding::note(what, format!("it could not be looked at: {fault}")),
    };
    let (name, value) = PORTAL_MARK;
    let ours = all.iter().find(|it| it["metadata"][name] == value);
    let Some(used) = ours.or_else(|| all.iter().find(|it| it["is_default"] == true)) else {
        let seen = "there is no configuration, and people cannot manage what they bought; run \
                    `autocrea-relay stripe setup`";
        return Finding::note(what, seen);
    };
    let missing = missing_features(&used["features"]);
    if missing.is_empty() {
        return Finding::ok(what, "people can change, cancel, see invoices and change their card");
    }
    Finding::note(what, format!("not as it should be: {}", missing.join("; ")))
}

fn missing_features(features: &Value) -> Vec<&'static str> {
    let update = &features["subscription_update"];
    let scheduled = &update["schedule_at_period_end"]["conditions"];
    let changes_price = update["default_allowed_updates"]
        .as_array()
        .is_some_and(|allowed| allowed.iter().any(|it| it == "price"));
    let checks = [
        (features["subscription_cancel"]["enabled"] == true, "people cannot cancel"),
        (
            features["subscription_cancel"]["mode"] == "at_period_end",
            "cancelling is not at the period's end",
        ),
        (update["enabled"] == true && changes_price, "people cannot change their plan"),
        (
            scheduled.as_array().is_some_and(|it| !it.is_empty()),
            "a downgrade is not at the period's end",
        ),
        (features["invoice_history"]["enabled"] == true, "invoices are not shown"),
        (features["payment_method_update"]["enabled"] == true, "the card cannot be changed"),
    ];
    checks.into_iter().filter_map(|(well, what)| (!well).then_some(what)).collect()
}
