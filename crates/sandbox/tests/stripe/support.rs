//! What the tests share: a running Stripe and the shortest way to a subscription.

use std::time::Duration;

use autocrea_sandbox::clock::Clock;
use autocrea_sandbox::stripe::{Options, SECRET_KEY, SessionPayment, Stripe};
use serde_json::Value;

pub(crate) const CARD: &str = "4242 4242 4242 4242";
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) async fn stripe() -> Stripe {
    Stripe::start(Options { port: 0, clock: Clock::new() }).await.expect("Stripe starts")
}

/// A client that follows no redirects, so that tests see them.
pub(crate) fn browser() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("a client")
}

/// One call over HTTP with the secret key: status and body.
pub(crate) async fn http(stripe: &Stripe, method: &str, path: &str, form: &str) -> (u16, Value) {
    keyed(stripe, method, path, form, None).await
}

/// The same with an idempotency key.
pub(crate) async fn keyed(
    stripe: &Stripe,
    method: &str,
    path: &str,
    form: &str,
    key: Option<&str>,
) -> (u16, Value) {
    let query =
        if method == "GET" && !form.is_empty() { format!("?{form}") } else { String::new() };
    let url = format!("{}/v1/{path}{query}", stripe.url());
    let method = method.parse().expect("a method");
    let mut request = browser().request(method, url).bearer_auth(SECRET_KEY);
    if query.is_empty() && !form.is_empty() {
        request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
    }
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.expect("JSON"))
}

/// The text at a JSON pointer.
pub(crate) fn text(value: &Value, path: &str) -> String {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("{path} in {value:#}"))
        .to_owned()
}

/// The number at a JSON pointer.
pub(crate) fn number(value: &Value, path: &str) -> i64 {
    value.pointer(path).and_then(Value::as_i64).unwrap_or_else(|| panic!("{path} in {value:#}"))
}

/// An open checkout session, made as the relay makes it; `more` is added to its form.
pub(crate) fn session(stripe: &Stripe, price: &str, more: &str) -> Value {
    let customer = stripe
        .call("POST", "customers", "email=ana@example.com&name=Ana&metadata[userId]=user_1")
        .expect("a customer");
    let form = format!(
        "mode=subscription&customer={}&client_reference_id=user_1&metadata[userId]=user_1\
         &subscription_data[metadata][userId]=user_1&line_items[0][price]={price}&line_items[0][quantity]=1\
         &success_url=http://127.0.0.1/return/checkout?session_id={{CHECKOUT_SESSION_ID}}\
         &cancel_url=http://127.0.0.1/return/checkout?cancelled=1&locale=es\
         &allow_promotion_codes=true&ui_mode=hosted_page{more}",
        text(&customer, "/id")
    );
    stripe.call("POST", "checkout/sessions", &form).expect("a session")
}

/// A paid subscription.
pub(crate) struct Subscribed {
    pub(crate) customer: String,
    pub(crate) subscription: String,
}

pub(crate) fn subscribed(stripe: &Stripe, price: &str, more: &str) -> Subscribed {
    let session = session(stripe, price, more);
    let paid = stripe.pay(&text(&session, "/id"), CARD).expect("a payment");
    let SessionPayment::Paid { subscription, .. } = paid else { panic!("{paid:?}") };
    Subscribed { customer: text(&session, "/customer"), subscription }
}

impl Subscribed {
    /// The subscription as it is now.
    pub(crate) fn now(&self, stripe: &Stripe) -> Value {
        let path = format!("subscriptions/{}", self.subscription);
        stripe.call("GET", &path, "expand[]=latest_invoice").expect("the subscription")
    }

    /// Its invoices, newest first.
    pub(crate) fn invoices(&self, stripe: &Stripe) -> Vec<Value> {
        let form = format!("subscription={}&limit=100", self.subscription);
        let list = stripe.call("GET", "invoices", &form).expect("invoices");
        list["data"].as_array().cloned().expect("a list")
    }
}

/// The kinds of the events that happened after the first `seen` ones.
pub(crate) fn kinds_after(stripe: &Stripe, seen: usize) -> Vec<String> {
    stripe.events().into_iter().skip(seen).map(|event| event.kind).collect()
}
