//! Which access tokens open the door, and which do not.

use crate::support::{ANA, World};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a sane clock").as_secs()
}

fn claims(world: &World) -> Value {
    json!({
        "iss": world.sandbox.clerk.url(), "sub": world.user(ANA).as_str(),
        "client_id": world.sandbox.clerk.client_id(), "scope": "openid",
        "iat": now(), "nbf": now(), "exp": now() + 600,
    })
}

async fn status(world: &World, token: &str) -> StatusCode {
    let asked = world.ask(Method::GET, "/api/account").bearer_auth(token).send().await;
    asked.expect("an answer").status()
}

#[tokio::test]
async fn a_good_token_opens_and_each_spoilt_one_does_not() {
    let world = World::start().await;
    let sign = |typ: &str, change: Value| {
        let mut claims = claims(&world);
        for (key, value) in change.as_object().expect("an object") {
            claims[key] = value.clone();
        }
        world.sandbox.clerk.sign(typ, &claims)
    };
    assert_eq!(status(&world, &sign("at+jwt", json!({}))).await, 200);
    assert_eq!(status(&world, &sign("application/at+jwt", json!({}))).await, 200);
    let within_skew = json!({"exp": now() - 2, "nbf": now() + 2});
    assert_eq!(status(&world, &sign("at+jwt", within_skew)).await, 200);
    let spoilt = [
        ("JWT", json!({})),
        ("at+jwt", json!({"iss": "https://elsewhere.example"})),
        ("at+jwt", json!({"client_id": "another"})),
        ("at+jwt", json!({"client_id": null})),
        ("at+jwt", json!({"exp": now() - 30})),
        ("at+jwt", json!({"exp": null})),
        ("at+jwt", json!({"nbf": now() + 30})),
        ("at+jwt", json!({"sub": ""})),
        ("at+jwt", json!({"sub": "user_\u{0}"})),
    ];
    for (typ, change) in spoilt {
        let token = sign(typ, change.clone());
        assert_eq!(status(&world, &token).await, 401, "{typ} {change}");
    }
}

#[tokio::test]
async fn the_token_does_not_choose_its_algorithm() {
    use base64::Engine as _;
    let world = World::start().await;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    let good = world.token(ANA);
    assert_eq!(status(&world, &good).await, 200);
    let parts: Vec<&str> = good.split('.').collect();
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(parts[0]);
    let header: Value = serde_json::from_slice(&decoded.expect("base64")).expect("JSON");
    for alg in ["none", "HS256", "RS512", "PS256"] {
        let mut forged = header.clone();
        forged["alg"] = json!(alg);
        let forged = format!("{}.{}.{}", encode(&forged.to_string()), parts[1], parts[2]);
        assert_eq!(status(&world, &forged).await, 401, "{alg}");
        let unsigned = forged.rsplit_once('.').expect("three parts").0;
        assert_eq!(status(&world, &format!("{unsigned}.")).await, 401, "{alg}, unsigned");
    }
    let mut body = parts.clone();
    let other = encode(&claims(&world).to_string());
    body[1] = &other;
    assert_eq!(status(&world, &body.join(".")).await, 401, "claims that were not signed");
    assert_eq!(status(&world, "rubbish").await, 401);
}

#[tokio::test]
async fn a_rotated_key_works_at_once_and_invented_key_ids_cost_clerk_nothing() {
    let world = World::start().await;
    assert_eq!(status(&world, &world.token(ANA)).await, 200);
    assert_eq!(world.sandbox.clerk.jwks_fetches(), 1);
    let old = world.token(ANA);
    world.sandbox.clerk.rotate_key(true).await.expect("a key");
    assert_eq!(status(&world, &world.token(ANA)).await, 200);
    assert_eq!(status(&world, &old).await, 200);
    assert_eq!(world.sandbox.clerk.jwks_fetches(), 2);
    world.sandbox.clerk.rotate_key(true).await.expect("a key");
    for _ in 0..3 {
        assert_eq!(status(&world, &world.token(ANA)).await, 401, "within the 30 seconds");
    }
    assert_eq!(world.sandbox.clerk.jwks_fetches(), 2);
}

