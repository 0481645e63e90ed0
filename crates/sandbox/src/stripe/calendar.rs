//! Stripe's arithmetic of billing periods: calendar months and years counted from the anchor, with
//! the day clamped to the month's last one (31 January, 28 February, 31 March).

use serde::{Deserialize, Serialize};
use time::{Date, Duration, Month, OffsetDateTime};

/// How often a price bills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// Every day.
    Day,
    /// Every seven days.
    Week,
    /// Every calendar month.
    Month,
    /// Every calendar year.
    Year,
}

impl Interval {
    /// Stripe's word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// From Stripe's word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Day, Self::Week, Self::Month, Self::Year].into_iter().find(|i| i.word() == word)
    }
}

/// `anchor` (Unix seconds) and `count` intervals more.
pub(crate) fn plus(anchor: i64, interval: Interval, count: i64) -> i64 {
    let Ok(start) = OffsetDateTime::from_unix_timestamp(anchor) else { return anchor };
    let months = match interval {
        Interval::Day => return (start + Duration::days(count)).unix_timestamp(),
        Interval::Week => return (start + Duration::weeks(count)).unix_timestamp(),
        Interval::Month => count,
        Interval::Year => count * 12,
    };
    let total = i64::from(start.year()) * 12 + i64::from(u8::from(start.month())) - 1 + months;
    let year = i32::try_from(total.div_euclid(12)).unwrap_or(start.year());
    let month = u8::try_from(total.rem_euclid(12) + 1).unwrap_or(1);
    let Ok(month) = Month::try_from(month) else { return anchor };
    let day = start.day().min(month.length(year));
    Date::from_calendar_date(year, month, day)
        .map_or(anchor, |date| start.replace_date(date).unix_timestamp())
}

/// The first boundary after `after` of the periods that are counted from `anchor`.
pub(crate) fn boundary_after(anchor: i64, after: i64, interval: Interval, every: i64) -> i64 {
    let every = every.max(1);
    let mut count = every;
    loop {
        let boundary = plus(anchor, interval, count);
        if boundary > after {
            return boundary;
        }
        count += every;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_last_day_of_january_does_not_drift() {
        let anchor = datetime!(2027-01-31 10:00 UTC).unix_timestamp();
        assert_eq!(
            plus(anchor, Interval::Month, 1),
            datetime!(2027-02-28 10:00 UTC).unix_timestamp()
        );
        assert_eq!(
            plus(anchor, Interval::Month, 2),
            datetime!(2027-03-31 10:00 UTC).unix_timestamp()
        );
        let february = datetime!(2027-02-28 10:00 UTC).unix_timestamp();
        assert_eq!(
            boundary_after(anchor, february, Interval::Month, 1),
            datetime!(2027-03-31 10:00 UTC).unix_timestamp()
        );
    }

    #[test]
    fn a_year_from_the_leap_day_ends_on_the_28th() {
        let anchor = datetime!(2028-02-29 0:00 UTC).unix_timestamp();
        assert_eq!(
            plus(anchor, Interval::Year, 1),
            datetime!(2029-02-28 0:00 UTC).unix_timestamp()
        );
    }
}
