//! Signing in at Clerk's twin, as a browser, a desktop app and a relay would.

#![allow(clippy::unwrap_used)] // the helpers of tests, too

use autocrea_sandbox::clerk::{Clerk, Options, Switches};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use url::Url;

const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-to-be-content";
const REDIRECT: &str = "http://127.0.0.1:5000/return/auth";

async fn start() -> (Clerk, Client) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let clerk = Clerk::start(Options::default()).await.unwrap();
    clerk.register_redirect(REDIRECT);
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    (clerk, client)
}

fn authorize_url(clerk: &Clerk, changes: &[(&str, &str)]) -> Url {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", clerk.client_id()),
        ("redirect_uri", REDIRECT),
        ("scope", "openid profile email offline_access"),
        ("state", "st&te=1"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        parameters.retain(|(known, _)| known != name);
        if !value.is_empty() {
            parameters.push((name, value));
        }
    }
    Url::parse_with_params(&format!("{}/oauth/authorize", clerk.url()), parameters).unwrap()
}

async fn decide(client: &Client, url: Url, form: &[(&str, &str)]) -> Response {
    client.post(url).form(form).send().await.unwrap()
}

fn returned(response: &Response, name: &str) -> Option<String> {
    let location = response.headers()["location"].to_str().unwrap();
    assert!(location.starts_with(REDIRECT), "{location}");
    let location = Url::parse(location).unwrap();
    let mut pairs = location.query_pairs();
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

async fn code_for(clerk: &Clerk, client: &Client, email: &str) -> String {
    let form = [("email", email), ("decision", "allow")];
    let response = decide(client, authorize_url(clerk, &[]), &form).await;
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(returned(&response, "state").as_deref(), Some("st&te=1"));
    returned(&response, "code").unwrap()
}

async fn exchange(clerk: &Clerk, client: &Client, form: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut form = form.to_vec();
    form.push(("client_id", clerk.client_id()));
    let url = format!("{}/oauth/token", clerk.url());
    let response = client.post(url).form(&form).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

fn code_form(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

async fn userinfo(clerk: &Clerk, client: &Client, token: &str) -> Response {
    let url = format!("{}/oauth/userinfo", clerk.url());
    client.get(url).bearer_auth(token).send().await.unwrap()
}

#[tokio::test]
async fn a_code_is_exchanged_once_for_tokens_that_name_the_person() {
    let (clerk, client) = start().await;
    let code = code_for(&clerk, &client, "New.Person@example.com").await;
    let (status, tokens) = exchange(&clerk, &client, &code_form(&code)).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["expires_in"], 86_400);
    let access = tokens["access_token"].as_str().unwrap();
    let person: Value = userinfo(&clerk, &client, access).await.json().await.unwrap();
    assert_eq!(person["email"], "new.person@example.com");
    assert_eq!(person["name"], "New Person");
    assert_eq!(person["sub"], clerk.user_id("new.person@example.com"));
    let (status, again) = exchange(&clerk, &client, &code_form(&code)).await;
    assert_eq!((status, &again["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
}

#[tokio::test]
async fn an_access_token_is_an_at_jwt_with_client_id_and_no_audience() {
    let (clerk, client) = start().await;
    let token = clerk.access_token("ana@example.com");
    let discovery: Value =
        get(&client, &format!("{}/.well-known/openid-configuration", clerk.url())).await;
    assert_eq!(discovery["issuer"], clerk.url());
    let keys = get(&client, discovery["jwks_uri"].as_str().unwrap()).await;
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_issuer(&[clerk.url()]);
    let read = jsonwebtoken::decode::<Value>(&token, &DecodingKey::from_jwk(key).unwrap(), &rules);
    let claims = read.unwrap().claims;
    assert_eq!(claims["client_id"], clerk.client_id());
    assert_eq!(claims["sub"], clerk.user_id("ana@example.com"));
    assert!(claims.get("aud").is_none());
}

async fn get(client: &Client, url: &str) -> Value {
    client.get(url).send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn codes_are_bound_to_verifier_and_redirect_and_live_ten_minutes() {
    let (clerk, client) = start().await;
    for (name, value) in [
        ("code_verifier", "another-verifier-that-is-long-enough-but-not-the-right-one"),
        ("redirect_uri", "http://127.0.0.1:5000/return/auth/"),
    ] {
        let code = code_for(&clerk, &client, "ana@example.com").await;
        let mut form = code_form(&code).to_vec();
        form.retain(|(known, _)| *known != name);
        form.push((name, value));
        let (status, body) = exchange(&clerk, &client, &form).await;
        assert_eq!((status, &body["error"]), (StatusCode::BAD_REQUEST, &json!("invalid_grant")));
    }
    let code = code_for(&clerk, &client, "ana@example.com").await;
    clerk.clock().advance(Duration::from_secs(601));
    let (status, _) = exchange(&clerk, &client, &code_form(&code)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn an_unregistered_redirect_or_client_is_never_redirected() {
    let (clerk, client) = start().await;
    for change in [
        ("redirect_uri", "http://127.0.0.1:5000/return/auth?x=1"),
        ("redirect_uri", "https://evil.example/return/auth"),
        ("redirect_uri", "autocrea://auth/callback"),
        ("client_id", "somebody_else"),
    ] {
        let url = authorize_url(&clerk, &[change]);
        let form = [("email", "ana@example.com"), ("decision", "allow")];
        let response = decide(&client, url, &form).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{change:?}");
        assert!(response.headers().get("location").is_none());
    }
    let loopback =
        format!("http://127.0.0.1:{}/callback", autocrea_sandbox::clerk::LOOPBACK_PORTS[0]);
    let url = authorize_url(&clerk, &[("redirect_uri", &loopback)]);
    let page = client.get(url).send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
}

#[tokio::test]
async fn no_and_a_missing_challenge_go_back_as_errors_with_the_state() {
    let (clerk, client) = start().await;
    let form = [("email", "ana@example.com"), ("decision", "deny")];
    let denied = decide(&client, authorize_url(&clerk, &[]), &form).await;
    assert_eq!(returned(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(returned(&denied, "state").as_deref(), Some("st&te=1"));
    for change in [("code_challenge", ""), ("code_challenge_method", "plain")] {
        let response = client.get(authorize_url(&clerk, &[change])).send().await.unwrap();
        assert_eq!(returned(&response, "error").as_deref(), Some("invalid_request"));
    }
}

#[tokio::test]
async fn coming_back_twice_shows_the_same_address_twice() {
    let (clerk, client) = start().await;
    let form = [("email", "ana@example.com"), ("decision", "allow"), ("twice", "1")];
    let response = decide(&client, authorize_url(&clerk, &[]), &form).await;
    assert_eq!(response.status(), StatusCode::OK);
    let page = response.text().await.unwrap();
    assert_eq!(page.matches("return/auth?code=").count(), 2);
}

#[tokio::test]
async fn a_refresh_token_stays_unless_rotation_is_switched_on() {
    let (clerk, client) = start().await;
    let first = clerk.refresh_token("ana@example.com");
    let form = |token: &str| {
        [("grant_type", "refresh_token".to_owned()), ("refresh_token", token.to_owned())]
    };
    let refresh = async |token: &str| {
        let form = form(token);
        let form: Vec<(&str, &str)> =
            form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        exchange(&clerk, &client, &form).await
    };
    let (status, tokens) = refresh(&first).await;
    assert_eq!((status, tokens["refresh_token"].as_str()), (StatusCode::OK, Some(first.as_str())));
    clerk.set_switches(Switches { rotate_refresh_tokens: true, ..clerk.switches() });
    let (_, tokens) = refresh(&first).await;
    let second = tokens["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(second, first);
    assert_eq!(refresh(&first).await.0, StatusCode::BAD_REQUEST);
    clerk.revoke("ana@example.com");
    assert_eq!(refresh(&second).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn an_opaque_token_is_verified_with_the_secret_key_until_revoked() {
    let (clerk, client) = start().await;
    let token = clerk.opaque_token("ana@example.com");
    let url = format!("{}/v1/oauth_applications/access_tokens/verify", clerk.url());
    let verify = async |key: &str| {
        let body = json!({ "access_token": token });
        let response = client.post(&url).bearer_auth(key).json(&body).send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    assert_eq!(verify("sk_wrong").await.0, StatusCode::UNAUTHORIZED);
    let (status, found) = verify(clerk.secret_key()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(found["subject"], clerk.user_id("ana@example.com"));
    assert_eq!((&found["revoked"], &found["expired"]), (&json!(false), &json!(false)));
    assert_eq!(userinfo(&clerk, &client, &token).await.status(), StatusCode::OK);
    let revoke = format!("{}/oauth/token/revoke", clerk.url());
    client.post(revoke).form(&[("token", &token)]).send().await.unwrap();
    assert_eq!(verify(clerk.secret_key()).await.1["revoked"], true);
    assert_eq!(userinfo(&clerk, &client, &token).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_signed_before_a_rotation_hold_while_the_old_key_is_published() {
    let (clerk, client) = start().await;
    let old = clerk.access_token("ana@example.com");
    clerk.rotate_key(true).await.unwrap();
    let new = clerk.access_token("ana@example.com");
    assert_ne!(
        jsonwebtoken::decode_header(&old).unwrap().kid,
        jsonwebtoken::decode_header(&new).unwrap().kid
    );
    assert_eq!(userinfo(&clerk, &client, &old).await.status(), StatusCode::OK);
    clerk.rotate_key(false).await.unwrap();
    assert_eq!(userinfo(&clerk, &client, &old).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_refresh_token_outlasts_the_process_when_there_is_a_place_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        || Options { state_file: Some(folder.path().join("clerk.json")), ..Options::default() };
    rustls::crypto::ring::default_provider().install_default().ok();
    let first = Clerk::start(options()).await.unwrap();
    let token = first.refresh_token("somebody@example.com");
    let id = first.user_id("somebody@example.com");
    drop(first);
    let second = Clerk::start(options()).await.unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", &token)];
    let (status, tokens) = exchange(&second, &Client::new(), &form).await;
    assert_eq!(status, StatusCode::OK);
    let access = tokens["access_token"].as_str().unwrap();
    let person: Value = userinfo(&second, &Client::new(), access).await.json().await.unwrap();
    assert_eq!(person["sub"], id);
}
