//! Time as the sandbox tells it: the machine's, plus what a test has moved it forward by.
//!
//! Each twin is given a clock of its own choosing. Stripe's is usually moved by itself, so that
//! periods end while the access tokens that Clerk issues stay valid on the relay's own clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that can be moved forward. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Unix milliseconds, UTC.
    #[must_use]
    pub fn now(&self) -> i64 {
        let machine = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis);
        machine.saturating_add(self.ahead_ms.load(Ordering::SeqCst))
    }

    /// Unix seconds, UTC: what JWTs and Stripe objects carry.
    #[must_use]
    pub fn now_secs(&self) -> i64 {
        self.now().div_euclid(1000)
    }

    /// How far it has been moved.
    #[must_use]
    pub fn ahead(&self) -> Duration {
        let ahead = self.ahead_ms.load(Ordering::SeqCst);
        Duration::from_millis(u64::try_from(ahead).unwrap_or(0))
    }

    /// Moves the time forward.
    pub fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(millis(by), Ordering::SeqCst);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_move_together() {
        let clock = Clock::new();
        let twin = clock.clone();
        let before = twin.now();
        clock.advance(Duration::from_secs(3600));
        assert!(twin.now() >= before + 3_600_000);
    }
}
