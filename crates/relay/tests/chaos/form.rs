//! How long a test goes on, and where its chances come from.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The long form is for `cargo xtask test --long`, the short one for every day.
pub fn in_form<T>(short: T, long: T) -> T {
    let is_long = std::env::var("RELAY_TEST_LONG").is_ok_and(|it| it == "1");
    if is_long { long } else { short }
}

/// Chances that can be had again: `RELAY_TEST_SEED` repeats a run's choices, though not how the
/// machine's threads fell in with them.
pub struct Chances(AtomicU64);

impl Chances {
    /// Those of a test, whose seed is printed.
    pub fn of(test: &str) -> Self {
        let given = std::env::var("RELAY_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a sane clock");
            u64::try_from(since.as_micros()).expect("this century")
        });
        println!("{test}: RELAY_TEST_SEED={seed}");
        Self(AtomicU64::new(seed))
    }

    /// Those of a part of the test, its own from here on.
    pub fn part(&self) -> Self {
        Self(AtomicU64::new(self.any()))
    }

    /// Any number (Steele's and Vigna's SplitMix64).
    pub fn any(&self) -> u64 {
        let mut word = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `end`.
    pub fn below(&self, end: u64) -> u64 {
        self.any() % end
    }

    /// True once in so many times.
    pub fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of several.
    pub fn of_these<'a, T>(&self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.any() >> 33).expect("31 bits") % all.len()]
    }

    /// Waits for some milliseconds, of `from` to `to`: chance is what is wanted here.
    pub async fn pause(&self, from: u64, to: u64) {
        let millis = from + self.below(to - from);
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
    }
}
