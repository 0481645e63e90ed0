//! Buying, paying and waiting, for the tests of billing.

use crate::support::{ANA, Events, World};
use autocrea_relay::billing::refresh::refresh;
use autocrea_sandbox::stripe::{SessionPayment, Stripe, TestCard};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

pub const PAYS: &str = "4242424242424242";
pub const DECLINED: &str = "4000000000000002";
pub const DAY: Duration = Duration::from_secs(86_400);

/// A world in which Stripe's webhooks reach the relay, and Ana has been seen.
pub async fn open() -> World {
    open_with(&[]).await
}

pub async fn open_with(variables: &[(&str, &str)]) -> World {
    let world = World::with(variables).await;
    attach(&world);
    world.get("/api/account").await;
    world
}

/// Aims the webhooks at the relay as it is now.
pub fn attach(world: &World) {
    world.sandbox.attach_relay(&world.relay.url()).expect("loopback");
}

pub fn stripe(world: &World) -> &Stripe {
    &world.sandbox.stripe
}

pub async fn post(world: &World, email: &str, path: &str, body: &Value) -> (StatusCode, Value) {
    let answer =
        world.ask_as(email, Method::POST, path).json(body).send().await.expect("an answer");
    let status = answer.status();
    (status, answer.json().await.expect("JSON"))
}

/// Begins to buy; the answer, which must be well.
pub async fn checkout(world: &World, plan: &str, interval: &str) -> Value {
    let body = json!({"planId": plan, "interval": interval});
    let (status, answer) = post(world, ANA, "/api/stripe/create-checkout", &body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

pub fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// Pays a session; the subscription.
pub fn pay(world: &World, session: &str) -> String {
    match stripe(world).pay(session, PAYS).expect("a session") {
        SessionPayment::Paid { subscription, .. } => subscription,
        other => panic!("not paid: {other:?}"),
    }
}

/// Buys a plan and waits until the account shows it; the subscription.
pub async fn buy(world: &World, plan: &str, interval: &str) -> String {
    let session = checkout(world, plan, interval).await;
    let subscription = pay(world, text(&session, "sessionId"));
    until(world, |account| {
        account["subscription"]["planId"] == plan && account["subscription"]["status"] == "active"
    })
    .await;
    subscription
}

/// What Ana's invoices are charged to from now on.
pub async fn use_card(world: &World, card: TestCard) {
    let customer = customer(world).await.expect("a customer");
    stripe(world).set_card(&customer, card).expect("a customer");
}

/// A subscription of Ana's that no checkout of ours began, with `more` besides the price; its id.
pub async fn subscribe_beside(world: &World, price: &str, more: &str) -> String {
    let customer = customer(world).await.expect("a customer");
    let form = format!("customer={customer}&items[0][price]={price}{more}");
    text(&call(world, "POST", "subscriptions", &form), "id").to_owned()
}

/// Two weeks of Creator for nothing, and a card for what comes after; the subscription.
pub async fn begin_trial(world: &World) -> String {
    checkout(world, "creator", "month").await;
    use_card(world, TestCard::Pays).await;
    let price = stripe(world).prices().creator;
    let subscription = subscribe_beside(world, &price, "&trial_period_days=14").await;
    until(world, |it| it["subscription"]["status"] == "trialing").await;
    settle(world).await;
    subscription
}

/// Watches Ana's account until it is so; half a minute at most.
pub async fn until(world: &World, wanted: impl Fn(&Value) -> bool) -> Value {
    let answer = world.ask_as(ANA, Method::GET, "/api/account/events").send().await;
    let mut events = Events::of(answer.expect("an answer"));
    let mut last = Value::Null;
    let watching = async {
        loop {
            last = events.data().await;
            if wanted(&last) {
                return;
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(30), watching).await.is_err() {
        panic!("it never came to be so: {last:#}");
    }
    last
}

pub async fn account(world: &World) -> Value {
    world.get("/api/account").await
}

/// Waits until every event has been taken and worked on.
pub async fn settle(world: &World) {
    stripe(world).settled().await;
    if let Some(customer) = customer(world).await {
        refresh(&world.relay.app.billing, &customer).await.expect("Stripe answers");
    }
}

/// Ana's customer.
pub async fn customer(world: &World) -> Option<String> {
    let user = world.user(ANA);
    autocrea_relay::billing::checkout::customer_of(&world.relay.app.billing, &user)
        .await
        .expect("a database")
}

/// What a call of Stripe's API answers.
pub fn call(world: &World, method: &str, path: &str, form: &str) -> Value {
    stripe(world).call(method, path, form).unwrap_or_else(|refused| panic!("{path}: {refused}"))
}

/// The newest charge of Ana's.
pub async fn newest_charge(world: &World) -> String {
    let customer = customer(world).await.expect("a customer");
    let charges = call(world, "GET", "charges", &format!("customer={customer}"));
    text(&charges["data"][0], "id").to_owned()
}

/// Every ledger entry of Ana's.
pub async fn entries(world: &World) -> Vec<Value> {
    let page = world.get("/api/tokens/ledger?limit=100").await;
    page["entries"].as_array().expect("entries").clone()
}

/// The sources of Ana's grants, with the amounts.
pub async fn grants(world: &World) -> Vec<(String, i64)> {
    let entries = entries(world).await;
    entries
        .iter()
        .filter(|entry| entry["kind"] == "grant")
        .map(|entry| {
            (text(entry, "source").to_owned(), entry["tokens"].as_i64().expect("a number"))
        })
        .collect()
}

/// Spends some of Ana's tokens.
pub async fn spend(world: &World, tokens: i64) {
    use autocrea_protocol::{GenerationId, Tokens};
    use autocrea_relay::ledger::{self, ReserveRequest};
    let user = world.user(ANA);
    world
        .relay
        .app
        .db
        .write(move |tx| {
            let generation = GenerationId(uuid::Uuid::now_v7());
            let request = ReserveRequest {
                user: user.clone(),
                generation,
                tokens: Tokens(tokens),
                lease: "test".to_owned(),
            };
            ledger::reserve(tx, &request)?;
            ledger::settle(tx, &user, generation, Tokens(tokens))
        })
        .await
        .expect("a database");
}

/// Moves the time, for Stripe and the relay alike, and lets the relay's sweep see it.
pub async fn pass_time(world: &World, by: Duration) {
    stripe(world).sign_with_own_clock(true);
    world.clock.advance(by);
    stripe(world).advance(by);
    settle(world).await;
    sweep(world).await;
}

pub async fn sweep(world: &World) {
    autocrea_relay::sweep::pass(&world.relay.app).await.expect("a sweep");
}

/// That the ledger agrees with itself.
pub async fn verify(world: &World) {
    let differences =
        world.relay.app.db.read(autocrea_relay::ledger::verify).await.expect("a database");
    assert!(differences.is_empty(), "{differences:?}");
}
