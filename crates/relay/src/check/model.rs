//! The model's endpoint.

use super::{Finding, answer, with_key};
use crate::config::Config;
use http::StatusCode;
use reqwest::Client;
use serde_json::Value;

pub(super) async fn finding(http: &Client, config: &Config) -> Finding {
    let what = "joxcoder";
    let address = format!("{}/models", config.joxcoder.url);
    let answer = match answer(with_key(http.get(address), config.joxcoder.token.as_ref())).await {
        Ok(answer) => answer,
        Err(why) => return Finding::failed(what, why),
    };
    match answer.status() {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE => {
            Finding::ok(what, "it sleeps and wakes when it is needed")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Finding::failed(what, "the token is not taken")
        }
        status if status.is_success() => {
            let listed = answer.json::<Value>().await.unwrap_or_default();
            let model = config.joxcoder.model.as_str();
            let known =
                listed["data"].as_array().is_some_and(|all| all.iter().any(|it| it["id"] == model));
            if known {
                Finding::ok(what, "it lists the model")
            } else {
                Finding::note(what, "it answers, but its list does not name JOXCODER_MODEL")
            }
        }
        // Not every server lists models; that it answers at all is what matters.
        status if status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED => {
            Finding::ok(what, "it answers, without a list of models")
        }
        status => Finding::failed(what, format!("it answers {status}")),
    }
}
