use super::*;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Config;
use crate::routes;
use std::collections::{BTreeMap, BTreeSet};

type Routes = BTreeSet<(String, String)>;

fn documented() -> Routes {
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let of = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().expect("methods").keys();
        methods.map(|it| (path.clone(), it.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(of).collect()
}

async fn routed() -> Routes {
    let folder = tempfile::tempdir().expect("a folder");
    let database = format!("sqlite:{}", folder.path().join("relay.db").display());
    let environment: BTreeMap<String, String> = [
        ("RELAY_PUBLIC_URL", "http://127.0.0.1:9"),
        ("CLERK_ISSUER", "http://127.0.0.1:9"),
        ("CLERK_OAUTH_CLIENT_ID", "client"),
        ("STRIPE_SECRET_KEY", "sk_test"),
        ("STRIPE_WEBHOOK_SECRET", "whsec"),
        ("STRIPE_CREATOR_PRICE_ID", "a"),
        ("STRIPE_PRO_PRICE_ID", "b"),
        ("STRIPE_BUSINESS_PRICE_ID", "c"),
        ("JOXCODER_URL", "http://127.0.0.1:9/v1"),
        ("DATABASE_URL", &database),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let config = Config::from_layers(None, &environment).expect("valid");
    let app = App::open(config, Clock::system()).await.expect("an app");
    routes_of(&format!("{:?}", routes::router(&app)))
}

/// axum does not list its routes, but shows them: `RouteId(n): MethodRouter(… get: Route(…) …)`
/// and `RouteId(n): "/path"`. Should that change, too few are found and the test says so.
fn routes_of(shown: &str) -> Routes {
    let shown = shown.split("fallback_router").next().unwrap_or_default();
    let (routers, paths) = shown.split_once("paths: {").expect("the table of paths");
    let paths: BTreeMap<&str, &str> = paths
        .split("RouteId(")
        .filter_map(|it| {
            let (id, rest) = it.split_once(')')?;
            Some((id, rest.split('"').nth(1)?))
        })
        .collect();
    let mut routes = Routes::new();
    for router in routers.split("RouteId(").skip(1) {
        let id = router.split(')').next().unwrap_or_default();
        let Some(path) = paths.get(id) else { continue };
        for method in ["get", "post", "put", "patch", "delete"] {
            let taken = [format!(" {method}: Route"), format!(" {method}: BoxedHandler")];
            if taken.iter().any(|it| router.contains(it.as_str())) {
                routes.insert(((*path).to_owned(), method.to_owned()));
            }
        }
    }
    routes
}

#[tokio::test]
async fn every_route_is_in_the_document_and_everything_in_the_document_is_a_route() {
    let (documented, routed) = (documented(), routed().await);
    assert!(routed.len() > 20, "axum no longer shows its routes: {routed:?}");
    let missing: Vec<_> = routed.difference(&documented).collect();
    assert!(missing.is_empty(), "add to routes/openapi/table.rs: {missing:?}");
    let invented: Vec<_> = documented.difference(&routed).collect();
    assert!(invented.is_empty(), "in routes/openapi/table.rs, but no route: {invented:?}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match value.as_str().filter(|_| key == "$ref") {
                        Some(to) => drop(into.insert(to.trim_start_matches('#').to_owned())),
                        None => references(value, into),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|it| references(it, into)),
            _ => {}
        }
    }
    let mut all = BTreeSet::new();
    references(&DOCUMENT, &mut all);
    assert!(all.len() > 20);
    for to in all {
        assert!(DOCUMENT.pointer(&to).is_some(), "{to}");
    }
}

#[test]
fn keys_that_are_always_written_are_required_and_nullable_ones_say_so() {
    let shapes = &DOCUMENT["components"]["schemas"];
    let required = |name: &str| shapes[name]["required"].as_array().map_or(0, Vec::len);
    assert_eq!(required("Subscription"), 7);
    assert_eq!(required("TokenFigures"), 8);
    let grace = &shapes["Subscription"]["properties"]["graceUntil"];
    assert!(grace.to_string().contains("null"), "{grace}");
    assert_eq!(required("CheckoutRequest"), 1, "the interval may be left out");
    let codes = DOCUMENT.pointer("/components/schemas/ErrorCode").expect("codes").to_string();
    assert!(codes.contains("too_many_generations"), "{codes}");
}

#[test]
fn a_refusal_that_says_when_to_come_back_says_so_wherever_it_is_answered() {
    for (path, methods) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let refusal = &operation["responses"]["429"];
            assert!(
                refusal.is_null() || refusal["headers"]["Retry-After"].is_object(),
                "{method} {path}"
            );
        }
    }
}

#[test]
fn no_name_means_one_thing_in_a_request_and_another_in_an_answer() {
    let mut schemas = Schemas::default();
    schemas.answered::<ErrorBody>();
    table::all(&mut schemas);
    let (read, answered) = schemas.apart();
    for (name, shape) in &read {
        if let Some(other) = answered.get(name) {
            assert_eq!(shape, other, "{name}");
        }
    }
}
