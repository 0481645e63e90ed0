//! The parser never panics, and reads the same however its input is cut.
//!
//! The first byte is the length of the first part; the rest is the output. The nonce is fixed and
//! in the dictionary of markers that libFuzzer finds by comparing.
#![no_main]

use autocrea_studio::parser::{Parsed, Parser};
use libfuzzer_sys::fuzz_target;

const NONCE: &str = "n0";

fn parsed(parts: &[&str]) -> Parsed {
    let mut parser = Parser::new(NONCE);
    for part in parts {
        parser.push(part);
    }
    let mut parsed = parser.finish();
    parsed.last_pieces.clear();
    parsed
}

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let Ok(output) = std::str::from_utf8(rest) else { return };
    let mut at = usize::from(*first).min(output.len());
    while !output.is_char_boundary(at) {
        at -= 1;
    }
    let (left, right) = output.split_at(at);
    assert_eq!(parsed(&[left, right]), parsed(&[output]));
});
