//! Svix's signatures, which Clerk's and Resend's webhooks carry: whether a body is theirs and recent.
//!
//! Three headers: `svix-id`, `svix-timestamp` (Unix seconds) and `svix-signature`, a list of
//! `v1,<base64>` with spaces between; the same under `webhook-…`, as the standard that grew out of
//! them names them. A signature is HMAC-SHA256 over `"{id}.{timestamp}.{raw body}"` with the bytes
//! that the secret's base64 stands for. While a secret is being rotated there may be several
//! signatures and several secrets, so every one is tried against every other.
//!
//! Source: <https://docs.svix.com/receiving/verifying-payloads/how-manual>,
//! <https://www.standardwebhooks.com>.

use crate::clock::Clock;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use std::str::FromStr;

/// How old, or how far in the future, a signature may be.
pub const TOLERANCE_SECS: i64 = 300;
/// An id longer than this is nobody's.
const LONGEST_ID: usize = 256;
const PREFIX: &str = "whsec_";

/// Secrets are copied by hand, and padding is lost on the way; it means nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a webhook is refused. Told to nobody but the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SvixError {
    /// A header is missing, or the time is no number.
    #[error("the signature's headers are missing or malformed")]
    Malformed,
    /// More than [`TOLERANCE_SECS`] from now.
    #[error("the signature's time is out of tolerance")]
    OutOfTolerance,
    /// No `v1` matches any secret; never when there are no secrets.
    #[error("no signature matches")]
    Mismatch,
}

/// One signing secret, `whsec_<base64>`. `Debug` does not show it.
#[derive(Clone, Debug)]
pub struct Secret(SecretSlice<u8>);

impl FromStr for Secret {
    type Err = ();

    /// Fails on a blank one: an empty key would let anybody sign. One that is no base64 is its own
    /// key, as senders other than Svix's own service have it.
    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text).trim();
        let key = BASE64.decode(encoded).unwrap_or_else(|_| encoded.into());
        if key.is_empty() { Err(()) } else { Ok(Self(key.into())) }
    }
}

/// Checks a webhook's headers and raw body against all `secrets`, now by the machine's clock;
/// answers the id of the message, which stays the same however often it is delivered.
///
/// # Errors
/// See [`SvixError`].
pub fn verify(headers: &HeaderMap, body: &[u8], secrets: &[Secret]) -> Result<String, SvixError> {
    verify_at(headers, body, secrets, Clock::system().now().as_secs())
}

