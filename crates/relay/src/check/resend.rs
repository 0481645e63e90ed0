//! Resend: the key, and the domain that mails are sent from.

use super::{Finding, answer, with_key};
use crate::config::Config;
use http::StatusCode;
use reqwest::Client;
use serde_json::Value;

pub(super) async fn finding(http: &Client, config: &Config) -> Finding {
    let what = "resend";
    let Some(key) = &config.resend.api_key else {
        return Finding::note(what, "no key: mails are kept and not sent");
    };
    let address = format!("{}/domains", config.resend.base_url);
    let answer = match answer(with_key(http.get(address), Some(key))).await {
        Ok(answer) => answer,
        Err(why) => return Finding::failed(what, why),
    };
    let status = answer.status();
    let body = answer.json::<Value>().await.unwrap_or_default();
    match status {
        StatusCode::OK => domain(&config.resend.from, &body),
        // What Resend calls a key that may only send, which is the kind to use.
        _ if body["name"] == "restricted_api_key" => {
            Finding::ok(what, "the key is taken; it may only send, so the domain was not looked at")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST => {
            Finding::failed(what, "the key is not taken")
        }
        status if status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED => {
            Finding::ok(what, "it answers")
        }
        status => Finding::failed(what, format!("it answers {status}")),
    }
}

/// Whether the sender's domain is verified.
fn domain(from: &str, body: &Value) -> Finding {
    let host = from.rsplit('@').next().unwrap_or_default().trim_end_matches('>');
    let domains = body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    match domains.iter().find(|it| it["name"] == host) {
        Some(domain) if domain["status"] == "verified" => {
            Finding::ok("resend", format!("the key is taken and {host} is verified"))
        }
        Some(_) => Finding::failed("resend", format!("{host} is not verified yet")),
        None => Finding::note(
            "resend",
            format!("the key is taken, but {host}, the sender's domain, is not in its list"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use serde_json::json;

    #[test]
    fn mails_leave_only_from_a_domain_that_is_verified() {
        let domains = json!({"data": [
            {"name": "good.example.org", "status": "verified"},
            {"name": "new.example.org", "status": "pending"},
        ]});
        let verdict = |from: &str| domain(from, &domains).verdict;
        assert_eq!(verdict("noreply@good.example.org"), Verdict::Ok);
        assert_eq!(verdict("AUTOCREA <noreply@good.example.org>"), Verdict::Ok);
        assert_eq!(verdict("noreply@new.example.org"), Verdict::Failed);
        assert_eq!(verdict("noreply@other.example.org"), Verdict::Note);
    }
}
