//! The sandbox as a whole: what it tells a relay, the index page, the mails, and its end.

#![allow(clippy::unwrap_used)] // the helpers of tests, too

use autocrea_sandbox::{Options, Sandbox};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::collections::HashMap;

const RELAY: &str = "http://127.0.0.1:5000";

async fn start() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    (sandbox, Client::new())
}

#[tokio::test]
async fn a_relay_is_told_all_that_the_contract_requires() {
    let (sandbox, _) = start().await;
    let env: HashMap<String, String> = sandbox.relay_env(RELAY).into_iter().collect();
    for name in [
        "STRIPE_WEBHOOK_SECRET",
        "STRIPE_API_BASE",
        "CLERK_ISSUER",
        "CLERK_OAUTH_CLIENT_ID",
        "JOXCODER_URL",
        "RELAY_PUBLIC_URL",
    ] {
        assert!(env.get(name).is_some_and(|value| !value.is_empty()), "{name}");
    }
    assert!(env["JOXCODER_URL"].ends_with("/v1"));
    assert!(env["CLERK_API_URL"].ends_with("/v1"));
    assert_eq!(env["CLERK_LOOPBACK_PORTS"].split(',').count(), 3);
    assert_eq!(env["RELAY_PUBLIC_URL"], RELAY);
}

#[tokio::test]
async fn a_relay_that_is_not_on_loopback_is_refused() {
    let (sandbox, _) = start().await;
    assert!(sandbox.attach_relay("https://relay.example.com").is_err());
    assert!(sandbox.attach_relay("http://127.0.0.1.example.com").is_err());
    assert!(sandbox.attach_relay("http://localhost:5000/").is_ok());
}

#[tokio::test]
async fn a_request_under_a_foreign_name_or_from_a_foreign_page_is_refused() {
    let (sandbox, client) = start().await;
    let rebound = client.get(sandbox.index_url()).header("host", "evil.example");
    assert_eq!(rebound.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let switch = format!("{}switches/joxcoder", sandbox.index_url());
    let foreign = client.post(&switch).header("origin", "https://evil.example");
    let foreign = foreign.form(&[("fault", "#error")]).send().await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    assert_eq!(sandbox.joxcoder.switched(), None);
}

#[tokio::test]
async fn the_index_page_lists_people_and_flips_switches() {
    let (sandbox, client) = start().await;
    let _ = sandbox.clerk.user_id("<new>@example.com");
    let page = client.get(sandbox.index_url()).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("ana@example.com") && page.contains("&lt;new&gt;@example.com"));
    assert!(page.contains("development sandbox") && page.contains(&sandbox.stripe.url()));
    let switch = format!("{}switches/joxcoder", sandbox.index_url());
    client.post(&switch).form(&[("fault", "#error")]).send().await.unwrap();
    assert!(sandbox.joxcoder.switched().is_some());
    let switch = format!("{}switches/clerk", sandbox.index_url());
    client.post(&switch).form(&[("opaque", "on")]).send().await.unwrap();
    assert!(sandbox.clerk.switches().opaque_access_tokens);
    assert!(!sandbox.clerk.switches().userinfo_down);
}

#[tokio::test]
async fn a_mail_is_kept_once_for_an_idempotency_key_and_refused_on_request() {
    let (sandbox, client) = start().await;
    let mail = |subject: &str| {
        json!({
            "from": "AUTOCREA <noreply@autocrea.joxai.org>",
            "to": ["ana@example.com"],
            "subject": subject,
            "html": "<p>Hola</p><script>alert(1)</script>",
            "text": "Hola",
            "tags": [{ "name": "kind", "value": "welcome" }],
        })
    };
    let send = async |body: Value| {
        let url = format!("{}/emails", sandbox.resend.url());
        let request = client.post(url).header("idempotency-key", "welcome/1");
        let response = request.json(&body).send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    sandbox.resend.refuse(429, 1, 7);
    assert_eq!(send(mail("Bienvenida")).await.0, StatusCode::TOO_MANY_REQUESTS);
    let (status, first) = send(mail("Bienvenida")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(send(mail("Bienvenida")).await, (StatusCode::OK, first.clone()));
    assert_eq!(send(mail("Otra")).await.0, StatusCode::CONFLICT);
    let kept = sandbox.resend.mails();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].tag("kind"), Some("welcome"));
    let shown = format!("{}/mails/{}/html", sandbox.resend.url(), kept[0].id);
    let shown = client.get(shown).send().await.unwrap();
    let policy = shown.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'none'"), "{policy}");
}