#[tokio::test]
async fn an_opaque_token_opens_and_a_foreign_one_does_not() {
    let world = World::start().await;
    let token = world.sandbox.clerk.opaque_token(ANA);
    assert_eq!(status(&world, &token).await, 200);
    assert_eq!(status(&world, "oat_never_issued").await, 401);
    let world = World::with(&[("CLERK_SECRET_KEY", "sk_wrong")]).await;
    let token = world.sandbox.clerk.opaque_token(ANA);
    assert_eq!(status(&world, &token).await, 503, "whether it is good could not be found out");
}

#[tokio::test]
async fn a_revoked_opaque_token_is_refused_by_a_relay_that_does_not_remember_it() {
    let world = World::start().await;
    let token = world.sandbox.clerk.opaque_token(ANA);
    world.sandbox.clerk.revoke(ANA);
    assert_eq!(status(&world, &token).await, 401);
}

#[tokio::test]
async fn without_a_token_the_answer_says_so_in_the_language_asked_for() {
    let world = World::start().await;
    let spanish = world.ask(Method::GET, "/api/account").send().await.expect("an answer");
    assert_eq!(spanish.status(), 401);
    assert_eq!(spanish.headers()["www-authenticate"], "Bearer");
    let request_id = spanish.headers()["x-request-id"].to_str().expect("text").to_owned();
    let body: Value = spanish.json().await.expect("JSON");
    assert!(body["error"].as_str().expect("text").starts_with("No autenticado"));
    assert_eq!(
        (&body["code"], &body["requestId"]),
        (&json!("unauthenticated"), &json!(request_id))
    );
    let asked = world.ask(Method::GET, "/api/account").header("accept-language", "en-GB");
    let english: Value = asked.send().await.expect("an answer").json().await.expect("JSON");
    assert!(english["error"].as_str().expect("text").starts_with("Not signed in"));
}

#[tokio::test]
async fn requests_are_limited_by_person_and_without_a_token_by_address() {
    let limits = [("RELAY_RATE_PER_MINUTE", "3"), ("RELAY_RATE_PER_MINUTE_ADDRESS", "2")];
    let world = World::with(&limits).await;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(status(&world, &world.token(ANA)).await.as_u16());
    }
    assert_eq!(seen, [200, 200, 200, 429]);
    assert_eq!(status(&world, &world.token("luis@example.com")).await, 200);
    let mut anonymous = Vec::new();
    for _ in 0..3 {
        let asked = world.ask(Method::GET, "/api/plans").header("x-forwarded-for", "9.9.9.9");
        anonymous.push(asked.send().await.expect("an answer").status().as_u16());
    }
    assert_eq!(anonymous, [200, 200, 429]);
    for (method, path, status) in [
        (Method::GET, "/healthz", 200),
        (Method::GET, "/readyz", 200),
        (Method::POST, "/api/stripe/webhooks", 400),
        (Method::POST, "/api/clerk/webhooks", 400),
        (Method::POST, "/api/resend/webhooks", 400),
        (Method::POST, "/api/mail/unsubscribe?token=x", 400),
    ] {
        let exempt = world.ask(method, path).send().await.expect("an answer");
        assert_eq!(exempt.status(), status, "{path} is exempt");
    }
}

#[tokio::test]
async fn whoever_looks_for_addresses_that_are_not_there_is_counted_too() {
    let world = World::with(&[("RELAY_RATE_PER_MINUTE_ADDRESS", "2")]).await;
    let mut seen = Vec::new();
    for (method, path) in
        [(Method::GET, "/.env"), (Method::PUT, "/api/account"), (Method::GET, "/wp-login.php")]
    {
        let answer = world.ask(method, path).send().await.expect("an answer");
        seen.push(answer.status().as_u16());
    }
    assert_eq!(seen, [404, 405, 429]);
}

