//! The HTTP side: keys, idempotency, lists, expansions, refusals.

use std::time::Duration;

use autocrea_sandbox::stripe::SECRET_KEY;

use crate::support::{browser, http, keyed, session, stripe, subscribed, text};

#[tokio::test]
async fn only_the_secret_key_opens_the_api() {
    let stripe = stripe().await;
    let url = format!("{}/v1/customers", stripe.url());
    let without = browser().get(&url).send().await.expect("an answer");
    assert_eq!(without.status(), 401);
    let wrong = browser().get(&url).bearer_auth("sk_test_other").send().await.expect("an answer");
    assert_eq!(wrong.status(), 401);
    let body: serde_json::Value = wrong.json().await.expect("JSON");
    assert!(!body.to_string().contains("sk_test_other"), "{body}");
    let basic = browser().get(&url).basic_auth(SECRET_KEY, Some("")).send().await.expect("one");
    assert_eq!(basic.status(), 200);
    assert_eq!(basic.headers()["stripe-version"], "2026-09-30.endive");
    assert!(basic.headers().contains_key("request-id"));
}

#[tokio::test]
async fn the_same_idempotency_key_does_the_work_once() {
    let stripe = stripe().await;
    let form = "email=ana@example.com&metadata[userId]=user_1";
    let (status, first) = keyed(&stripe, "POST", "customers", form, Some("key-1")).await;
    assert_eq!(status, 200);
    let (_, second) = keyed(&stripe, "POST", "customers", form, Some("key-1")).await;
    assert_eq!(first, second);
    let (_, all) = http(&stripe, "GET", "customers", "").await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(1));
    let other = "email=eva@example.com";
    let (status, refused) = keyed(&stripe, "POST", "customers", other, Some("key-1")).await;
    assert_eq!((status, text(&refused, "/error/type").as_str()), (400, "idempotency_error"));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_again_by_its_key() {
    let stripe = stripe().await;
    stripe.lose_answers(1);
    let form = "email=ana@example.com";
    let (status, _) = keyed(&stripe, "POST", "customers", form, Some("key-1")).await;
    assert_eq!(status, 500);
    let (status, customer) = keyed(&stripe, "POST", "customers", form, Some("key-1")).await;
    assert_eq!((status, text(&customer, "/email").as_str()), (200, "ana@example.com"));
    let (_, all) = http(&stripe, "GET", "customers", "").await;
    assert_eq!(all["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn lists_are_turned_forwards_and_backwards() {
    let stripe = stripe().await;
    for index in 0..5 {
        let form = format!("email=person{index}@example.com");
        stripe.call("POST", "customers", &form).expect("a customer");
    }
    let emails = |page: &serde_json::Value| -> Vec<String> {
        let data = page["data"].as_array().expect("a list");
        data.iter().map(|customer| text(customer, "/email").replace("@example.com", "")).collect()
    };
    let (_, first) = http(&stripe, "GET", "customers", "limit=2").await;
    assert_eq!(emails(&first), ["person4", "person3"]);
    assert_eq!(first["has_more"], true);
    let after = format!("limit=3&starting_after={}", text(&first, "/data/1/id"));
    let (_, second) = http(&stripe, "GET", "customers", &after).await;
    assert_eq!(emails(&second), ["person2", "person1", "person0"]);
    assert_eq!(second["has_more"], false);
    let before = format!("limit=1&ending_before={}", text(&second, "/data/0/id"));
    let (_, back) = http(&stripe, "GET", "customers", &before).await;
    assert_eq!(emails(&back), ["person3"]);
    assert_eq!(back["has_more"], true);
    let (status, _) = http(&stripe, "GET", "customers", "limit=101").await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn what_stripe_would_refuse_is_refused_in_its_form() {
    let stripe = stripe().await;
    let (status, missing) = http(&stripe, "GET", "customers/cus_nobody", "").await;
    assert_eq!((status, text(&missing, "/error/code").as_str()), (404, "resource_missing"));
    let (status, unknown) = http(&stripe, "POST", "customers", "emial=a@b.c").await;
    assert_eq!((status, text(&unknown, "/error/code").as_str()), (400, "parameter_unknown"));
    let (status, nothing) = http(&stripe, "POST", "checkout/sessions", "mode=subscription").await;
    assert_eq!((status, text(&nothing, "/error/code").as_str()), (400, "parameter_missing"));
    let (status, elsewhere) = http(&stripe, "GET", "terminal/readers", "").await;
    assert_eq!((status, text(&elsewhere, "/error/type").as_str()), (404, "invalid_request_error"));
    let scheme = session_with_scheme(&stripe).await;
    assert_eq!(text(&scheme, "/error/code"), "url_invalid");
    let (status, not) = http(&stripe, "GET", "customers", "expand[]=data.nothing").await;
    assert_eq!(status, 200, "nothing to expand in an empty list: {not}");
}

async fn session_with_scheme(stripe: &autocrea_sandbox::stripe::Stripe) -> serde_json::Value {
    let form = format!(
        "mode=subscription&line_items[0][price]={}&success_url=autocrea://checkout/return",
        stripe.prices().pro
    );
    http(stripe, "POST", "checkout/sessions", &form).await.1
}

#[tokio::test]
async fn a_stripe_that_is_down_or_slow_says_so() {
    let stripe = stripe().await;
    stripe.set_down(true);
    let (status, body) = http(&stripe, "GET", "customers", "").await;
    assert_eq!((status, text(&body, "/error/type").as_str()), (503, "api_error"));
    stripe.set_down(false);
    stripe.delay(Duration::from_millis(40));
    let started = std::time::Instant::now();
    let (status, _) = http(&stripe, "GET", "customers", "").await;
    assert_eq!(status, 200);
    assert!(started.elapsed() >= Duration::from_millis(40));
    let requests = stripe.requests();
    assert_eq!(requests.iter().map(|request| request.status).collect::<Vec<_>>(), [503, 200]);
}

#[tokio::test]
async fn a_deleted_customer_takes_its_subscription_along() {
    let stripe = stripe().await;
    let paid = subscribed(&stripe, &stripe.prices().creator, "");
    let (status, deleted) =
        http(&stripe, "DELETE", &format!("customers/{}", paid.customer), "").await;
    assert_eq!((status, deleted["deleted"].as_bool()), (200, Some(true)));
    assert_eq!(text(&paid.now(&stripe), "/status"), "canceled");
    let (status, again) = http(&stripe, "GET", &format!("customers/{}", paid.customer), "").await;
    assert_eq!((status, again["deleted"].as_bool()), (200, Some(true)));
    let kinds: Vec<String> = stripe.events().into_iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&"customer.deleted".to_owned()));
    assert!(kinds.contains(&"customer.subscription.deleted".to_owned()));
}

#[tokio::test]
async fn the_way_from_a_charge_to_its_invoice_is_the_invoice_payment() {
    let stripe = stripe().await;
    let paid = subscribed(&stripe, &stripe.prices().business, "");
    let (_, charges) =
        http(&stripe, "GET", "charges", &format!("customer={}", paid.customer)).await;
    let intent = text(&charges, "/data/0/payment_intent");
    let form = format!(
        "payment[type]=payment_intent&payment[payment_intent]={intent}&expand[]=data.invoice"
    );
    let (_, payments) = http(&stripe, "GET", "invoice_payments", &form).await;
    let invoice = &payments["data"][0]["invoice"];
    assert_eq!(text(invoice, "/parent/subscription_details/subscription"), paid.subscription);
    assert_eq!(text(invoice, "/parent/subscription_details/metadata/userId"), "user_1");
    assert_eq!(invoice["amount_paid"], 19_900);
    assert!(invoice.get("subscription").is_none() && invoice.get("charge").is_none());
}

#[tokio::test]
async fn an_expired_session_cannot_be_paid() {
    let stripe = stripe().await;
    let session = session(&stripe, &stripe.prices().creator, "");
    let path = format!("checkout/sessions/{}/expire", text(&session, "/id"));
    let (status, expired) = http(&stripe, "POST", &path, "").await;
    assert_eq!((status, text(&expired, "/status").as_str()), (200, "expired"));
    assert!(expired["url"].is_null());
    let (status, _) = http(&stripe, "POST", &path, "").await;
    assert_eq!(status, 400);
    let outcome = stripe.pay(&text(&session, "/id"), crate::support::CARD).expect("an outcome");
    assert_eq!(
        outcome,
        autocrea_sandbox::stripe::SessionPayment::Closed(
            autocrea_sandbox::stripe::SessionStatus::Expired
        )
    );
}
