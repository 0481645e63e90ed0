//! `autocrea-relay check`: one page, and each thing that can be wrong found by its own line.

use crate::program::{relay, run};
use crate::support::place::Place;
use crate::support::shop::{call, open, stripe};
use crate::support::{World, environment};
use std::time::{Duration, Instant};

async fn check(world: &World, variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = relay();
    command.arg("check");
    command.envs(environment(&world.sandbox, &world.relay.url(), &world.place, variables));
    tokio::task::spawn_blocking(move || run(&mut command)).await.expect("ran")
}

fn line<'s>(said: &'s str, what: &str) -> &'s str {
    let beginning = format!("{what}:");
    said.lines().find(|line| line.starts_with(&beginning)).unwrap_or_default()
}

#[tokio::test]
async fn where_all_is_well_it_says_so_of_everything_and_ends_with_0() {
    let world = open().await;
    let (code, said, error) = check(&world, &[]).await;
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    for what in [
        "configuration",
        "database",
        "redis",
        "clerk",
        "clock",
        "clerk secret key",
        "stripe",
        "stripe webhook",
        "stripe portal",
        "joxcoder",
        "resend",
    ] {
        assert!(line(&said, what).contains(": ok"), "{what} in {said}");
    }
    assert!(line(&said, "public url").contains("note") && !said.contains("FAILED"));
    assert!(line(&said, "METRICS_BIND").contains("note, not set"));
    assert!(said.lines().count() < 40, "one page: {said}");
    for (name, secret) in environment(&world.sandbox, "http://127.0.0.1:9", &world.place, &[]) {
        let secret_name = name.contains("SECRET") || name.contains("KEY") || name.contains("TOKEN");
        assert!(!secret_name || !said.contains(&secret), "{name} is told");
    }
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_found_by_its_own_line_and_ends_with_69() {
    let world = open().await;
    let nowhere = "http://127.0.0.1:9";
    let cases: [(&str, &str, &str, &str); 11] = [
        ("CLERK_ISSUER", nowhere, "clerk", "no connection"),
        ("CLERK_SECRET_KEY", "sk_other", "clerk secret key", "not taken"),
        ("CLERK_API_URL", "http://127.0.0.1:9/v1", "clerk secret key", "no connection"),
        ("STRIPE_SECRET_KEY", "sk_other", "stripe", "the secret key is not taken"),
        ("STRIPE_API_BASE", nowhere, "stripe", "could not be reached"),
        (
            "STRIPE_PRO_PRICE_ID",
            "price_of_nobody",
            "stripe",
            "pro by the month: it has no such price",
        ),
        (
            "STRIPE_PRO_YEARLY_PRICE_ID",
            "price_monthly",
            "stripe",
            "pro by the year is paid at another interval",
        ),
        ("JOXCODER_URL", "http://127.0.0.1:9/v1", "joxcoder", "no connection"),
        ("RESEND_BASE_URL", nowhere, "resend", "no connection"),
        ("REDIS_URL", "redis://127.0.0.1:9", "redis", ""),
        ("DATABASE_URL", "sqlite:/no/such/folder/relay.db", "database", ""),
    ];
    let new = "product_data[name]=x&currency=usd&unit_amount=1&recurring[interval]=month";
    let monthly = call(&world, "POST", "prices", new)["id"].as_str().expect("an id").to_owned();
    for (variable, value, what, seen) in cases {
        let value = if value == "price_monthly" { monthly.as_str() } else { value };
        let (code, said, _) = check(&world, &[(variable, value)]).await;
        assert_eq!(code, 69, "{variable}: {said}");
        let found = line(&said, what);
        assert!(found.contains("FAILED") && found.contains(seen), "{variable}: {found}\n{said}");
    }
}

#[tokio::test]
async fn what_is_wrong_inside_the_account_of_stripe_is_found() {
    let world = open().await;
    let endpoints = call(&world, "GET", "webhook_endpoints", "");
    let endpoint = endpoints["data"][0]["id"].as_str().expect("an id").to_owned();
    let path = format!("webhook_endpoints/{endpoint}");
    call(&world, "POST", &path, "enabled_events[]=invoice.paid");
    let (code, said, _) = check(&world, &[]).await;
    assert_eq!(code, 69);
    assert!(line(&said, "stripe webhook").contains("lacks events"), "{said}");
    call(&world, "POST", &path, "enabled_events[]=*&disabled=true");
    assert!(line(&check(&world, &[]).await.1, "stripe webhook").contains("disabled"));
    call(&world, "DELETE", &path, "");
    let (code, said, _) = check(&world, &[]).await;
    // On loopback Stripe's own program stands in for an endpoint.
    assert_eq!(code, 0, "{said}");
    assert!(line(&said, "stripe webhook").contains("note, no endpoint"), "{said}");

    let price = stripe(&world).prices().business;
    call(&world, "POST", &format!("prices/{price}"), "active=false");
    let (code, said, _) = check(&world, &[]).await;
    assert_eq!(code, 69);
    assert!(line(&said, "stripe").contains("business by the month is archived"), "{said}");
}

#[tokio::test]
async fn a_model_that_sleeps_is_well() {
    use axum::Router;
    let world = open().await;
    let asleep = Router::new().fallback(async || reqwest::StatusCode::SERVICE_UNAVAILABLE);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, asleep).await });
    let (code, said, _) = check(&world, &[("JOXCODER_URL", &url)]).await;
    assert_eq!(code, 0, "{said}");
    assert!(line(&said, "joxcoder").contains(": ok"), "{said}");
}

