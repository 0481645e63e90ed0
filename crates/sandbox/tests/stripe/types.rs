//! async-stripe's strict types, which the relay uses, read every object of the sandbox's Stripe.

use autocrea_sandbox::stripe::{Proration, SessionPayment, TestCard};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::support::{CARD, DAY, session, stripe, subscribed, text};

/// A page of a list, as strictly as async-stripe's own `List`.
#[derive(serde::Deserialize, miniserde::Deserialize)]
struct List<T> {
    data: Vec<T>,
    has_more: bool,
    url: String,
}

/// Reads an object as one of async-stripe's types: by serde, as webhooks are, and by miniserde,
/// as the answers of its client are.
fn read<T: DeserializeOwned + miniserde::Deserialize>(value: &Value) -> T {
    if let Err(error) = miniserde::json::from_str::<T>(&value.to_string()) {
        panic!("miniserde: {error}: {value:#}");
    }
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:#}"))
}

fn read_list<T: DeserializeOwned + miniserde::Deserialize>(value: &Value) -> Vec<T> {
    let list = read::<List<T>>(value);
    assert!(!list.has_more && list.url.starts_with("/v1/"), "{value:#}");
    assert!(!list.data.is_empty(), "{value:#}");
    list.data
}

#[tokio::test]
async fn every_object_is_read_by_async_stripes_types() {
    let stripe = stripe().await;
    let prices = stripe.prices();
    let session = session(&stripe, &prices.creator, "");
    read::<stripe_shared::CheckoutSession>(&session);
    let customer = text(&session, "/customer");
    let paid = stripe.pay(&text(&session, "/id"), CARD).expect("a payment");
    let SessionPayment::Paid { subscription, redirect } = paid else { panic!("{paid:?}") };
    assert!(redirect.ends_with(&text(&session, "/id")), "{redirect}");

    let get = |path: &str, form: &str| stripe.call("GET", path, form).expect(path);
    let expanded = get(
        &format!("checkout/sessions/{}", text(&session, "/id")),
        "expand[]=customer&expand[]=subscription.latest_invoice.payments&expand[]=invoice&expand[]=line_items",
    );
    let typed = read::<stripe_shared::CheckoutSession>(&expanded);
    assert!(typed.subscription.is_some_and(|subscription| subscription.is_object()));
    read::<stripe_shared::Customer>(&get(
        &format!("customers/{customer}"),
        "expand[]=subscriptions",
    ));
    let whole = get(
        &format!("subscriptions/{subscription}"),
        "expand[]=customer&expand[]=latest_invoice&expand[]=default_payment_method&expand[]=items.data.price.product",
    );
    let typed = read::<stripe_shared::Subscription>(&whole);
    assert_eq!(typed.status, stripe_shared::SubscriptionStatus::Active);
    let item = &typed.items.data[0];
    assert!(item.current_period_end > item.current_period_start);

    read_list::<stripe_shared::Price>(&get("prices", "active=true&expand[]=data.product"));
    read_list::<stripe_shared::Product>(&get("products", ""));
    let by_customer = format!("customer={customer}");
    stripe.change_plan(&subscription, &prices.pro, Proration::AlwaysInvoice).expect("an upgrade");
    let invoices = get("invoices", &format!("{by_customer}&expand[]=data.payments"));
    let invoices = read_list::<stripe_shared::Invoice>(&invoices);
    assert_eq!(invoices.len(), 2);
    let invoice =
        get("invoices", &by_customer)["data"][0]["id"].as_str().expect("an id").to_owned();
    read_list::<stripe_shared::InvoiceLineItem>(&get(&format!("invoices/{invoice}/lines"), ""));
    let payments =
        get("invoice_payments", &format!("invoice={invoice}&expand[]=data.payment.payment_intent"));
    read_list::<stripe_shared::InvoicePayment>(&payments);
    let charges = get("charges", &format!("{by_customer}&expand[]=data.refunds"));
    read_list::<stripe_shared::Charge>(&charges);
    read_list::<stripe_shared::PaymentIntent>(&get("payment_intents", &by_customer));
    let (first, second) = (text(&charges, "/data/0/id"), text(&charges, "/data/1/id"));
    let refund = stripe.refund(&first, Some(100)).expect("a refund");
    read::<stripe_shared::Refund>(&refund);
    let dispute = stripe.dispute(&second).expect("a dispute");
    read::<stripe_shared::Dispute>(&dispute);
    stripe.decide_dispute(&text(&dispute, "/id"), true).expect("a decision");
    read_list::<stripe_shared::Dispute>(&get("disputes", ""));
    read_list::<stripe_shared::Refund>(&get("refunds", ""));

    let portal = stripe
        .call(
            "POST",
            "billing_portal/sessions",
            &format!("{by_customer}&return_url=http://127.0.0.1/return/portal&flow_data[type]=subscription_update&flow_data[subscription_update][subscription]={subscription}&flow_data[after_completion][type]=redirect&flow_data[after_completion][redirect][return_url]=http://127.0.0.1/x"),
        )
        .expect("a portal session");
    read::<stripe_billing::BillingPortalSession>(&portal);
    read_list::<stripe_billing::BillingPortalConfiguration>(&get(
        "billing_portal/configurations",
        "",
    ));
    let credits = format!("customers/{customer}/balance_transactions");
    let credit = "amount=-500&currency=usd&description=A%20gift&metadata[for]=somebody";
    let credit = stripe.call("POST", &credits, credit).expect("a credit");
    assert_eq!(read::<stripe_shared::CustomerBalanceTransaction>(&credit).ending_balance, -500);
    read_list::<stripe_shared::CustomerBalanceTransaction>(&get(&credits, ""));
    read::<stripe_shared::DeletedCustomer>(
        &stripe.call("DELETE", &format!("customers/{customer}"), "").expect("deleted"),
    );
    let events = get("events", "limit=100");
    let events = read_list::<stripe_shared::Event>(&events);
    assert!(events.len() > 20, "{}", events.len());
    for event in &events {
        let kind = event.type_.as_str();
        assert!(
            !matches!(event.type_, stripe_shared::EventType::Unknown(_)),
            "{kind} is no event of Stripe's"
        );
    }
    stripe
        .set_card(&subscribed(&stripe, &prices.creator, "").customer, TestCard::FailsWhenCharged)
        .expect("a card");
    stripe.advance(33 * DAY);
    read_list::<stripe_shared::Invoice>(&get("invoices", "status=open"));
    let past_due =
        read_list::<stripe_shared::Subscription>(&get("subscriptions", "status=past_due"));
    assert_eq!(past_due.len(), 1);
}
