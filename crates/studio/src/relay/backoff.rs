//! How long to wait before trying again: doubling, bounded, and never in step with others.

use std::time::Duration;

/// A doubling pause with full jitter between half of it and all of it.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
}

impl Backoff {
    /// Starts at about `first` and never waits longer than `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, tries: 0 }
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX));
        self.tries = self.tries.saturating_add(1).min(20);
        let whole = doubled.min(self.most);
        whole / 2 + whole.mul_f64(share() / 2.0)
    }

    /// It worked: the next trouble starts from the beginning.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

/// A number from 0 to 1. Without the system's randomness (it does not happen) pauses are merely
/// in step.
fn share() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_its_bound_and_is_never_shorter_than_half() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for expected in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.pause();
            assert!(pause >= Duration::from_millis(expected / 2), "{pause:?} for {expected}");
            assert!(pause <= Duration::from_millis(expected), "{pause:?} for {expected}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(100));
    }

    #[test]
    fn a_pause_stays_bounded_after_any_number_of_tries() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        for _ in 0..200 {
            assert!(backoff.pause() <= Duration::from_secs(30));
        }
    }
}
