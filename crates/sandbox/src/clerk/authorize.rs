//! The page in the browser: who are you, and do you let AUTOCREA in?
//!
//! The request travels in the address; the form adds who and what was decided, under plain names
//! (`email`, `name`, `decision` = `allow` | `deny`, `slow`, `twice`), so that a script can POST it
//! and follow the 302. A request whose client or redirect address is not registered is answered
//! here and never redirected.

use super::codes::{self, Code, Grant};
use super::state::State as Clerk;
use super::{page, people};
use crate::page::Language;
use axum::extract::{Form, Query, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long "be slow" takes.
const SLOW: Duration = Duration::from_secs(5);

/// The query of `/oauth/authorize`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Request {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    response_type: String,
    #[serde(default)]
    scope: String,
    state: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    nonce: Option<String>,
}

/// What the person did.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Decision {
    /// Chosen from the list.
    #[serde(default)]
    email: String,
    /// Typed; goes before the chosen one.
    #[serde(default)]
    new_email: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    decision: String,
    slow: Option<String>,
    twice: Option<String>,
}

/// Why a request goes no further.
enum Refusal {
    /// Told here: there is nowhere safe to send the browser.
    Here(&'static str, &'static str),
    /// Told to the client.
    Back(&'static str, &'static str),
}

pub(super) async fn show(
    State(clerk): State<Arc<Clerk>>,
    headers: HeaderMap,
    Query(request): Query<Request>,
) -> Response {
    let language = Language::asked_by(&headers);
    match check(&clerk, &request) {
        Ok(_) => Html(page::choose(&clerk, language, None)).into_response(),
        Err(refusal) => refuse(&request, language, &refusal),
    }
}

pub(super) async fn decide(
    State(clerk): State<Arc<Clerk>>,
    headers: HeaderMap,
    Query(request): Query<Request>,
    Form(decision): Form<Decision>,
) -> Response {
    let language = Language::asked_by(&headers);
    let challenge = match check(&clerk, &request) {
        Ok(challenge) => challenge.to_owned(),
        Err(refusal) => return refuse(&request, language, &refusal),
    };
    if decision.slow.is_some() {
        tokio::time::sleep(SLOW).await;
    }
    if decision.decision == "deny" {
        let denied = Refusal::Back("access_denied", "The person said no.");
        return refuse(&request, language, &denied);
    }
    let email =
        if decision.new_email.trim().is_empty() { &decision.email } else { &decision.new_email };
    if !people::looks_like_email(email) {
        let problem = language.say(
            "Escribe un correo completo o elige a una persona.",
            "Type a whole e-mail address, or choose a person.",
        );
        let again = page::choose(&clerk, language, Some(problem));
        return (StatusCode::BAD_REQUEST, Html(again)).into_response();
    }
    let new = !clerk.people().iter().any(|person| person.email == people::normal_email(email));
    let person = clerk.person(email, &decision.name);
    if new {
        let (clerk, person) = (Arc::clone(&clerk), person.clone());
        tokio::spawn(async move { clerk.send_user_event("user.created", &person).await });
    }
    let code = clerk.put_code(Code {
        grant: Grant { user: person.id, scope: request.scope.clone() },
        redirect_uri: request.redirect_uri.clone(),
        challenge,
        nonce: request.nonce.clone(),
        expires_at: clerk.clock.now() + codes::LIFE_MS,
    });
    let back = return_address(&request, &[("code", &code)]);
    if decision.twice.is_some() {
        return Html(page::twice(&back, language)).into_response();
    }
    found(&back)
}

/// The PKCE challenge, if everything about the request is in order.
fn check<'a>(clerk: &Clerk, request: &'a Request) -> Result<&'a str, Refusal> {
    if request.client_id != clerk.client_id {
        return Err(Refusal::Here(
            "Ninguna aplicación tiene este client_id.",
            "No application has this client_id.",
        ));
    }
    if !clerk.is_registered(&request.redirect_uri) {
        return Err(Refusal::Here(
            "Este redirect_uri no está registrado; ha de coincidir del todo.",
            "This redirect_uri is not registered; matching is exact.",
        ));
    }
    if request.response_type != "code" {
        let why = "The response_type must be code.";
        return Err(Refusal::Back("unsupported_response_type", why));
    }
    match (&request.code_challenge, request.code_challenge_method.as_deref()) {
        (Some(challenge), Some("S256")) if challenge.len() == 43 => Ok(challenge),
        _ => {
            let why = "A public client needs a code_challenge with method S256.";
            Err(Refusal::Back("invalid_request", why))
        }
    }
}

fn refuse(request: &Request, language: Language, refusal: &Refusal) -> Response {
    match refusal {
        Refusal::Here(es, en) => {
            let told = page::refused(language.say(es, en), language);
            (StatusCode::BAD_REQUEST, Html(told)).into_response()
        }
        Refusal::Back(error, why) => {
            found(&return_address(request, &[("error", error), ("error_description", why)]))
        }
    }
}

fn return_address(request: &Request, parameters: &[(&str, &str)]) -> String {
    let Ok(mut address) = Url::parse(&request.redirect_uri) else {
        return request.redirect_uri.clone();
    };
    let mut query = address.query_pairs_mut();
    for (name, value) in parameters {
        query.append_pair(name, value);
    }
    if let Some(state) = &request.state {
        query.append_pair("state", state);
    }
    drop(query);
    address.into()
}

fn found(address: &str) -> Response {
    let headers = [(header::LOCATION, address), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::FOUND, headers).into_response()
}
