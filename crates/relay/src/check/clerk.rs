//! Clerk: discovery, the keys behind it, and the secret key.

use super::{Finding, answer, clock, with_key};
use crate::config::Config;
use http::StatusCode;
use reqwest::Client;
use serde_json::{Value, json};

pub(super) async fn findings(http: &Client, config: &Config) -> Vec<Finding> {
    let mut findings = discovery(http, config).await;
    findings.push(secret_key(http, config).await);
    findings
}

async fn discovery(http: &Client, config: &Config) -> Vec<Finding> {
    let issuer = &config.clerk.issuer;
    let mut last = String::new();
    for document in ["openid-configuration", "oauth-authorization-server"] {
        match answer(http.get(format!("{issuer}/.well-known/{document}"))).await {
            Ok(answer) if answer.status() == StatusCode::OK => {
                let clock = clock::finding(&answer);
                match answer.json::<Value>().await {
                    Ok(found) => {
                        let found = keys(http, issuer, &found).await;
                        return std::iter::once(found).chain(clock).collect();
                    }
                    Err(_) => "discovery answers something else than JSON".clone_into(&mut last),
                }
            }
            Ok(answer) => {
                last = format!("discovery answers {}; is the issuer right?", answer.status());
            }
            Err(why) => last = why,
        }
    }
    vec![Finding::failed("clerk", last)]
}

async fn keys(http: &Client, issuer: &str, discovered: &Value) -> Finding {
    if discovered["issuer"].as_str().is_some_and(|it| it.trim_end_matches('/') != issuer) {
        return Finding::failed(
            "clerk",
            "discovery names another issuer: CLERK_ISSUER must be written as it is there",
        );
    }
    let Some(address) = discovered["jwks_uri"].as_str() else {
        return Finding::failed("clerk", "discovery names no keys");
    };
    let set = match answer(http.get(address)).await {
        Ok(answer) => answer.json::<Value>().await.unwrap_or_default(),
        Err(why) => return Finding::failed("clerk", format!("its keys: {why}")),
    };
    match set["keys"].as_array().map_or(0, Vec::len) {
        0 => Finding::failed("clerk", "there are no keys where discovery says"),
        count => Finding::ok("clerk", format!("discovery answers, with {count} key(s)")),
    }
}

async fn secret_key(http: &Client, config: &Config) -> Finding {
    let what = "clerk secret key";
    let Some(key) = &config.clerk.secret_key else {
        return Finding::note(what, "not set: opaque access tokens are refused, JWTs are not");
    };
    let address = format!("{}/oauth_applications/access_tokens/verify", config.clerk.api_url);
    let asked = http.post(address).json(&json!({"access_token": "oat_check"}));
    match answer(with_key(asked, Some(key))).await.map(|answer| answer.status()) {
        Ok(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Finding::failed(what, "it is not taken")
        }
        Ok(status) if status.is_server_error() => {
            Finding::failed(what, format!("Clerk's API answers {status}"))
        }
        // There is no such token; that this was answered at all shows that the key is good.
        Ok(_) => Finding::ok(what, "it is taken"),
        Err(why) => Finding::failed(what, why),
    }
}
