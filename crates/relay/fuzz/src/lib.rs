//! What must hold of whatever strangers send, as functions of bytes that panic when it does not.
//!
//! libFuzzer drives them from `fuzz_targets/`, a runner without a special compiler from
//! `tests/fuzz`, which has this very file as a module.

use autocrea_protocol::sse::{Decoder, Frame};
use autocrea_relay::auth::token::{self, Expected};
use autocrea_relay::joxcoder::{AnswerReader, Batch};
use autocrea_relay::stripe::envelope::Envelope;
use autocrea_relay::{stripe, svix};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::DecodingKey;
use sha2::Sha256;

/// The secret, and the second, for which the seeds are signed.
pub const SECRET: &str = "whsec_fuzz";
/// See [`SECRET`].
pub const NOW: i64 = 1_790_000_000;

/// A good access token, whose key nobody has kept.
pub const TOKEN: &str = include_str!("../seeds/token/good");
const ISSUER: &str = "https://clerk.example.org";
const CLIENT: &str = "client_fuzz";
const KEY_X: &str = "Iik-z4UEYjCN0jw1GlyKI0R43zmisOsPzUMZx6pOIG0";
const KEY_Y: &str = "KfEVZ6uT-ZZ_xepgYwB5JG7Tb7WclCO8TSY7St1ccr4";

fn in_two(data: &[u8]) -> (&[u8], &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (head, rest) = data.split_at(at);
    (head, rest.get(1..).unwrap_or_default())
}

/// The first line is `Stripe-Signature`, the rest the body: nothing passes that does not carry the
/// signature of that body at a time within the tolerance.
pub fn signature(data: &[u8]) {
    let (header, body) = in_two(data);
    let Ok(header) = std::str::from_utf8(header) else { return };
    if stripe::signature::verify(Some(header), body, &[SECRET], NOW).is_err() {
        return;
    }
    let within = |at: &str| {
        at.parse().is_ok_and(|at: i64| (at - NOW).abs() <= stripe::signature::TOLERANCE_SECS)
    };
    let times: Vec<&str> =
        header.split(',').filter_map(|part| part.trim().strip_prefix("t=")).collect();
    let signed = times.iter().filter(|at| within(at)).any(|at| {
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
        mac.update(at.as_bytes());
        mac.update(b".");
        mac.update(body);
        let wanted = hex::encode(mac.finalize().into_bytes());
        header.to_ascii_lowercase().contains(&format!("v1={wanted}"))
    });
    assert!(signed, "passed: {header}");
}

/// Three lines are Svix's headers, the rest the body: nobody has the secret, so nothing passes.
pub fn svix(data: &[u8]) {
    let (mut headers, mut rest) = (HeaderMap::new(), data);
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        let (value, after) = in_two(rest);
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(name, value);
        }
        rest = after;
    }
    let Ok(secret) = "whsec_bm9ib2R5IGhhcyBpdA==".parse() else { return };
    assert!(svix::verify(&headers, rest, &[secret]).is_err());
}

/// A webhook's body is an event or is not, and one that is has what the inbox needs.
pub fn envelope(data: &[u8]) {
    let Ok(event) = Envelope::read(data) else { return };
    assert!(!event.id.is_empty() && !event.kind.is_empty());
    assert_eq!(Envelope::read(data).as_ref(), Ok(&event));
}

/// Whom a token lets in.
pub fn let_in(text: &str) -> Option<String> {
    let asked = token::examine(text).ok()?;
    let key = DecodingKey::from_ec_components(KEY_X, KEY_Y).expect("a key");
    let expected = Expected { issuer: ISSUER, client_id: CLIENT };
    token::subject(text, &asked, &key, expected).ok().map(|good| good.user.as_str().to_owned())
}

/// No access token but the one that was signed lets anybody in.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(text == TOKEN || let_in(text).is_none(), "let in: {text}");
}

/// The first byte says where the rest is cut in two.
fn cut(data: &[u8]) -> Option<[&[u8]; 3]> {
    let (first, rest) = data.split_first()?;
    let at = usize::from(*first).min(rest.len());
    let (left, right) = rest.split_at(at);
    Some([rest, left, right])
}

/// A model's answer reads the same however the network cuts it.
pub fn answer(data: &[u8]) {
    let Some([whole, left, right]) = cut(data) else { return };
    let read = |parts: &[&[u8]]| {
        let (mut reader, mut batch) = (AnswerReader::default(), Batch::default());
        let fine = parts.iter().all(|part| reader.push(part, &mut batch).is_ok());
        (fine, batch, *reader.ending())
    };
    assert_eq!(read(&[whole]), read(&[left, right]));
}

/// So do server-sent events, and none is larger than allowed.
pub fn sse(data: &[u8]) {
    const LIMIT: usize = 256;
    let Some([whole, left, right]) = cut(data) else { return };
    let read = |parts: &[&[u8]]| {
        let (mut decoder, mut frames) = (Decoder::new(LIMIT), Vec::<Frame>::new());
        let fine = parts.iter().all(|part| decoder.push(part, &mut frames).is_ok());
        (fine, frames)
    };
    let (fine, frames) = read(&[whole]);
    assert!(frames.iter().all(|frame| frame.data.len() <= LIMIT));
    assert_eq!((fine, frames), read(&[left, right]));
}
