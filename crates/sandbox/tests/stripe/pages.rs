//! The hosted pages, driven by their forms as a script does it.

use autocrea_sandbox::stripe::Stripe;
use serde_json::Value;

use crate::support::{browser, kinds_after, number, session, stripe, subscribed, text};

/// Posts a form to a page: status, where it leads, and its text.
async fn post(url: &str, form: &[(&str, &str)]) -> (u16, String, String) {
    let answer = browser().post(url).form(form).send().await.expect("an answer");
    let status = answer.status().as_u16();
    let location = answer
        .headers()
        .get("location")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    (status, location, answer.text().await.expect("a text"))
}

async fn read(url: &str) -> String {
    browser().get(url).send().await.expect("an answer").text().await.expect("a text")
}

fn retrieved(stripe: &Stripe, session: &Value) -> Value {
    let path = format!("checkout/sessions/{}", text(session, "/id"));
    stripe.call("GET", &path, "").expect("the session")
}

#[tokio::test]
async fn a_card_that_pays_brings_the_browser_back_with_the_sessions_id() {
    let stripe = stripe().await;
    let session = session(&stripe, &stripe.prices().creator, "");
    let url = text(&session, "/url");
    let page = read(&url).await;
    for expected in [
        "4242 4242 4242 4242",
        "4000 0000 0000 0002",
        "4000 0025 0000 3155",
        "29,00 US$",
        "cancelled=1",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    let (status, back, _) = post(&url, &[("card", "4242 4242 4242 4242")]).await;
    assert_eq!(status, 303);
    let id = text(&session, "/id");
    assert_eq!(back, format!("http://127.0.0.1/return/checkout?session_id={id}"));
    let complete = retrieved(&stripe, &session);
    assert_eq!(text(&complete, "/status"), "complete");
    assert_eq!(text(&complete, "/payment_status"), "paid");
    assert!(read(&url).await.contains("Ya está pagado"));
    let kinds = kinds_after(&stripe, 0);
    for kind in [
        "checkout.session.completed",
        "customer.subscription.created",
        "invoice.paid",
        "invoice.payment_succeeded",
        "charge.succeeded",
        "invoice_payment.paid",
    ] {
        assert!(kinds.contains(&kind.to_owned()), "{kind} in {kinds:?}");
    }
}

#[tokio::test]
async fn a_declined_card_changes_nothing_and_can_be_followed_by_another() {
    let stripe = stripe().await;
    let session = session(&stripe, &stripe.prices().creator, "");
    let url = text(&session, "/url");
    let (status, _, page) = post(&url, &[("card", "4000 0000 0000 0002")]).await;
    assert_eq!(status, 402);
    assert!(page.contains("Tu tarjeta ha sido rechazada"), "{page}");
    let open = retrieved(&stripe, &session);
    assert_eq!((text(&open, "/status"), open["subscription"].is_null()), ("open".to_owned(), true));
    assert!(!kinds_after(&stripe, 0).iter().any(|kind| kind.starts_with("customer.subscription")));
    let (status, ..) = post(&url, &[("card", "1234")]).await;
    assert_eq!(status, 402);
    assert_eq!(post(&url, &[("card", "4242424242424242")]).await.0, 303);
}

#[tokio::test]
async fn a_card_that_asks_for_authentication_pays_only_after_it() {
    let stripe = stripe().await;
    let session = session(&stripe, &stripe.prices().pro, "");
    let url = text(&session, "/url");
    let (status, bank, _) = post(&url, &[("card", "4000 0025 0000 3155")]).await;
    assert_eq!((status, bank.ends_with("/authenticate")), (303, true));
    assert_eq!(text(&retrieved(&stripe, &session), "/status"), "open");
    let bank = format!("{}{bank}", stripe.url());
    assert!(read(&bank).await.contains("79,00 US$"));
    let (status, _, page) = post(&bank, &[("result", "fail")]).await;
    assert_eq!((status, page.contains("No hemos podido autenticar")), (402, true));
    post(&url, &[("card", "4000 0025 0000 3155")]).await;
    let (status, back, _) = post(&bank, &[("result", "complete")]).await;
    assert_eq!((status, back.contains("session_id=cs_test_")), (303, true));
    assert_eq!(text(&retrieved(&stripe, &session), "/status"), "complete");
}

/// A portal session's address.
fn portal(stripe: &Stripe, customer: &str, more: &str) -> String {
    let form = format!("customer={customer}&return_url=http://127.0.0.1/return/portal{more}");
    text(&stripe.call("POST", "billing_portal/sessions", &form).expect("a portal session"), "/url")
}

#[tokio::test]
async fn the_portal_cancels_in_the_flexible_way_and_takes_it_back() {
    let stripe = stripe().await;
    let paid = subscribed(&stripe, &stripe.prices().creator, "");
    let url = portal(&stripe, &paid.customer, "");
    let home = read(&url).await;
    assert!(home.contains("AUTOCREA Creator") && home.contains("http://127.0.0.1/return/portal"));
    let (status, back, _) = post(&format!("{url}/cancel"), &[("feedback", "unused")]).await;
    assert_eq!((status, back.ends_with("/home")), (303, true));
    let cancelled = paid.now(&stripe);
    assert_eq!(cancelled["cancel_at_period_end"], false);
    assert_eq!(cancelled["cancel_at"], cancelled["items"]["data"][0]["current_period_end"]);
    assert_eq!(text(&cancelled, "/cancellation_details/feedback"), "unused");
    assert_eq!(text(&cancelled, "/status"), "active");
    post(&format!("{url}/resume"), &[]).await;
    let resumed = paid.now(&stripe);
    assert!(resumed["cancel_at"].is_null() && resumed["canceled_at"].is_null());
}

#[tokio::test]
async fn an_upgrade_in_the_portal_is_charged_for_the_rest_of_the_period() {
    let stripe = stripe().await;
    let prices = stripe.prices();
    let paid = subscribed(&stripe, &prices.creator, "");
    let item = paid.now(&stripe)["items"]["data"][0].clone();
    let whole = number(&item, "/current_period_end") - number(&item, "/current_period_start");
    stripe.advance(std::time::Duration::from_secs(u64::try_from(whole / 2).expect("positive")));
    let more = format!(
        "&flow_data[type]=subscription_update&flow_data[subscription_update][subscription]={}\
         &flow_data[after_completion][type]=redirect\
         &flow_data[after_completion][redirect][return_url]=http://127.0.0.1/changed",
        paid.subscription
    );
    let url = portal(&stripe, &paid.customer, &more);
    assert!(read(&url).await.contains(&prices.pro));
    let (status, back, _) = post(&format!("{url}/change"), &[("price", &prices.pro)]).await;
    assert_eq!((status, back.as_str()), (303, "http://127.0.0.1/changed"));
    let upgraded = paid.now(&stripe);
    assert_eq!(text(&upgraded, "/items/data/0/price/id"), prices.pro);
    let invoice = &upgraded["latest_invoice"];
    assert_eq!(text(invoice, "/billing_reason"), "subscription_update");
    assert_eq!(text(invoice, "/status"), "paid");
    let lines = invoice["lines"]["data"].as_array().expect("lines");
    let amounts: Vec<i64> = lines.iter().map(|line| number(line, "/amount")).collect();
    assert!((-1_451..=-1_449).contains(&amounts[0]), "{amounts:?}");
    assert!((3_949..=3_951).contains(&amounts[1]), "{amounts:?}");
    for line in lines {
        assert_eq!(line["parent"]["subscription_item_details"]["proration"], true);
        assert_eq!(text(line, "/parent/subscription_item_details/subscription"), paid.subscription);
    }
    assert_eq!(number(invoice, "/amount_paid"), amounts[0] + amounts[1]);
}

#[tokio::test]
async fn a_downgrade_in_the_portal_waits_for_the_next_period() {
    let stripe = stripe().await;
    let prices = stripe.prices();
    let paid = subscribed(&stripe, &prices.pro, "");
    let url = portal(&stripe, &paid.customer, "");
    post(&format!("{url}/change"), &[("price", &prices.creator)]).await;
    let waiting = paid.now(&stripe);
    assert_eq!(text(&waiting, "/items/data/0/price/id"), prices.pro);
    assert!(text(&waiting, "/schedule").starts_with("sub_sched_"));
    stripe.advance(32 * crate::support::DAY);
    let renewed = paid.now(&stripe);
    assert_eq!(text(&renewed, "/items/data/0/price/id"), prices.creator);
    assert_eq!(number(&renewed, "/latest_invoice/amount_paid"), 2_900);
}

#[tokio::test]
async fn a_year_in_place_of_a_month_is_a_new_period_and_not_a_proration() {
    let stripe = stripe().await;
    let prices = stripe.prices();
    let paid = subscribed(&stripe, &prices.creator, "");
    let url = portal(&stripe, &paid.customer, "");
    post(&format!("{url}/change"), &[("price", &prices.creator_yearly)]).await;
    let yearly = paid.now(&stripe);
    let lines = yearly["latest_invoice"]["lines"]["data"].as_array().expect("lines").clone();
    assert_eq!(text(&yearly, "/latest_invoice/billing_reason"), "subscription_update");
    let proration = |line: &Value| line["parent"]["subscription_item_details"]["proration"] == true;
    assert_eq!(lines.iter().map(proration).collect::<Vec<_>>(), [true, false]);
    assert_eq!(lines[1]["period"]["end"], yearly["items"]["data"][0]["current_period_end"]);
    assert_eq!(number(&lines[1], "/amount"), 29_000);
}

#[tokio::test]
async fn a_failed_renewal_is_paid_in_the_portal_with_a_new_card() {
    let stripe = stripe().await;
    let paid = subscribed(&stripe, &stripe.prices().creator, "");
    let url = portal(&stripe, &paid.customer, "");
    post(&format!("{url}/card"), &[("card", "4000 0000 0000 0341")]).await;
    stripe.advance(32 * crate::support::DAY);
    let due = paid.now(&stripe);
    assert_eq!(text(&due, "/status"), "past_due");
    let invoice = text(&due, "/latest_invoice/id");
    let url = portal(&stripe, &paid.customer, "");
    assert!(read(&url).await.contains(&format!("pay-{invoice}")));
    let (status, _, page) = post(&format!("{url}/pay"), &[("invoice", &invoice)]).await;
    assert_eq!((status, page.contains("rechazada")), (402, false), "no locale: English");
    let (status, bank, page) = post(&format!("{url}/card"), &[("card", "4000002500003155")]).await;
    assert_eq!((status, bank.as_str(), page.contains("3-D Secure")), (200, "", true));
    let form = [("card", "4000002500003155"), ("result", "complete")];
    assert_eq!(post(&format!("{url}/card"), &form).await.0, 303);
    assert_eq!(post(&format!("{url}/pay"), &[("invoice", &invoice)]).await.0, 303);
    let active = paid.now(&stripe);
    assert_eq!(text(&active, "/status"), "active");
    assert_eq!(text(&active, "/latest_invoice/status"), "paid");
    let page = read(&text(&active, "/latest_invoice/hosted_invoice_url")).await;
    assert!(page.contains("AUTOCREA Creator"), "{page}");
    assert!(read(&text(&active, "/latest_invoice/invoice_pdf")).await.starts_with("%PDF-1.4"));
}

#[tokio::test]
async fn an_upgrade_that_cannot_be_paid_changes_nothing() {
    let stripe = stripe().await;
    let prices = stripe.prices();
    let paid = subscribed(&stripe, &prices.creator, "");
    let url = portal(&stripe, &paid.customer, "");
    post(&format!("{url}/card"), &[("card", "4000 0000 0000 0341")]).await;
    let seen = stripe.events().len();
    let (status, ..) = post(&format!("{url}/change"), &[("price", &prices.business)]).await;
    assert_eq!(status, 402);
    assert_eq!(text(&paid.now(&stripe), "/items/data/0/price/id"), prices.creator);
    assert_eq!(kinds_after(&stripe, seen), Vec::<String>::new());
}

#[tokio::test]
async fn the_buttons_of_the_index_page_stand_for_time_and_banks() {
    let stripe = stripe().await;
    assert!(stripe.index_section().contains("None yet."));
    let paid = subscribed(&stripe, &stripe.prices().creator, "");
    let section = stripe.index_section();
    assert!(section.contains("ana@example.com") && section.contains("AUTOCREA Creator / month"));
    let press = |action: &str, id: &str| {
        let url = format!("{}/sandbox/{action}", stripe.url());
        let form = [("id", id.to_owned())];
        async move { browser().post(url).form(&form).send().await.expect("an answer").status() }
    };
    assert_eq!(press("dispute", &paid.subscription).await, 303);
    let dispute = text(&stripe.call("GET", "disputes", "").expect("disputes"), "/data/0/id");
    assert_eq!(press("lost", &dispute).await, 303);
    assert_eq!(press("lost", &dispute).await, 400);
    assert_eq!(press("break", &paid.subscription).await, 303);
    assert_eq!(press("month", "").await, 303);
    assert_eq!(text(&paid.now(&stripe), "/status"), "past_due");
    assert_eq!(press("end", &paid.subscription).await, 303);
    assert_eq!(text(&paid.now(&stripe), "/status"), "canceled");
    assert_eq!(press("down", "").await, 303);
    assert!(stripe.index_section().contains("Switch the API on"));
    let foreign = browser()
        .post(format!("{}/sandbox/down", stripe.url()))
        .header("origin", "https://example.com")
        .form(&[("id", "")])
        .send()
        .await
        .expect("an answer");
    assert_eq!(foreign.status(), 403);
}
