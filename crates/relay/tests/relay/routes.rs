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

/// The names of an object's keys, in order.
fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> =
        object.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn every_key_of_the_contract_is_there_and_no_other() {
    let world = World::start().await;
    let config = world.get("/api/config").await;
    let plan = ["concurrency", "features", "generationsPerHour", "id", "maxOutputTokens", "name"];
    let plan = [&plan[..], &["prices", "tokens"]].concat();
    let user = ["createdAt", "email", "id", "imageUrl", "locale", "name", "updatedAt"];
    let tokens =
        ["generationsCount", "lastGenerationAt", "limit", "month", "remaining", "reserved"];
    let tokens = [&tokens[..], &["resetsAt", "used"]].concat();
    let subscription =
        ["cancelAtPeriodEnd", "currentPeriodEnd", "currentPeriodStart", "graceUntil"];
    let subscription = [&subscription[..], &["interval", "planId", "status"]].concat();
    let all = ["clerk", "generation", "links", "minAppVersion", "plans", "redirects", "version"];
    assert_eq!(keys(&config), all);
    assert_eq!(keys(&config["clerk"]), ["clientId", "issuer", "scopes"]);
    assert_eq!(keys(&config["redirects"]), ["auth", "checkout", "loopbackPorts"]);
    let generation = ["contextTokens", "images", "maxBodyBytes", "maxPromptBytes", "model"];
    assert_eq!(keys(&config["generation"]), generation);
    assert_eq!(keys(&config["links"]), ["enterprise", "privacy", "support", "terms"]);
    for it in config["plans"].as_array().expect("plans") {
        assert_eq!(keys(it), plan);
    }
    let plans = world.get("/api/plans").await;
    assert_eq!(plans, json!({"plans": config["plans"]}));
    let account = world.get("/api/account").await;
    assert_eq!(keys(&account), ["subscription", "tokens", "user", "version"]);
    assert_eq!(keys(&account["user"]), user);
    assert_eq!(keys(&account["tokens"]), tokens);
    assert_eq!(keys(&account["subscription"]), subscription);
    assert_eq!(world.get("/api/user/subscription").await, account["subscription"]);
    let mut profile = world.get("/api/user/profile").await;
    assert_eq!(profile["marketingEmails"], true);
    profile.as_object_mut().expect("an object").remove("marketingEmails");
    assert_eq!(profile, account["user"]);
    let usage = ["generationsCount", "lastGenerationAt", "month", "remaining", "resetsAt"];
    let usage = [&usage[..], &["tokensLimit", "tokensReserved", "tokensUsed"]].concat();
    assert_eq!(keys(&world.get("/api/tokens/usage").await), usage);
    let ledger = world.get("/api/tokens/ledger").await;
    assert_eq!(keys(&ledger), ["entries", "next"]);
    let entry = ["at", "balanceAfter", "generationId", "id", "kind", "source", "tokens"];
    assert_eq!(keys(&ledger["entries"][0]), entry);
    assert_eq!(world.get("/api/user/invoices").await, json!({"invoices": []}));
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_told_which_it_does() {
    let world = World::start().await;
    let cases = [
        (Method::OPTIONS, "/api/user/profile", "GET,HEAD,PATCH,DELETE"),
        (
            Method::PUT,
            "/api/joxcoder/generate/0190a5b0-0000-7000-8000-00000000000a",
            "GET,HEAD,DELETE",
        ),
        (Method::GET, "/api/joxcoder/generate", "POST"),
        (Method::TRACE, "/api/account", "GET,HEAD"),
        (Method::HEAD, "/api/tokens/validate", "POST"),
        (Method::DELETE, "/return/auth", "GET,HEAD"),
        (Method::PUT, "/api/mail/unsubscribe", "GET,HEAD,POST"),
        (Method::GET, "/api/stripe/webhooks", "POST"),
        (Method::from_bytes(b"FLY").expect("a method"), "/readyz", "GET,HEAD"),
    ];
    for (method, path, allowed) in cases {
        let answer = world.ask(method.clone(), path).send().await.expect("an answer");
        assert_eq!(answer.status(), 405, "{method} {path}");
        assert_eq!(answer.headers()["allow"], allowed, "{method} {path}");
        if method != Method::HEAD {
            let body: Value = answer.json().await.expect("JSON");
            assert_eq!(body["code"], "method_not_allowed");
        }
    }
}

#[tokio::test]
async fn an_address_is_what_it_is_to_the_letter_and_head_is_get_without_a_body() {
    let world = World::start().await;
    for path in ["/api/config/", "/API/config", "//api/config", "/api%2Fconfig", "/", "/metrics"] {
        let answer = world.ask(Method::GET, path).send().await.expect("an answer");
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.json::<Value>().await.expect("JSON")["code"], "not_found", "{path}");
    }
    for path in ["/api/config", "/openapi.json", "/healthz", "/return/portal"] {
        let answer = world.ask(Method::HEAD, path).send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.bytes().await.expect("a body").is_empty(), "{path}");
    }
    let stream = world.ask_as(ANA, Method::HEAD, "/api/account/events").send().await;
    let stream = stream.expect("an answer");
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert!(stream.bytes().await.expect("it ends").is_empty());
}

