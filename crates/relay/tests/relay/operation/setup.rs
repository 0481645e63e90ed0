//! `autocrea-relay stripe setup`, against an account that is empty of ours.

use crate::program::{relay, run};
use crate::support::World;
use crate::support::shop::{call, open, post, stripe, text};
use crate::support::{ANA, environment};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs it with the three variables and no others; its exit code and what it said.
async fn setup(world: &World, key: &str) -> (i32, String, String) {
    let mut command = relay();
    command.args(["stripe", "setup"]).env("STRIPE_SECRET_KEY", key);
    command.env("RELAY_PUBLIC_URL", world.relay.url()).env("STRIPE_API_BASE", stripe(world).url());
    tokio::task::spawn_blocking(move || run(&mut command)).await.expect("ran")
}

fn variables(said: &str) -> BTreeMap<String, String> {
    let lines = said.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn count(world: &World, path: &str) -> usize {
    call(world, "GET", path, "limit=100")["data"].as_array().expect("a list").len()
}

const KEY: &str = autocrea_sandbox::stripe::SECRET_KEY;

#[tokio::test]
async fn an_empty_account_is_made_ready_and_a_second_run_makes_nothing_new() {
    let world = World::start().await;
    let lists = ["products", "prices", "webhook_endpoints", "billing_portal/configurations"];
    let before = lists.map(|path| count(&world, path));
    let (code, said, error) = setup(&world, KEY).await;
    assert_eq!(code, 0, "{error}");
    let first = variables(&said);
    let made = lists.map(|path| count(&world, path));
    let more: Vec<usize> = made.iter().zip(before).map(|(now, then)| now - then).collect();
    assert_eq!(more, [3, 6, 1, 1], "{said}");
    assert!(first["STRIPE_WEBHOOK_SECRET"].starts_with("whsec_"));

    let (code, again, _) = setup(&world, KEY).await;
    assert_eq!((code, lists.map(|path| count(&world, path))), (0, made));
    let mut second = variables(&again);
    assert!(!second.contains_key("STRIPE_WEBHOOK_SECRET") && again.contains("Signing secret"));
    assert!(!again.contains("# made"), "{again}");
    second.insert("STRIPE_WEBHOOK_SECRET".to_owned(), first["STRIPE_WEBHOOK_SECRET"].clone());
    assert_eq!(first, second);

    let price = call(&world, "GET", &format!("prices/{}", first["STRIPE_PRO_YEARLY_PRICE_ID"]), "");
    assert_eq!((&price["unit_amount"], &price["currency"]), (&json!(79_000), &json!("usd")));
    assert_eq!(price["recurring"]["interval"], "year");
    let endpoints = call(&world, "GET", "webhook_endpoints", "");
    let endpoint = &endpoints["data"][0];
    assert_eq!(endpoint["url"], format!("{}/api/stripe/webhooks", world.relay.url()));
    assert_eq!(endpoint["api_version"], "2026-09-30.endive");
    assert_eq!(endpoint["enabled_events"].as_array().map(Vec::len), Some(15));
}

#[tokio::test]
async fn what_was_spoilt_is_mended_and_what_the_merchant_chose_is_left() {
    let world = World::start().await;
    let (_, said, _) = setup(&world, KEY).await;
    let first = variables(&said);
    let endpoint = text(&call(&world, "GET", "webhook_endpoints", "")["data"][0], "id").to_owned();
    let spoilt = "disabled=true&enabled_events[]=invoice.paid";
    call(&world, "POST", &format!("webhook_endpoints/{endpoint}"), spoilt);
    call(&world, "POST", "products/autocrea_pro", "active=false");
    // A price of another amount takes the lookup key over: that is how amounts are changed.
    let dearer = "product=autocrea_creator&currency=usd&unit_amount=3900&recurring[interval]=month\
                  &lookup_key=autocrea_creator_month&transfer_lookup_key=true";
    let dearer = text(&call(&world, "POST", "prices", dearer), "id").to_owned();

    let (code, said, _) = setup(&world, KEY).await;
    let second = variables(&said);
    assert_eq!((code, &second["STRIPE_CREATOR_PRICE_ID"]), (0, &dearer));
    assert_eq!(second["STRIPE_PRO_PRICE_ID"], first["STRIPE_PRO_PRICE_ID"]);
    assert!(said.contains("autocrea_creator_month costs what you made it cost"), "{said}");
    let endpoint = call(&world, "GET", &format!("webhook_endpoints/{endpoint}"), "");
    assert_eq!(endpoint["status"], "enabled");
    assert_eq!(endpoint["enabled_events"].as_array().map(Vec::len), Some(15));
    assert_eq!(call(&world, "GET", "products/autocrea_pro", "")["active"], true);
}

#[tokio::test]
async fn the_portal_is_opened_with_the_configuration_that_was_made() {
    let world = open().await;
    let (_, _, error) = setup(&world, KEY).await;
    assert_eq!(error, "");
    let all = call(&world, "GET", "billing_portal/configurations", "limit=100");
    let ours = all["data"].as_array().expect("a list").iter();
    let ours: Vec<&Value> = ours.filter(|it| it["metadata"]["autocrea"] == "portal").collect();
    let features = &ours[0]["features"];
    assert_eq!(features["subscription_cancel"]["mode"], "at_period_end");
    let conditions = &features["subscription_update"]["schedule_at_period_end"]["conditions"];
    assert_eq!(conditions.as_array().map(Vec::len), Some(2));
    let products = features["subscription_update"]["products"].as_array().expect("a list");
    assert_eq!((products.len(), products[0]["prices"].as_array().map(Vec::len)), (3, Some(2)));
    assert_eq!(features["invoice_history"]["enabled"], true);
    assert_eq!(features["payment_method_update"]["enabled"], true);

    let plan = json!({"planId": "creator"});
    assert_eq!(post(&world, ANA, "/api/stripe/create-checkout", &plan).await.0, 200);
    assert_eq!(post(&world, ANA, "/api/stripe/create-portal", &json!({})).await.0, 200);
    let asked = stripe(&world).requests();
    let opened = asked.iter().rfind(|it| it.path.ends_with("/billing_portal/sessions"));
    let form = &opened.expect("a session").form;
    assert!(form.contains(&format!("configuration={}", text(ours[0], "id"))), "{form}");
}

#[tokio::test]
async fn it_says_what_is_missing_and_what_is_refused() {
    let world = World::start().await;
    let (code, _, error) = run(relay().args(["stripe", "setup"]));
    assert_eq!(code, 78);
    assert!(error.contains("STRIPE_SECRET_KEY") && error.contains("RELAY_PUBLIC_URL"), "{error}");
    assert!(!error.contains("CLERK_ISSUER"), "{error}");
    let (code, _, error) = setup(&world, "sk_test_of_somebody_else").await;
    assert_eq!(code, 69, "{error}");
    assert!(!error.contains("sk_test_of"), "{error}");
    stripe(&world).set_down(true);
    assert_eq!(setup(&world, KEY).await.0, 69);
}

#[tokio::test]
async fn a_relay_with_what_was_printed_is_in_order() {
    let world = World::start().await;
    let (_, said, _) = setup(&world, KEY).await;
    let printed = variables(&said);
    let printed: Vec<(&str, &str)> =
        printed.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut command = relay();
    command.arg("check");
    command.envs(environment(&world.sandbox, &world.relay.url(), &world.place, &printed));
    let checked = tokio::task::spawn_blocking(move || run(&mut command)).await;
    let (code, said, _) = checked.expect("ran");
    assert_eq!(code, 0, "{said}");
    for line in ["stripe: ok", "stripe webhook: ok", "stripe portal: ok"] {
        assert!(said.contains(line), "{line} in {said}");
    }
}
