//! The public routes, the tokens, and how the relay says no.

use crate::support::{ANA, World};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn the_public_configuration_is_all_that_the_app_must_know() {
    let world = World::start().await;
    let answer = world.ask(Method::GET, "/api/config").send().await.expect("an answer");
    let config: Value = answer.json().await.expect("JSON");
    assert_eq!(config["clerk"]["issuer"], world.sandbox.clerk.url());
    assert_eq!(config["clerk"]["clientId"], world.sandbox.clerk.client_id());
    let url = world.relay.url();
    assert_eq!(config["redirects"]["auth"], format!("{url}/return/auth"));
    assert_eq!(config["redirects"]["checkout"], format!("{url}/return/checkout"));
    assert_eq!(config["redirects"]["loopbackPorts"].as_array().map(Vec::len), Some(3));
    assert_eq!(config["generation"]["maxPromptBytes"], 262_144);
    assert_eq!(config["generation"]["maxBodyBytes"], 8 * 1024 * 1024);
    assert_eq!(config["links"]["terms"], Value::Null);
    assert_eq!(config["version"], "2.0.0");
    for secret in ["sk_", "whsec_", "hf_", "re_sandbox"] {
        assert!(!config.to_string().contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_plans_come_in_order_and_in_the_language_asked_for() {
    let world = World::start().await;
    let plans = async |lang: &'static str| {
        let asked = world.ask(Method::GET, "/api/plans").header("accept-language", lang);
        asked.send().await.expect("an answer").json::<Value>().await.expect("JSON")
    };
    let (spanish, english) = (plans("es").await, plans("en").await);
    let ids: Vec<_> =
        spanish["plans"].as_array().expect("a list").iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["free", "creator", "pro", "business"]);
    assert_eq!(
        (&spanish["plans"][0]["name"], &english["plans"][0]["name"]),
        (&json!("Gratis"), &json!("Free"))
    );
    let creator = &english["plans"][1];
    assert_eq!(
        (&creator["tokens"], &creator["concurrency"], &creator["generationsPerHour"]),
        (&json!(500_000), &json!(2), &json!(50))
    );
    assert_eq!(creator["maxOutputTokens"], 8_192);
    assert_eq!(english["plans"][0]["prices"], json!([]));
}

#[tokio::test]
async fn what_is_not_there_is_said_in_the_contracts_form() {
    let world = World::start().await;
    let cases = [
        (Method::GET, "/api/nothing", 404, "not_found"),
        (Method::DELETE, "/api/account", 405, "method_not_allowed"),
        (Method::POST, "/healthz", 405, "method_not_allowed"),
    ];
    for (method, path, status, code) in cases {
        let answer = world.ask(method, path).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{path}");
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(body["code"], code);
        assert!(body["requestId"].is_string() && body["error"].is_string());
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(world.ask(Method::GET, path).send().await.expect("an answer").status(), 200);
    }
}

#[tokio::test]
async fn the_ceiling_is_known_before_sending() {
    let world = World::start().await;
    let validate = async |body: Value| {
        let asked = world.ask_as(ANA, Method::POST, "/api/tokens/validate").json(&body);
        let answer = asked.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let (status, fits) = validate(json!({"prompt": "hola!!"})).await;
    assert_eq!(status, 200);
    assert_eq!(
        fits,
        json!({
            "canGenerate": true, "estimatedTokens": 9, "ceiling": 9 + 4_096,
            "tokensUsed": 0, "tokensLimit": 20_000, "remaining": 20_000,
        })
    );
    let messages = json!([{"role": "user", "content": "hola!!"}]);
    let (_, same) = validate(json!({"messages": messages, "maxOutputTokens": 100})).await;
    assert_eq!(same["ceiling"], 109);
    let (status, refused) = validate(json!({"prompt": "x".repeat(3 * 19_800)})).await;
    assert_eq!((status, &refused["canGenerate"]), (429, &json!(false)));
    assert_eq!(refused["code"], "token_limit");
    assert!(refused["error"].is_string() && refused["remaining"] == 20_000);
}

#[tokio::test]
async fn a_question_about_tokens_that_makes_no_sense_is_refused_with_its_field() {
    let world = World::start().await;
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}});
    let cases = [
        (json!({}), "messages"),
        (json!({"prompt": "a", "messages": []}), "messages"),
        (json!({"prompt": "a", "maxOutputTokens": 0}), "maxOutputTokens"),
        (json!({"prompt": "a", "maxOutputTokens": -5}), "maxOutputTokens"),
        (json!({"prompt": 7}), "prompt"),
        (json!({"messages": [{"role": "wizard", "content": "a"}]}), "messages"),
        (json!({"prompt": "   "}), "prompt"),
        (json!({"messages": [{"role": "user", "content": ""}]}), "messages"),
        (json!({"messages": [{"role": "user", "content": [image]}]}), "messages"),
    ];
    for (body, field) in cases {
        let asked =
            world.ask_as(ANA, Method::POST, "/api/tokens/validate").json(&body).send().await;
        let answer = asked.expect("an answer");
        assert_eq!(answer.status(), 400, "{body}");
        let error: Value = answer.json().await.expect("JSON");
        assert_eq!((&error["code"], &error["field"]), (&json!("invalid_request"), &json!(field)));
    }
    let sent = |content: &'static str, body: &'static str| {
        let asked = world.ask_as(ANA, Method::POST, "/api/tokens/validate");
        asked.header("content-type", content).body(body).send()
    };
    assert_eq!(sent("application/json", "{nonsense").await.expect("an answer").status(), 400);
    assert_eq!(sent("text/plain", "{}").await.expect("an answer").status(), 415);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let world = World::start().await;
    let body = format!("{{\"prompt\":\"{}\"}}", "x".repeat(9 * 1024 * 1024));
    let asked = world
        .ask_as(ANA, Method::POST, "/api/tokens/validate")
        .header("content-type", "application/json")
        .body(body);
    // The relay may answer and close before all of it was sent.
    if let Ok(answer) = asked.send().await {
        assert_eq!(answer.status(), 413);
        assert_eq!(answer.json::<Value>().await.expect("JSON")["code"], "payload_too_large");
    }
}

#[tokio::test]
async fn the_ledger_is_read_in_pages_whose_size_is_bounded() {
    let world = World::start().await;
    let page = world.get("/api/tokens/ledger?limit=1").await;
    let entry = &page["entries"][0];
    assert_eq!((&entry["kind"], &entry["tokens"]), (&json!("grant"), &json!(20_000)));
    assert_eq!(entry["balanceAfter"], 20_000);
    assert_eq!((&entry["generationId"], &page["next"]), (&Value::Null, &Value::Null));
    let source = entry["source"].as_str().expect("text");
    assert!(source.starts_with(&format!("free:{}:", world.user(ANA))), "{source}");
    for query in
        ["limit=0", "limit=101", "limit=x", "after=x", "after=018f2c5e-0000-7000-8000-000000000000"]
    {
        let path = format!("/api/tokens/ledger?{query}");
        let answer = world.ask_as(ANA, Method::GET, &path).send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{query}");
    }
    let usage = world.get("/api/tokens/usage").await;
    assert_eq!(usage["tokensLimit"], 20_000);
    assert_eq!(usage["lastGenerationAt"], Value::Null);
    assert!(usage["resetsAt"].is_i64());
}
