//! The process's clock.
//!
//! Everything that the relay dates or waits for asks this clock, so that a test can let a month
//! pass. Not here: the validity of access tokens and of Svix's signatures, which are measured by the
//! wall clock of the machine whatever a test pretends.

use autocrea_protocol::UnixMillis;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// A clock that shows the system's time, moved by an offset that is zero outside tests.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_millis: Arc<AtomicI64>,
}

impl Clock {
    /// The system's time.
    #[must_use]
    pub fn system() -> Self {
        Self::default()
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        UnixMillis(millis).plus_millis(self.offset_millis.load(Ordering::Relaxed))
    }

    /// Moves this clock, and every clone of it, into the future.
    pub fn advance(&self, by: Duration) {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.offset_millis.fetch_add(millis, Ordering::Relaxed);
    }

    /// Moves this clock, and every clone of it, so that it shows `at` now.
    pub fn set(&self, at: UnixMillis) {
        let difference = at.millis_since(self.now());
        self.offset_millis.fetch_add(difference, Ordering::Relaxed);
    }
}

fn utc(at: UnixMillis) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.as_secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The calendar month of an instant, `YYYY-MM`, UTC.
#[must_use]
pub fn month_of(at: UnixMillis) -> String {
    let date = utc(at);
    format!("{:04}-{:02}", date.year(), u8::from(date.month()))
}

/// The first instant of the calendar month of `at`, UTC.
#[must_use]
pub fn month_start(at: UnixMillis) -> UnixMillis {
    let date = utc(at);
    let first = date.replace_day(1).unwrap_or(date).replace_time(time::Time::MIDNIGHT);
    UnixMillis::from_secs(first.unix_timestamp())
}

/// The first instant after the calendar month of `at`, UTC.
#[must_use]
pub fn month_end(at: UnixMillis) -> UnixMillis {
    const THIRTY_TWO_DAYS: i64 = 32 * 24 * 3_600_000;
    month_start(month_start(at).plus_millis(THIRTY_TWO_DAYS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let december = UnixMillis(1_798_675_199_999); // 2026-12-30T23:59:59.999Z
        assert_eq!(month_of(december), "2026-12");
        assert_eq!(month_of(month_end(december)), "2027-01");
        assert_eq!(month_of(month_end(december).plus_millis(-1)), "2026-12");
        assert_eq!(month_start(month_end(december)), month_end(december));
    }

    #[test]
    fn every_clone_of_a_moved_clock_has_moved() {
        let clock = Clock::system();
        let clone = clock.clone();
        let before = clone.now();
        clock.advance(Duration::from_secs(3600));
        assert!(clone.now().millis_since(before) >= 3_600_000);
    }
}