#[tokio::test]
async fn a_good_token_counts_for_its_person_on_public_routes_too() {
    let limits = [("RELAY_RATE_PER_MINUTE", "2"), ("RELAY_RATE_PER_MINUTE_ADDRESS", "1")];
    let world = World::with(&limits).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let asked = world.ask_as(ANA, Method::GET, "/api/plans").send().await.expect("an answer");
        seen.push(asked.status().as_u16());
    }
    assert_eq!(seen, [200, 200, 429]);
}

/// A Clerk that knows no opaque token and counts how often it is asked about one.
async fn stranger() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let routes = axum::Router::new().fallback(async move || {
        counted.fetch_add(1, Ordering::SeqCst);
        StatusCode::NOT_FOUND
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, asked)
}

#[tokio::test]
async fn invented_opaque_tokens_do_not_become_a_flood_of_questions_to_clerk() {
    let (url, asked) = stranger().await;
    let limit = [("RELAY_RATE_PER_MINUTE_ADDRESS", "2"), ("CLERK_API_URL", url.as_str())];
    let world = World::with(&limit).await;
    let mut seen = Vec::new();
    for number in 0..4 {
        seen.push(status(&world, &format!("oat_invented_{number}")).await.as_u16());
    }
    assert_eq!(seen, [401, 401, 429, 429]);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(status(&world, "oat_invented_0").await, 429, "one that is remembered counts too");
    assert_eq!(status(&world, &world.token(ANA)).await, 200);
}

#[tokio::test]
async fn an_opaque_token_of_which_nothing_bad_is_said_is_good() {
    let ours = World::start().await;
    let client = ours.get("/api/config").await["clerk"]["clientId"].clone();
    for (said, wanted) in [(json!({}), 200), (json!({"revoked": true}), 401)] {
        let mut answer = json!({"subject": "user_1", "client_id": client, "expired": null});
        answer.as_object_mut().expect("fields").extend(said.as_object().expect("fields").clone());
        let routes = axum::Router::new().fallback(async move || axum::Json(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let world = World::with(&[("CLERK_API_URL", &url)]).await;
        assert_eq!(status(&world, "oat_somebodys").await, wanted);
    }
}

#[tokio::test]
async fn a_token_that_could_not_be_judged_counts_for_its_address() {
    let limit = [("RELAY_RATE_PER_MINUTE_ADDRESS", "2"), ("CLERK_SECRET_KEY", "sk_wrong")];
    let world = World::with(&limit).await;
    let mut seen = Vec::new();
    for number in 0..3 {
        seen.push(status(&world, &format!("oat_{number}")).await.as_u16());
    }
    assert_eq!(seen, [503, 503, 429]);
}

#[tokio::test]
async fn a_good_opaque_token_costs_its_address_nothing() {
    let world = World::with(&[("RELAY_RATE_PER_MINUTE_ADDRESS", "1")]).await;
    for email in [ANA, "luis@example.com", "eva@example.com"] {
        assert_eq!(status(&world, &world.sandbox.clerk.opaque_token(email)).await, 200);
    }
    assert_eq!(status(&world, "rubbish").await, 401);
    assert_eq!(status(&world, "rubbish").await, 429);
}

#[tokio::test]
async fn a_token_that_is_not_good_does_not_escape_the_limit_of_its_address() {
    let world = World::with(&[("RELAY_RATE_PER_MINUTE_ADDRESS", "3")]).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(status(&world, "rubbish").await.as_u16());
        let public = world.ask(Method::GET, "/api/plans").bearer_auth("rubbish").send().await;
        seen.push(public.expect("an answer").status().as_u16());
    }
    assert_eq!(seen, [401, 200, 401, 429]);
    assert_eq!(status(&world, &world.token(ANA)).await, 200, "a good one counts for its person");
}
