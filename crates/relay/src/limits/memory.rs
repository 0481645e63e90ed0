//! Buckets in this process's memory.
//!
//! A bucket that is full again is forgotten.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

pub(super) struct Buckets<K> {
    per_minute: u32,
    known: Mutex<Known<K>>,
}

struct Known<K> {
    buckets: HashMap<K, Bucket>,
    tidied: Instant,
}

#[derive(Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// With more buckets than this, those that are full again are forgotten, at most once a second: a
/// flood of addresses must not make each request look at all of them.
const FORGET_ABOVE: usize = 10_000;
const TIDY_EVERY: Duration = Duration::from_secs(1);

impl<K: Hash + Eq + Clone> Buckets<K> {
    pub(super) fn new(per_minute: u32) -> Self {
        let known = Known { buckets: HashMap::new(), tidied: Instant::now() };
        Self { per_minute, known: Mutex::new(known) }
    }

    pub(super) const fn per_minute(&self) -> u32 {
        self.per_minute
    }

    /// Takes one; or says in how many seconds there will be one.
    pub(super) fn take(&self, key: &K, now: Instant) -> Result<(), u64> {
        if self.per_minute == 0 {
            return Ok(());
        }
        let full = f64::from(self.per_minute);
        let per_second = full / 60.0;
        let refilled = |bucket: &Bucket| {
            let since = now.saturating_duration_since(bucket.at);
            (bucket.tokens + since.as_secs_f64() * per_second).min(full)
        };
        let mut known = self.known.lock();
        if known.buckets.len() >= FORGET_ABOVE && now.duration_since(known.tidied) >= TIDY_EVERY {
            known.buckets.retain(|_, bucket| refilled(bucket) < full);
            known.tidied = now;
        }
        let bucket = known.buckets.entry(key.clone()).or_insert(Bucket { tokens: full, at: now });
        let tokens = refilled(bucket);
        if tokens >= 1.0 {
            *bucket = Bucket { tokens: tokens - 1.0, at: now };
            return Ok(());
        }
        *bucket = Bucket { tokens, at: now };
        let wait = Duration::from_secs_f64((1.0 - tokens) / per_second);
        Err(wait.as_secs() + 1)
    }

    /// Gives one back. A bucket that has been forgotten is full.
    pub(super) fn put_back(&self, key: &K) {
        if let Some(bucket) = self.known.lock().buckets.get_mut(key) {
            bucket.tokens = (bucket.tokens + 1.0).min(f64::from(self.per_minute));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_after_the_last_is_refused_until_time_has_passed() {
        let (buckets, start) = (Buckets::new(2), Instant::now());
        assert!(buckets.take(&"ana", start).is_ok() && buckets.take(&"ana", start).is_ok());
        assert_eq!(buckets.take(&"ana", start), Err(30 + 1));
        assert!(buckets.take(&"luis", start).is_ok());
        let later = start + Duration::from_secs(30);
        assert!(buckets.take(&"ana", later).is_ok());
        assert!(buckets.take(&"ana", later).is_err());
    }

    #[test]
    fn a_flood_of_addresses_is_forgotten_again() {
        let (buckets, start) = (Buckets::new(60), Instant::now());
        for address in 0..FORGET_ABOVE {
            assert!(buckets.take(&address, start).is_ok());
        }
        let later = start + Duration::from_secs(90);
        assert!(buckets.take(&usize::MAX, later).is_ok());
        assert_eq!(buckets.known.lock().buckets.len(), 1);
    }
}
