//! What the log never holds, however much is asked of it.

use crate::support::served::Served;
use autocrea_sandbox::joxcoder::Reply;
use autocrea_sandbox::stripe::SessionPayment;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const WHO: &str = "carla.private@example.com";
const PROMPT: &str = "MARKERPROMPT7f3a";
const OUTPUT: &str = "MARKEROUTPUT9c1e";

/// Signs in, generates well and badly, stops, buys, comes back by the browser, forges a webhook.
async fn a_whole_story(served: &Served) -> Vec<String> {
    let token = served.sandbox.clerk.access_token(WHO);
    let mut private = vec![
        WHO.to_owned(),
        "carla.private".to_owned(),
        token.clone(),
        PROMPT.to_owned(),
        OUTPUT.to_owned(),
    ];
    let post = async |path: &str, body: &Value| {
        let asked = served.ask(Method::POST, path).bearer_auth(&token).json(body);
        asked.send().await.expect("an answer").text().await.expect("a body")
    };
    served.ask(Method::GET, "/api/account").bearer_auth(&token).send().await.expect("an answer");
    served.ask(Method::GET, "/api/account").bearer_auth("forged.to.ken").send().await.ok();
    let patch = served.ask(Method::PATCH, "/api/user/profile").bearer_auth(&token);
    patch.json(&json!({"name": "MARKERNAME55aa"})).send().await.expect("an answer");
    private.push("MARKERNAME55aa".to_owned());

    served.sandbox.joxcoder.script(Reply::pieces([OUTPUT, " y más"]));
    let generate = |prompt: &str| {
        json!({
            "generationId": Uuid::now_v7(), "role": "qa", "maxOutputTokens": 300,
            "messages": [{"role": "user", "content": prompt}],
        })
    };
    let said = post("/api/joxcoder/generate", &generate(PROMPT)).await;
    assert!(said.contains(OUTPUT), "{said}");
    let failed = post("/api/joxcoder/generate", &generate(&format!("{PROMPT} #error"))).await;
    assert!(failed.contains("event: failed"), "{failed}");
    post("/api/joxcoder/generate", &json!({"role": PROMPT})).await;

    let session: Value = serde_json::from_str(
        &post("/api/stripe/create-checkout", &json!({"planId": "creator"})).await,
    )
    .expect("JSON");
    let id = session["sessionId"].as_str().expect("a session").to_owned();
    let paid = served.sandbox.stripe.pay(&id, "4242424242424242").expect("a session");
    assert!(matches!(paid, SessionPayment::Paid { .. }));
    post("/api/stripe/sync", &json!({"sessionId": id})).await;
    served.sandbox.stripe.settled().await;

    let back = "/return/auth?code=MARKERCODE01&state=MARKERSTATE02";
    served.ask(Method::GET, back).send().await.expect("an answer");
    private.extend(["MARKERCODE01".to_owned(), "MARKERSTATE02".to_owned()]);
    let forged = served.ask(Method::POST, "/api/stripe/webhooks").body("{\"MARKERBODY03\":1}");
    let forged = forged.header("stripe-signature", "t=1,v1=MARKERSIGNATURE04").send().await;
    assert_eq!(forged.expect("an answer").status(), 400);
    private.extend(["MARKERBODY03".to_owned(), "MARKERSIGNATURE04".to_owned()]);
    private
}

#[tokio::test]
async fn nothing_private_is_in_the_log_even_when_everything_of_ours_is() {
    for format in ["text", "json"] {
        // tokio_postgres would tell every statement with its parameters.
        let filter = "autocrea_relay=trace,autocrea_protocol=trace,tokio_postgres=trace,info";
        let served = Served::with(&[("RUST_LOG", filter), ("LOG_FORMAT", format)]).await;
        let mut private = a_whole_story(&served).await;
        let environment = served.sandbox.relay_env(&served.url);
        let secrets = environment.into_iter().filter(|(name, _)| {
            name.contains("SECRET") || name.contains("KEY") || name.contains("TOKEN")
        });
        private.extend(secrets.map(|(_, value)| value).filter(|it| !it.is_empty()));
        let log = served.stop().await;
        assert!(log.contains("answered") && log.contains("refused"), "it says little:\n{log}");
        for text in private {
            assert!(!log.contains(&text), "{text} is in the log:\n{log}");
        }
    }
}
