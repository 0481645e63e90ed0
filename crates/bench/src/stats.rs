//! Exact order statistics: samples are few enough to be kept, so nothing is put into buckets.

/// The middle of some values; `NaN` of none.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value that so many per cent of all do not exceed (nearest rank); `NaN` of none.
#[must_use]
pub fn percentile(values: &[f64], per_cent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (per_cent / 100.0 * count(sorted.len())).ceil();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank is a small whole number"
    )]
    let index = (rank as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// A number of things, to calculate with.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "nothing here is counted beyond 2^53")]
pub fn count(number: usize) -> f64 {
    number as f64
}

/// A duration in milliseconds.
#[must_use]
pub fn millis(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!((median(&values), percentile(&values, 99.0)), (3.0, 5.0));
        assert_eq!(percentile(&values, 20.0), 1.0);
        assert!(median(&[]).is_nan());
    }
}
