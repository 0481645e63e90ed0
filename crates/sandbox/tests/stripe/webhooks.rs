//! Events on their way.

use std::collections::VecDeque;
use std::sync::Arc;

use autocrea_sandbox::clock::Clock;
use autocrea_sandbox::stripe::{Options, Stripe, sign};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use serde_json::Value;

use crate::support::{stripe, subscribed, text};

const SECRET: &str = "whsec_test";

/// A webhook endpoint that answers with what it is told to, then with 200.
#[derive(Clone, Default)]
struct Receiver {
    answers: Arc<Mutex<VecDeque<u16>>>,
    seen: Arc<Mutex<Vec<(String, Bytes)>>>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers["stripe-signature"].to_str().expect("text").to_owned();
    receiver.seen.lock().push((signature, body));
    let status = receiver.answers.lock().pop_front().unwrap_or(200);
    StatusCode::from_u16(status).expect("a status")
}

impl Receiver {
    async fn listen(&self, stripe: &Stripe) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hooks", listener.local_addr().expect("an address"));
        let router = Router::new().route("/hooks", post(receive)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        stripe.webhook_target(&url, SECRET);
    }

    fn kinds(&self) -> Vec<String> {
        self.seen.lock().iter().map(|(_, body)| kind(body)).collect()
    }
}

fn kind(body: &Bytes) -> String {
    let event: Value = serde_json::from_slice(body).expect("JSON");
    text(&event, "/type")
}

#[tokio::test]
async fn every_event_arrives_signed() {
    let stripe = stripe().await;
    let receiver = Receiver::default();
    receiver.listen(&stripe).await;
    subscribed(&stripe, &stripe.prices().creator, "");
    stripe.settled().await;
    let mut arrived = receiver.kinds();
    let mut happened: Vec<String> = stripe.events().into_iter().map(|event| event.kind).collect();
    arrived.sort();
    happened.sort();
    assert_eq!(arrived, happened);
    for (signature, body) in receiver.seen.lock().iter() {
        let at = signature.strip_prefix("t=").and_then(|rest| rest.split(',').next());
        let at: i64 = at.and_then(|at| at.parse().ok()).expect("a time");
        assert_eq!(*signature, sign(body, SECRET, at));
    }
}

#[tokio::test]
async fn an_event_is_sent_again_until_it_is_taken() {
    let stripe = stripe().await;
    let receiver = Receiver::default();
    receiver.answers.lock().extend([500, 302, 404]);
    receiver.listen(&stripe).await;
    stripe.call("POST", "customers", "email=ana@example.com").expect("a customer");
    let waiting = stripe.call("GET", "events", "delivery_success=false").expect("events");
    assert_eq!(waiting["data"][0]["pending_webhooks"], 1);
    stripe.settled().await;
    assert_eq!(receiver.kinds(), ["customer.created"; 4]);
    let events = stripe.events();
    assert_eq!((events[0].attempts, events[0].delivered), (4, true));
    let waiting = stripe.call("GET", "events", "delivery_success=false").expect("events");
    assert_eq!(waiting["data"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn held_events_can_be_delivered_by_hand_in_any_order_and_twice() {
    let stripe = stripe().await;
    let receiver = Receiver::default();
    receiver.listen(&stripe).await;
    stripe.hold(true);
    stripe.call("POST", "customers", "email=ana@example.com").expect("a customer");
    stripe.call("POST", "products", "name=Extra").expect("a product");
    let events = stripe.events();
    for index in [1, 0, 1] {
        assert_eq!(stripe.deliver(&events[index].id).await, [200]);
    }
    assert_eq!(receiver.kinds(), ["product.created", "customer.created", "product.created"]);
    stripe.hold(false);
    stripe.settled().await;
    assert_eq!(receiver.kinds().len(), 3, "what was delivered by hand is not sent again");
}

#[tokio::test]
async fn events_are_listed_by_type_and_time() {
    let stripe = stripe().await;
    subscribed(&stripe, &stripe.prices().creator, "");
    let some = stripe
        .call("GET", "events", "types[]=invoice.paid&types[]=customer.created")
        .expect("events");
    assert_eq!(some["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(text(&some, "/data/0/type"), "invoice.paid");
    let later = format!("created[gte]={}", stripe.now() + 10);
    let none = stripe.call("GET", "events", &later).expect("events");
    assert_eq!(none["data"].as_array().map(Vec::len), Some(0));
}

#[tokio::test]
async fn what_was_on_its_way_reaches_the_relay_at_its_new_address_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("stripe.json");
    let start = || async {
        let options = Options { port: 0, clock: Clock::new() };
        Stripe::start_kept(options, Some(file.clone())).await.expect("Stripe starts")
    };
    let stripe = start().await;
    Receiver::default().listen(&stripe).await;
    stripe.hold(true);
    stripe.call("POST", "customers", "email=ana@example.com").expect("a customer");
    stripe.put_away();
    drop(stripe);
    let stripe = start().await;
    let moved = Receiver::default();
    moved.listen(&stripe).await;
    stripe.settled().await;
    assert!(moved.kinds().contains(&"customer.created".to_owned()));
    let endpoints = stripe.call("GET", "webhook_endpoints", "").expect("endpoints");
    assert_eq!(endpoints["data"].as_array().map(Vec::len), Some(1));
}
