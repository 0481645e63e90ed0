//! Raw events as the inbox keeps them: packed. Stripe's JSON is mostly names that come again and
//! again; packed it is a fraction to write, to sync and to keep for three months, and that fraction
//! takes a few millionths of a second to make.

use bytes::Bytes;

/// What a packed body begins with; no JSON does.
const LZ4: u8 = 1;

/// A packed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed(Bytes);

/// Bytes that were packed and are not what they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a kept event cannot be unpacked")]
pub struct Damaged;

impl Packed {
    /// Packs a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let mut packed = vec![LZ4];
        packed.extend(lz4_flex::compress_prepend_size(body));
        Self(packed.into())
    }

    /// As they are kept.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The body of what is kept. What an earlier version has kept was not packed.
///
/// # Errors
/// [`Damaged`].
pub fn unpack(kept: &[u8]) -> Result<Vec<u8>, Damaged> {
    match kept.split_first() {
        Some((&LZ4, packed)) => lz4_flex::decompress_size_prepended(packed).map_err(|_| Damaged),
        _ => Ok(kept.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_come_again_take_no_room() {
        let body = r#"{"object":"line_item","currency":"usd","metadata":{}},"#.repeat(90);
        assert!(Packed::of(body.as_bytes()).bytes().len() < body.len() / 10);
    }

    #[test]
    fn what_was_not_packed_stands_and_what_is_damaged_is_said_to_be() {
        assert_eq!(unpack(b"{}"), Ok(b"{}".to_vec()));
        for kept in [&b"\x01"[..], b"\x01\xff\x0f\x00\x00x"] {
            assert_eq!(unpack(kept), Err(Damaged));
        }
    }

    proptest! {
        #[test]
        fn any_body_comes_out_as_it_went_in(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(unpack(Packed::of(&body).bytes()), Ok(body));
        }
    }
}
