//! Reading a request to generate, and the hash that tells two of them apart.
//!
//! Each field is read by itself, so that whoever sent a wrong one is told which. What is kept of the
//! payload is a keyed hash of what was understood, not of the bytes: the same request written with
//! other white space or another order of keys is the same request.

use crate::config::Config;
use autocrea_protocol::generation::{Content, GenerateRequest, Message, Part};
use autocrea_protocol::{GenerationId, Tokens};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use sha2::Sha256;

/// What is allowed.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Text of one message, in bytes.
    pub max_prompt_bytes: u64,
    /// Whether messages may carry images.
    pub images: bool,
}

impl Bounds {
    /// As configured.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            max_prompt_bytes: config.generation.max_prompt_bytes,
            images: config.joxcoder.images,
        }
    }
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// This field is missing or not what it must be.
    #[error("the field `{0}` is missing or wrong")]
    Field(&'static str),
    /// A message has too much text.
    #[error("a message has too much text")]
    TooLarge,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    #[serde(borrow)]
    generation_id: Option<&'a RawValue>,
    #[serde(borrow)]
    role: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    max_output_tokens: Option<&'a RawValue>,
}

fn field<T: DeserializeOwned>(
    raw: Option<&RawValue>,
    name: &'static str,
) -> Result<T, RequestError> {
    // A field that is not there reads as null, which some fields allow.
    let text = raw.map_or("null", RawValue::get);
    serde_json::from_str(text).map_err(|_| RequestError::Field(name))
}

/// Reads a body.
///
/// # Errors
/// [`RequestError`], with the first field that is wrong.
pub fn read(body: &[u8], bounds: Bounds) -> Result<GenerateRequest, RequestError> {
    // serde would take an array of four for an object.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(RequestError::Field("body"));
    }
    let fields: Fields<'_> =
        serde_json::from_slice(body).map_err(|_| RequestError::Field("body"))?;
    let generation_id: GenerationId = field(fields.generation_id, "generationId")?;
    let role: String = field(fields.role, "role")?;
    let messages = messages(fields.messages)?;
    let max_output_tokens = max_output_tokens(fields.max_output_tokens)?;
    if !is_role(&role) {
        return Err(RequestError::Field("role"));
    }
    check_messages(&messages, bounds)?;
    Ok(GenerateRequest { generation_id, role, messages, max_output_tokens })
}

/// Messages, each an object: serde would take an array of its fields' values for one too.
///
/// # Errors
/// [`RequestError::Field`].
pub fn messages(raw: Option<&RawValue>) -> Result<Vec<Message>, RequestError> {
    let wrong = RequestError::Field("messages");
    let each: Vec<&RawValue> =
        serde_json::from_str(raw.map_or("null", RawValue::get)).map_err(|_| wrong)?;
    let read = |one: &RawValue| {
        let is_object = one.get().starts_with('{');
        is_object.then(|| serde_json::from_str(one.get()).ok()).flatten().ok_or(wrong)
    };
    each.into_iter().map(read).collect()
}

/// A wish for output, if there is one: more than zero. However large a whole number is, there is a
/// ceiling that it is clamped to.
///
/// # Errors
/// [`RequestError::Field`].
pub fn max_output_tokens(raw: Option<&RawValue>) -> Result<Option<Tokens>, RequestError> {
    let name = "maxOutputTokens";
    let digits = raw.map(RawValue::get).filter(|raw| raw.bytes().all(|it| it.is_ascii_digit()));
    let wanted = match digits {
        Some(digits) => Some(Tokens(digits.parse().unwrap_or(i64::MAX))),
        None => field(raw, name)?,
    };
    match wanted {
        Some(wanted) if wanted <= Tokens::ZERO => Err(RequestError::Field(name)),
        wanted => Ok(wanted),
    }
}

fn is_role(role: &str) -> bool {
    (1..=64).contains(&role.len())
        && role.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// Checks messages, which `POST /api/tokens/validate` takes too.
///
/// # Errors
/// [`RequestError`].
pub fn check_messages(messages: &[Message], bounds: Bounds) -> Result<(), RequestError> {
    let mut says_something = false;
    for message in messages {
        let bytes: usize = message.content.texts().map(str::len).sum();
        if u64::try_from(bytes).unwrap_or(u64::MAX) > bounds.max_prompt_bytes {
            return Err(RequestError::TooLarge);
        }
        let images = images_of(&message.content);
        if !images.is_empty() && !bounds.images {
            return Err(RequestError::Field("messages"));
        }
        if images.iter().any(|url| !url.starts_with("data:image/")) {
            return Err(RequestError::Field("messages"));
        }
        let has_text = message.content.texts().any(|text| !text.trim().is_empty());
        says_something |= has_text || !images.is_empty();
    }
    if says_something { Ok(()) } else { Err(RequestError::Field("messages")) }
}

fn images_of(content: &Content) -> Vec<&str> {
    let Content::Parts(parts) = content else { return Vec::new() };
    let images = parts.iter().filter_map(|part| match part {
        Part::ImageUrl { image_url } => Some(image_url.url.as_str()),
        Part::Text { .. } => None,
    });
    images.collect()
}

/// The key of payload hashes, of the hash's own block size.
pub struct HashKey(pub [u8; 64]);

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey")
    }
}

