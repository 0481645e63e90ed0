//! Cutting a yearly period into its months.
//!
//! Months, not thirty days: the nth begins on the same day of the month and at the same time of
//! day as the period, or on the month's last day where it has no such day, as Stripe's own
//! billing anchor does.

use time::{Date, OffsetDateTime};

/// The months of `start..end` (Unix seconds): each with its number from 1, first and last second
/// (exclusive). The last one ends with the period.
#[must_use]
pub fn months(start: i64, end: i64) -> Vec<(u32, i64, i64)> {
    let mut all = Vec::new();
    let mut from = start;
    let mut number = 1;
    while from < end && number <= 120 {
        let next = plus_months(start, number).filter(|next| *next > from);
        let until = next.unwrap_or(end).min(end);
        all.push((number, from, until));
        from = until;
        number += 1;
    }
    // A leap day or a change of anchor may leave a sliver at the end; it belongs to the last month.
    if all.len() > 1 && all.last().is_some_and(|(_, from, until)| until - from < 3 * 86_400) {
        all.pop();
        if let Some(last) = all.last_mut() {
            last.2 = end;
        }
    }
    all
}

/// The same day and time `count` calendar months later.
fn plus_months(start: i64, count: u32) -> Option<i64> {
    let start = OffsetDateTime::from_unix_timestamp(start).ok()?;
    let date = start.date();
    let ahead = i64::from(u8::from(date.month())) - 1 + i64::from(count);
    let year = date.year() + i32::try_from(ahead / 12).ok()?;
    let month = time::Month::try_from(u8::try_from(ahead % 12).ok()? + 1).ok()?;
    let day = date.day().min(month.length(year));
    let date = Date::from_calendar_date(year, month, day).ok()?;
    Some(start.replace_date(date).unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_year_has_twelve_months_without_gap_or_overlap() {
        for start in [
            datetime!(2026-01-31 10:00 UTC),
            datetime!(2024-02-29 00:00 UTC),
            datetime!(2026-11-22 23:59:59 UTC),
        ] {
            let end =
                start.replace_year(start.year() + 1).unwrap_or(start + time::Duration::days(365));
            let cut = months(start.unix_timestamp(), end.unix_timestamp());
            assert_eq!(cut.len(), 12, "{start}");
            assert_eq!(cut[0].1, start.unix_timestamp());
            assert_eq!(cut[11].2, end.unix_timestamp());
            for pair in cut.windows(2) {
                assert_eq!(pair[0].2, pair[1].1);
                assert_eq!(pair[0].0 + 1, pair[1].0);
            }
        }
    }

    #[test]
    fn the_month_after_the_31st_of_january_begins_on_the_last_of_february() {
        let start = datetime!(2026-01-31 10:00 UTC).unix_timestamp();
        let cut = months(start, datetime!(2027-01-31 10:00 UTC).unix_timestamp());
        assert_eq!(cut[0].2, datetime!(2026-02-28 10:00 UTC).unix_timestamp());
        assert_eq!(cut[1].2, datetime!(2026-03-31 10:00 UTC).unix_timestamp());
    }
}