fn verify_at(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    now: i64,
) -> Result<String, SvixError> {
    let header = |name: &str| {
        let value = headers.get(format!("svix-{name}"));
        value.or_else(|| headers.get(format!("webhook-{name}")))?.to_str().ok()
    };
    let (Some(id), Some(at), Some(given)) =
        (header("id"), header("timestamp"), header("signature"))
    else {
        return Err(SvixError::Malformed);
    };
    let seconds: i64 = at.parse().map_err(|_| SvixError::Malformed)?;
    if id.is_empty() || id.len() > LONGEST_ID {
        return Err(SvixError::Malformed);
    }
    let given: Vec<Vec<u8>> =
        given.split(' ').filter_map(|one| BASE64.decode(one.strip_prefix("v1,")?).ok()).collect();
    // Every pair is compared, so that the time taken says nothing about which one matched. The body
    // is read once a secret, however many signatures the header brings: anybody may send those.
    let mut matched = false;
    for mac in secrets.iter().filter_map(|secret| signed(secret, id, at, body)) {
        for signature in &given {
            matched |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !matched {
        return Err(SvixError::Mismatch);
    }
    if now.saturating_sub(seconds).unsigned_abs() > TOLERANCE_SECS.unsigned_abs() {
        return Err(SvixError::OutOfTolerance);
    }
    Ok(id.to_owned())
}

fn signed(secret: &Secret, id: &str, at: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.0.expose_secret()).ok()?;
    for part in [id.as_bytes(), b".", at.as_bytes(), b".", body] {
        mac.update(part);
    }
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    const NOW: i64 = 1_731_705_121;
    const ID: &str = "msg_loFOjxBNrRLzqYUf";
    const BODY: &[u8] = br#"{"event_type":"ping","data":{"success":true}}"#;
    /// Svix's own example.
    const SECRET: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl";
    const SIGNATURE: &str = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=";

    fn secrets(texts: &[&str]) -> Vec<Secret> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn headers(prefix: &str, id: &str, at: &str, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [("id", id), ("timestamp", at), ("signature", signature)] {
            let name: HeaderName = format!("{prefix}-{name}").parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    fn asked(signature: &str, secrets: &[Secret], now: i64) -> Result<String, SvixError> {
        verify_at(&headers("svix", ID, &NOW.to_string(), signature), BODY, secrets, now)
    }

    fn sign(secret: &str, at: i64) -> String {
        let mac = signed(&secret.parse().unwrap(), ID, &at.to_string(), BODY).unwrap();
        format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()))
    }

    #[test]
    fn svixs_own_example_is_accepted_under_both_names_of_the_headers() {
        for prefix in ["svix", "webhook"] {
            let headers = headers(prefix, ID, &NOW.to_string(), SIGNATURE);
            let verified = verify_at(&headers, BODY, &secrets(&[SECRET]), NOW);
            assert_eq!(verified.as_deref(), Ok(ID), "{prefix}");
        }
    }

    #[test]
    fn id_time_and_body_are_all_signed() {
        let (known, at) = (secrets(&[SECRET]), NOW.to_string());
        let later = (NOW + 1).to_string();
        for (id, at, body) in [
            ("msg_other", at.as_str(), BODY),
            (ID, later.as_str(), BODY),
            (ID, at.as_str(), &b"{}"[..]),
        ] {
            let headers = headers("svix", id, at, SIGNATURE);
            assert_eq!(verify_at(&headers, body, &known, NOW), Err(SvixError::Mismatch));
        }
    }

    #[test]
    fn any_signature_may_match_and_any_secret() {
        let rotating = format!("{} {} v1a,xx v2,{}", sign("b2xk", NOW), sign("bmV3", NOW), "AAAA");
        for known in [&["bmV3"][..], &["whsec_b2xk"], &["b3RoZXI=", "bmV3"]] {
            assert!(asked(&rotating, &secrets(known), NOW).is_ok());
        }
        let other = asked(&rotating, &secrets(&["b3RoZXI="]), NOW);
        assert_eq!(other, Err(SvixError::Mismatch));
        assert_eq!(asked(SIGNATURE, &[], NOW), Err(SvixError::Mismatch));
    }

    #[test]
    fn only_v1_is_a_signature() {
        let bare = SIGNATURE.trim_start_matches("v1,");
        for text in [bare.to_owned(), format!("v0,{bare}"), format!("v1a,{bare}"), String::new()] {
            assert_eq!(asked(&text, &secrets(&[SECRET]), NOW), Err(SvixError::Mismatch), "{text}");
        }
    }

    #[test]
    fn five_minutes_either_way_and_not_a_second_more() {
        for (age, fine) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            let verified = asked(SIGNATURE, &secrets(&[SECRET]), NOW + age);
            assert_eq!(verified.is_ok(), fine, "{age}");
        }
    }

    #[test]
    fn a_blank_secret_is_none_and_what_is_no_base64_is_its_own_key() {
        for text in ["", "  ", "whsec_", "whsec_ ", "\t"] {
            assert!(text.parse::<Secret>().is_err(), "{text:?}");
        }
        for (one, other) in [("whsec_b2xk", "b2xk"), ("b2xkZQ", "b2xkZQ=="), ("a-b", " whsec_a-b")]
        {
            assert!(asked(&sign(one, NOW), &secrets(&[other]), NOW).is_ok(), "{one}");
        }
        assert!(!format!("{:?}", SECRET.parse::<Secret>()).contains("plJ3"));
    }

    #[test]
    fn garbage_is_refused_quietly() {
        let known = secrets(&[SECRET]);
        let (at, long) = (NOW.to_string(), "x".repeat(LONGEST_ID + 1));
        for (id, at) in [("", at.as_str()), (&long, &at), (ID, ""), (ID, "x"), (ID, "1e9")] {
            let refused = verify_at(&headers("svix", id, at, SIGNATURE), BODY, &known, NOW);
            assert_eq!(refused, Err(SvixError::Malformed), "{id} {at}");
        }
        for missing in ["svix-id", "svix-timestamp", "svix-signature"] {
            let mut some = headers("svix", ID, &at, SIGNATURE);
            some.remove(missing);
            assert_eq!(verify_at(&some, BODY, &known, NOW), Err(SvixError::Malformed));
        }
    }
}