/// The keyed hash of a request's payload: role, messages and the output wanted.
#[must_use]
pub fn payload_hash(key: &HashKey, request: &GenerateRequest) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new((&key.0).into());
    let payload = (&request.role, &request.messages, &request.max_output_tokens);
    // Text and numbers only, written into the hash: this has no way to fail.
    serde_json::to_writer(Hashing(&mut mac), &payload).ok();
    mac.finalize().into_bytes().into()
}

struct Hashing<'a>(&'a mut Hmac<Sha256>);

impl std::io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads a `Last-Event-ID`: digits only. One beyond all numbers is past every end.
#[must_use]
pub fn last_event_id(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const BOUNDS: Bounds = Bounds { max_prompt_bytes: 100, images: false };

    fn good() -> Value {
        json!({
            "generationId": "0190A5B0-0000-7000-8000-000000000001", "role": "fullstack",
            "messages": [{ "role": "user", "content": "hola" }],
        })
    }

    fn with(name: &str, value: Value) -> Result<GenerateRequest, RequestError> {
        let mut body = good();
        body[name] = value;
        read(body.to_string().as_bytes(), BOUNDS)
    }

    #[test]
    fn a_good_request_is_read_and_its_id_normalised() {
        let request = read(good().to_string().as_bytes(), BOUNDS).expect("good");
        assert_eq!(request.generation_id.to_string(), "0190a5b0-0000-7000-8000-000000000001");
        assert_eq!(request.max_output_tokens, None);
        assert!(with("maxOutputTokens", json!(null)).is_ok());
    }

    #[test]
    fn however_much_output_is_wished_for_is_a_wish() {
        for digits in ["9223372036854775807", "9223372036854775808", "1000000000000000000000000"] {
            let body = good().to_string();
            let body = format!("{},\"maxOutputTokens\":{digits}}}", body.trim_end_matches('}'));
            let request = read(body.as_bytes(), BOUNDS).expect("good");
            assert_eq!(request.max_output_tokens, Some(Tokens(i64::MAX)), "{digits}");
        }
    }

    #[test]
    fn whatever_is_wrong_is_named() {
        let cases = [
            ("generationId", json!("no")),
            ("generationId", json!(null)),
            ("role", json!("Full Stack")),
            ("role", json!("")),
            ("role", json!("x".repeat(65))),
            ("messages", json!([])),
            ("messages", json!("hola")),
            ("messages", json!([{ "role": "user", "content": "   " }])),
            ("messages", json!([{ "role": "tool", "content": "x" }])),
            ("messages", json!([["user", "hola"]])),
            (
                "messages",
                json!([{ "role": "user", "content": [
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,AA" } }] }]),
            ),
            ("maxOutputTokens", json!(0)),
            ("maxOutputTokens", json!(-1)),
            ("maxOutputTokens", json!(1.5)),
            ("maxOutputTokens", json!("300")),
        ];
        for (name, value) in cases {
            assert_eq!(with(name, value.clone()).err(), Some(RequestError::Field(name)), "{value}");
        }
        for body in
            ["", "[\"0190a5b0-0000-7000-8000-000000000001\",\"qa\",[],null]", "{", "null", "\u{0}"]
        {
            assert_eq!(read(body.as_bytes(), BOUNDS).err(), Some(RequestError::Field("body")));
        }
    }

    #[test]
    fn a_message_with_too_much_text_is_too_large_even_in_parts() {
        let long = json!([{ "role": "user", "content": "x".repeat(101) }]);
        assert_eq!(with("messages", long).err(), Some(RequestError::TooLarge));
        let part = json!({ "type": "text", "text": "x".repeat(51) });
        let parts = json!([{ "role": "user", "content": [part, part] }]);
        assert_eq!(with("messages", parts).err(), Some(RequestError::TooLarge));
    }

    #[test]
    fn images_must_be_carried_along_and_not_fetched() {
        let bounds = Bounds { images: true, ..BOUNDS };
        let with_image = |url: &str| {
            let mut body = good();
            body["messages"] = json!([{ "role": "user", "content": [
                { "type": "image_url", "image_url": { "url": url } }] }]);
            read(body.to_string().as_bytes(), bounds)
        };
        assert!(with_image("data:image/png;base64,AA").is_ok());
        assert!(with_image("https://example.com/x.png").is_err());
    }

    #[test]
    fn the_hash_is_of_what_was_understood() {
        let hash = |body: &str| {
            payload_hash(&HashKey([7; 64]), &read(body.as_bytes(), BOUNDS).expect("good"))
        };
        let plain = good().to_string();
        let spaced = plain.replace(':', " : ");
        assert_eq!(hash(&plain), hash(&spaced));
        assert_ne!(hash(&plain), hash(&plain.replace("hola", "adiós")));
        assert_ne!(hash(&plain), hash(&plain.replace("fullstack", "qa")));
        let request = read(plain.as_bytes(), BOUNDS).expect("good");
        assert_ne!(
            payload_hash(&HashKey([7; 64]), &request),
            payload_hash(&HashKey([8; 64]), &request)
        );
    }

    #[test]
    fn a_last_event_id_is_digits_and_may_be_past_everything() {
        assert_eq!(last_event_id("0"), Some(0));
        assert_eq!(last_event_id("17"), Some(17));
        assert_eq!(last_event_id("99999999999999999999999"), Some(u64::MAX));
        for bad in ["", "-1", "+1", "1.0", " 1", "x", "١"] {
            assert_eq!(last_event_id(bad), None, "{bad:?}");
        }
    }
}
