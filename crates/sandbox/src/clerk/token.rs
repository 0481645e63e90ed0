//! Tokens: codes and refresh tokens are exchanged, tokens are revoked, looked up and verified.

use super::codes::{self, Grant};
use super::people::Person;
use super::state::State as Clerk;
use axum::Json;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The form of `/oauth/token`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Exchange {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    code_verifier: String,
    #[serde(default)]
    refresh_token: String,
}

/// The form of `/oauth/token/revoke`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Revocation {
    #[serde(default)]
    token: String,
}

pub(super) async fn exchange(
    State(clerk): State<Arc<Clerk>>,
    Form(form): Form<Exchange>,
) -> Response {
    if clerk.switches().token_down {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if form.client_id != clerk.client_id {
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client", "No such public client.");
    }
    match form.grant_type.as_str() {
        "authorization_code" => exchange_code(&clerk, &form),
        "refresh_token" => match clerk.refresh(&form.refresh_token) {
            Some((grant, next)) => tokens(&clerk, &grant, &next, None),
            None => invalid_grant("The refresh token is unknown or has been revoked."),
        },
        _ => refuse(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "Only authorization_code and refresh_token.",
        ),
    }
}

fn exchange_code(clerk: &Clerk, form: &Exchange) -> Response {
    let Some(code) = clerk.take_code(&form.code) else {
        return invalid_grant("The code is unknown or has been used.");
    };
    if code.expires_at <= clerk.clock.now() {
        return invalid_grant("The code has expired.");
    }
    if code.redirect_uri != form.redirect_uri {
        return invalid_grant("The redirect_uri is not the one that the code was issued for.");
    }
    if !codes::verifier_matches(&form.code_verifier, &code.challenge) {
        return invalid_grant("The code_verifier does not match the challenge.");
    }
    let refresh = clerk.refresh_token_for(&code.grant.user, &code.grant.scope);
    tokens(clerk, &code.grant, &refresh, code.nonce.as_deref())
}

fn tokens(clerk: &Clerk, grant: &Grant, refresh: &str, nonce: Option<&str>) -> Response {
    let mut answer = json!({
        "access_token": clerk.issue_access_token(&grant.user, &grant.scope),
        "token_type": "bearer",
        "expires_in": clerk.access_token_life().as_secs(),
        "refresh_token": refresh,
        "scope": grant.scope,
    });
    if grant.scope.split(' ').any(|scope| scope == "openid") {
        answer["id_token"] = id_token(clerk, grant, nonce).into();
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn id_token(clerk: &Clerk, grant: &Grant, nonce: Option<&str>) -> String {
    let now = clerk.clock.now_secs();
    let mut claims = json!({
        "iss": clerk.url,
        "sub": grant.user,
        "aud": clerk.client_id,
        "iat": now,
        "exp": now + 60 * 60,
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = nonce.into();
    }
    if let Some(person) = clerk.person_by_id(&grant.user) {
        claims["email"] = person.email.into();
        claims["name"] = person.name.into();
    }
    clerk.sign("JWT", &claims)
}

pub(super) async fn revoke(
    State(clerk): State<Arc<Clerk>>,
    Form(form): Form<Revocation>,
) -> StatusCode {
    clerk.revoke_token(&form.token);
    StatusCode::OK
}

pub(super) async fn userinfo(State(clerk): State<Arc<Clerk>>, headers: HeaderMap) -> Response {
    if clerk.switches().userinfo_down {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let person = bearer(&headers).and_then(|token| person_of(&clerk, token));
    let Some(person) = person else {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    };
    let (given, family) = person.names();
    Json(json!({
        "object": "oauth_user_info",
        "instance_id": "ins_sandbox",
        "sub": person.id,
        "user_id": person.id,
        "email": person.email,
        "email_verified": true,
        "name": person.name,
        "given_name": given,
        "family_name": family,
        "picture": format!("{}/avatar/{}", clerk.url, person.id),
    }))
    .into_response()
}

/// `POST /v1/oauth_applications/access_tokens/verify`, Clerk's backend API for opaque tokens.
pub(super) async fn verify_opaque(
    State(clerk): State<Arc<Clerk>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if bearer(&headers) != Some(clerk.secret_key.as_str()) {
        return backend_error(StatusCode::UNAUTHORIZED, "secret_key_invalid");
    }
    let named = ["access_token", "secret", "token"];
    let token = named.iter().find_map(|name| body[*name].as_str()).unwrap_or_default();
    let Some(opaque) = clerk.opaque(token) else {
        return backend_error(StatusCode::NOT_FOUND, "resource_not_found");
    };
    let scopes: Vec<&str> = opaque.scope.split_whitespace().collect();
    Json(json!({
        "object": "clerk_idp_oauth_access_token",
        "id": token,
        "client_id": clerk.client_id,
        "subject": opaque.user,
        "scopes": scopes,
        "revoked": opaque.revoked,
        "revocation_reason": null,
        "expired": opaque.expires_at <= clerk.clock.now(),
        "expiration": opaque.expires_at,
        "created_at": opaque.created_at,
        "updated_at": opaque.created_at,
    }))
    .into_response()
}

fn person_of(clerk: &Clerk, token: &str) -> Option<Person> {
    if let Some(opaque) = clerk.opaque(token) {
        let alive = !opaque.revoked && opaque.expires_at > clerk.clock.now();
        return alive.then(|| clerk.person_by_id(&opaque.user)).flatten();
    }
    // Re-signing what the token claims and comparing is enough of a check for a provider that
    // only has its own tokens to read: RS256 signatures are deterministic.
    let claims = token.split('.').nth(1)?;
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    if !clerk.has_signed(token, &claims) || claims["exp"].as_i64()? <= clerk.clock.now_secs() {
        return None;
    }
    clerk.person_by_id(claims["sub"].as_str()?)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

fn invalid_grant(why: &str) -> Response {
    refuse(StatusCode::BAD_REQUEST, "invalid_grant", why)
}

fn refuse(status: StatusCode, error: &str, why: &str) -> Response {
    let body = json!({ "error": error, "error_description": why });
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

fn backend_error(status: StatusCode, code: &str) -> Response {
    let error = json!({ "code": code, "message": code, "long_message": code });
    (status, Json(json!({ "errors": [error] }))).into_response()
}