#[tokio::test]
async fn json_is_taken_under_each_of_its_names_and_nothing_else_is() {
    let world = World::start().await;
    let sent = async |kind: Option<&str>, body: &'static str| {
        let asked = world.ask_as(ANA, Method::POST, "/api/tokens/validate").body(body);
        let asked = kind.iter().fold(asked, |asked, kind| asked.header("content-type", *kind));
        let answer = asked.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json::<Value>().await.expect("JSON"))
    };
    let body = "{\"prompt\":\"hola\",\"messages\":null,\"maxOutputTokens\":null,\"new\":[1]}";
    for kind in
        ["application/json", "Application/JSON; charset=utf-8", "application/vnd.autocrea+json"]
    {
        assert_eq!(sent(Some(kind), body).await.0, 200, "{kind}");
    }
    for kind in [None, Some("text/json"), Some("application/x-www-form-urlencoded"), Some("")] {
        let (status, refused) = sent(kind, body).await;
        assert_eq!((status, &refused["code"]), (415, &json!("unsupported_media_type")), "{kind:?}");
    }
    for body in ["", "  ", "null", "7", "[\"hola\",null,null]", "{\"prompt\":\"a\"} x"] {
        let (status, refused) = sent(Some("application/json"), body).await;
        assert_eq!((status, &refused["field"]), (400, &json!("body")), "{body}");
        let sentence = refused["error"].as_str().expect("text");
        assert!(sentence.starts_with("Error al validar tokens"), "{sentence}");
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
    assert!(refused["requestId"].is_string(), "a refusal like any other besides");
    for huge in [json!(20_000), json!(i64::MAX), json!(u64::MAX)] {
        let (status, clamped) = validate(json!({"prompt": "a", "maxOutputTokens": huge})).await;
        assert_eq!((status, &clamped["ceiling"]), (200, &json!(8 + 4_096)), "{huge}");
    }
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
        (json!({"prompt": "a", "maxOutputTokens": 1.5}), "maxOutputTokens"),
        (json!({"prompt": "a", "maxOutputTokens": "9"}), "maxOutputTokens"),
        (json!({"messages": []}), "messages"),
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
        let sentence = error["error"].as_str().expect("text");
        assert!(sentence.starts_with("Error al validar tokens"), "{sentence}");
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
    let answer = asked.send().await.expect("an answer, even to somebody who is still sending");
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.json::<Value>().await.expect("JSON")["code"], "payload_too_large");
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
    let unknown = "after=018f2c5e-0000-7000-8000-000000000000";
    for query in
        ["limit=0", "limit=101", "limit=x", "limit=", "limit=-1", "limit=1.5", "after=x", unknown]
    {
        let path = format!("/api/tokens/ledger?{query}");
        let answer = world.ask_as(ANA, Method::GET, &path).send().await.expect("an answer");
        assert_eq!(answer.status(), 400, "{query}");
        let refused: Value = answer.json().await.expect("JSON");
        assert_eq!(refused["field"], query.split('=').next().expect("a name"), "{query}");
    }
    let id = entry["id"].as_str().expect("an id").to_ascii_uppercase();
    let after = world.get(&format!("/api/tokens/ledger?after={id}&limit=100")).await;
    assert_eq!(after, json!({"entries": [], "next": null}));
    let usage = world.get("/api/tokens/usage").await;
    assert_eq!(usage["tokensLimit"], 20_000);
    assert_eq!(usage["lastGenerationAt"], Value::Null);
    assert!(usage["resetsAt"].is_i64());
}
