//! What a JWT access token must be like before it lets anybody in: pure functions of the token, the
//! key and what is expected. Where keys come from is [`super::Clerk`]'s.
//!
//! The algorithm is one of our own list; the token's word only chooses among them, and must fit the
//! key that the issuer published under that id. Keys that a token brings along or points to (`jwk`,
//! `jku`, `x5u`) are never looked at.

use super::TokenError;
use autocrea_protocol::UserId;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::IgnoredAny;

const ALLOWED: [Algorithm; 2] = [Algorithm::RS256, Algorithm::ES256];
const SKEW_SECS: u64 = 5;

/// By which key and algorithm a token says that it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// An allowed one.
    pub algorithm: Algorithm,
    /// The issuer's id of the key.
    pub kid: String,
}

/// Whose tokens are taken, and made out to whom.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// `iss`
    pub issuer: &'a str,
    /// `client_id`; Clerk's tokens carry no `aud`.
    pub client_id: &'a str,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    client_id: Option<String>,
    exp: f64,
}

/// A token that lets somebody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Good {
    /// Whose.
    pub user: UserId,
    /// Its `exp`, in Unix seconds.
    pub expires_at: u64,
}

/// Whether it is too late for a token that expires then; the rule is the one of [`subject`].
#[must_use]
pub fn is_late(expires_at: u64) -> bool {
    expires_at < jsonwebtoken::get_current_timestamp().saturating_sub(SKEW_SECS)
}

/// Reads a token's header, as far as it may be believed.
///
/// # Errors
/// [`TokenError::Refused`] when it is no JWT, no access token, names no key or not an allowed
/// algorithm.
pub fn examine(token: &str) -> Result<Asked, TokenError> {
    let header = decode_header(token).map_err(|_| TokenError::Refused("not a JWT"))?;
    let typ = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
    if !matches!(typ.as_str(), "at+jwt" | "application/at+jwt") {
        return Err(TokenError::Refused("typ"));
    }
    if has_critical(token) {
        return Err(TokenError::Refused("crit"));
    }
    if !ALLOWED.contains(&header.alg) {
        return Err(TokenError::Refused("alg"));
    }
    let kid = header.kid.ok_or(TokenError::Refused("kid is missing"))?;
    Ok(Asked { algorithm: header.alg, kid })
}

/// Whether a token demands that something be understood which we do not know (RFC 7515, 4.1.11).
fn has_critical(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Header {
        crit: Option<IgnoredAny>,
    }
    let encoded = token.split('.').next().unwrap_or_default();
    let header = URL_SAFE_NO_PAD.decode(encoded).unwrap_or_default();
    serde_json::from_slice::<Header>(&header).is_ok_and(|header| header.crit.is_some())
}

/// Whose token it is, if `key` signed it and it is good now.
///
/// # Errors
/// [`TokenError::Refused`].
pub fn subject(
    token: &str,
    asked: &Asked,
    key: &DecodingKey,
    expected: Expected<'_>,
) -> Result<Good, TokenError> {
    let mut rules = Validation::new(asked.algorithm);
    rules.leeway = SKEW_SECS;
    rules.validate_nbf = true;
    rules.validate_aud = false;
    rules.set_required_spec_claims(&["exp", "iss", "sub"]);
    rules.set_issuer(&[expected.issuer]);
    let claims = decode::<Claims>(token, key, &rules)
        .map_err(|_| TokenError::Refused("signature or claims"))?
        .claims;
    if claims.client_id.as_deref() != Some(expected.client_id) {
        return Err(TokenError::Refused("client_id"));
    }
    if claims.sub.is_empty() || claims.sub.contains(char::is_control) {
        return Err(TokenError::Refused("sub"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let expires_at = claims.exp as u64;
    Ok(Good { user: UserId(claims.sub), expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn with(name: &str, value: &Value) -> Result<Asked, TokenError> {
        let mut header = json!({"typ": "at+jwt", "alg": "RS256", "kid": "one"});
        header[name] = value.clone();
        examine(&format!("{}.e30.c2ln", URL_SAFE_NO_PAD.encode(header.to_string())))
    }

    #[test]
    fn what_a_header_calls_critical_is_not_passed_over() {
        assert!(with("x", &json!(["b64"])).is_ok());
        assert!(with("crit", &Value::Null).is_ok());
        for critical in [json!(["b64"]), json!([]), json!("b64")] {
            assert!(with("crit", &critical).is_err(), "{critical}");
        }
    }
}