#[tokio::test]
async fn a_database_that_is_to_come_is_neither_made_nor_migrated() {
    let world = open().await;
    let bare = Place::bare();
    let (url, beginning) = (bare.url(), "database: note, ");
    let (code, said, _) = check(&world, &[("DATABASE_URL", &url)]).await;
    assert_eq!(code, 0, "{said}");
    assert!(line(&said, "database").starts_with(beginning), "{said}");
    let (_, again, _) = check(&world, &[("DATABASE_URL", &url)]).await;
    assert_eq!(line(&again, "database"), line(&said, "database"), "it is as it was");
    let made = std::fs::read_dir(bare.path()).expect("a folder").count();
    assert_eq!(made, 0, "nothing was left there");

    let mut migrate = relay();
    migrate.arg("migrate");
    migrate.envs(environment(
        &world.sandbox,
        &world.relay.url(),
        &world.place,
        &[("DATABASE_URL", &url)],
    ));
    tokio::task::spawn_blocking(move || run(&mut migrate)).await.expect("ran");
    let (_, said, _) = check(&world, &[("DATABASE_URL", &url)]).await;
    assert!(line(&said, "database").contains(": ok, reachable, migrated"), "{said}");
}

/// Takes calls and says nothing.
#[tokio::test]
async fn a_database_that_says_nothing_is_not_waited_for_and_the_rest_is_said() {
    let world = open().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let url = format!("postgres://ana:hunter2@127.0.0.1:{port}/relay");
    let asked = Instant::now();
    let (code, said, error) = check(&world, &[("DATABASE_URL", &url)]).await;
    assert!(asked.elapsed() < Duration::from_secs(60), "it waits and waits");
    assert_eq!(code, 69, "{said}");
    assert!(line(&said, "database").contains("did not answer in time"), "{said}");
    assert!(line(&said, "clerk").contains(": ok"), "{said}");
    assert!(!(said + &error).contains("hunter2"));
}

#[test]
fn a_faulty_configuration_ends_with_78_before_anything_is_asked() {
    let (code, _, error) = run(relay().arg("check"));
    assert_eq!(code, 78);
    assert!(error.contains("CLERK_ISSUER") && error.contains("JOXCODER_URL"), "{error}");
}