#[tokio::test]
async fn a_new_person_is_announced_with_a_signature_when_they_sign_in() {
    let (sandbox, _) = start().await;
    let (sender, mut heard) = tokio::sync::mpsc::channel(4);
    let router = axum::Router::new().route(
        "/api/clerk/webhooks",
        axum::routing::post(async move |headers: http::HeaderMap, body: String| {
            sender.send((headers, body)).await.unwrap();
            "{}"
        }),
    );
    let relay = autocrea_sandbox::serving::Bound::to(0).await.unwrap().serve(router);
    sandbox.attach_relay(relay.url()).unwrap();
    let status = sandbox.clerk.send_user_event("user.created", "new@example.com").await;
    assert_eq!(status, Some(200));
    let (headers, body) = heard.recv().await.unwrap();
    let event: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(event["type"], "user.created");
    assert_eq!(event["data"]["id"], sandbox.clerk.user_id("new@example.com"));
    assert!(headers["svix-signature"].to_str().unwrap().starts_with("v1,"));
    assert_eq!(sandbox.clerk.deliveries().len(), 1);
}

#[tokio::test]
async fn dropping_the_sandbox_closes_every_port() {
    let (sandbox, client) = start().await;
    let urls = [
        sandbox.index_url(),
        sandbox.clerk.url(),
        sandbox.resend.url(),
        sandbox.joxcoder.url(),
        sandbox.stripe.url(),
    ];
    drop(sandbox);
    for url in urls {
        while client.get(&url).send().await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_sandbox_started_again_on_its_folder_knows_the_same_people_and_customers() {
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { state_dir: Some(folder.path().join("state")), ..Options::default() };
    let first = Sandbox::start(options()).await.unwrap();
    let client = Client::new();
    let stripe = async |sandbox: &Sandbox, path: &str, form: Option<&[(&str, &str)]>| {
        let url = format!("{}/v1/{path}", sandbox.stripe.url());
        let request = match form {
            Some(form) => client.post(url).form(form),
            None => client.get(url),
        };
        let key = autocrea_sandbox::stripe::SECRET_KEY;
        let response = request.bearer_auth(key).send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    let refresh = first.clerk.refresh_token("ana@example.com");
    let form = [("email", "ana@example.com")];
    let (_, customer) = stripe(&first, "customers", Some(&form)).await;
    let path = format!("customers/{}", customer["id"].as_str().unwrap());
    drop(first);

    let second = Sandbox::start(options()).await.unwrap();
    let (status, again) = stripe(&second, &path, None).await;
    assert_eq!((status, &again["email"]), (StatusCode::OK, &json!("ana@example.com")));
    let (_, prices) = stripe(&second, "prices?limit=100", None).await;
    let (_, configurations) =
        stripe(&second, "billing_portal/configurations?limit=100", None).await;
    let third = Sandbox::start(Options::default()).await.unwrap();
    let (_, fresh) = stripe(&third, "prices?limit=100", None).await;
    let count = |list: &Value| list["data"].as_array().unwrap().len();
    assert_eq!(count(&prices), count(&fresh));
    assert_eq!(count(&configurations), 1);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &refresh),
        ("client_id", second.clerk.client_id()),
    ];
    let url = format!("{}/oauth/token", second.clerk.url());
    let tokens = client.post(url).form(&form).send().await.unwrap();
    assert_eq!(tokens.status(), StatusCode::OK);
}
