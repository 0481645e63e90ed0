//! The fuzz targets without a fuzzer: each runs over its seeds, and over what chance makes of them,
//! for a moment. `cargo xtask fuzz` lets libFuzzer have them for a minute each.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "../../fuzz/src/lib.rs"]
mod properties;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long chance has for each.
const MOMENT: Duration = Duration::from_secs(1);
const MOST_BYTES: usize = 4_096;

/// What means something to one of them.
const WORDS: [&[u8]; 14] = [
    b"t=",
    b",v1=",
    b"v1,",
    b"data: ",
    b"event: ",
    b"id: ",
    b"\r\n",
    b"\n\n",
    b"[DONE]",
    b"{",
    b"}",
    b"\"choices\":[",
    b".",
    b"\xef\xbb\xbf",
];

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let listed = std::fs::read_dir(folder).expect("seeds");
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("a seed")).collect()
}

/// Steele's and Vigna's SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((word ^ (word >> 31)) >> 33).expect("31 bits") % end.max(1)
    }

    /// One change: a bit, a byte, a word, something left out, repeated, or taken from elsewhere.
    fn change(&mut self, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
        let at = self.below(bytes.len() + 1);
        let until = (at + self.below(24)).min(bytes.len());
        match self.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 => bytes.insert(at, u8::try_from(self.below(256)).expect("a byte")),
            2 => drop(bytes.drain(at..until)),
            3 => drop(bytes.splice(at..at, bytes[at..until].to_vec())),
            4 => drop(bytes.splice(at..at, WORDS[self.below(WORDS.len())].iter().copied())),
            _ => {
                let other = &others[self.below(others.len())];
                let from = self.below(other.len() + 1);
                drop(bytes.splice(at.., other[from..].iter().copied()));
            }
        }
        bytes.truncate(MOST_BYTES);
    }
}

fn run(target: &str, property: fn(&[u8])) {
    let mut pool = seeds(target);
    pool.iter().for_each(|seed| property(seed));
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a sane clock");
    let seed = u64::try_from(since.as_micros()).expect("this century");
    println!("{target}: seed {seed}");
    let (mut chance, until) = (Chance(seed), Instant::now() + MOMENT);
    let kept = pool.len();
    while Instant::now() < until {
        let mut bytes = pool[chance.below(pool.len())].clone();
        for _ in 0..=chance.below(8) {
            chance.change(&mut bytes, &pool);
        }
        if std::panic::catch_unwind(|| property(&bytes)).is_err() {
            panic!("{target} does not hold for {:?}", String::from_utf8_lossy(&bytes));
        }
        // Some changes are gone on from.
        if pool.len() < kept + 256 {
            pool.push(bytes);
        } else {
            let at = kept + chance.below(256);
            pool[at] = bytes;
        }
    }
}

#[test]
fn no_webhook_passes_that_is_not_signed() {
    run("signature", properties::signature);
    run("svix", properties::svix);
}

#[test]
fn any_body_is_an_event_or_is_not() {
    run("envelope", properties::envelope);
}

#[test]
fn no_token_but_the_good_one_opens() {
    assert_eq!(properties::let_in(properties::TOKEN).as_deref(), Some("user_fuzz"));
    run("token", properties::token);
}

#[test]
fn answers_and_events_read_the_same_however_they_are_cut() {
    run("answer", properties::answer);
    run("sse", properties::sse);
}
