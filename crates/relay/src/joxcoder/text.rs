//! A piece of text as JSON may carry it: a server that cuts its text between UTF-16 units sends half a
//! character at the end of one piece (`"\ud83e"`) and the other half at the beginning of the next,
//! and neither is text by itself.

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;

/// The bytes of a JSON string, lone halves being encoded as if they were characters (WTF-8).
#[derive(Debug)]
pub(super) struct Text<'a>(Cow<'a, [u8]>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_bytes<E: Error>(self, bytes: &'de [u8]) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(bytes)))
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(bytes.to_vec())))
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

impl Text<'_> {
    /// Adds it to `text`. `half` is what the piece before has left, and then what this one leaves; a
    /// half that the other does not follow becomes U+FFFD.
    pub(super) fn append_to(&self, text: &mut String, half: &mut Option<u16>) {
        match str::from_utf8(&self.0) {
            Ok(whole) if half.is_none() => text.push_str(whole),
            // An empty piece says nothing of what follows.
            Ok("") => {}
            _ => self.append_halves(text, half),
        }
    }

    fn append_halves(&self, text: &mut String, half: &mut Option<u16>) {
        let mut units = Vec::from_iter(half.take());
        let mut rest = &*self.0;
        // No other character has such a beginning.
        let is_half = |bytes: &[u8]| bytes[0] == 0xED && bytes[1] >= 0xA0;
        while let Some(at) = rest.windows(3).position(is_half) {
            units.extend(String::from_utf8_lossy(&rest[..at]).encode_utf16());
            let [high, low] = [rest[at + 1], rest[at + 2]].map(|byte| u16::from(byte & 0x3F));
            units.push(0xD000 | high << 6 | low);
            rest = &rest[at + 3..];
        }
        units.extend(String::from_utf8_lossy(rest).encode_utf16());
        *half = units.pop_if(|last| (0xD800..0xDC00).contains(last));
        text.push_str(&String::from_utf16_lossy(&units));
    }
}
