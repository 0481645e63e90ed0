//! The figures, what they are to be, and the file that says what they were.
//!
//! The table is the issue's, so that a figure cannot be measured without its goal and none can be
//! left out: what was not measured stands in the file with a null and does not hold.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// Which way a goal limits.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sense {
    /// The value is to be at most the goal.
    Max,
    /// At least.
    Min,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// Its name.
    pub name: &'static str,
    /// Of value and baseline.
    pub unit: &'static str,
    /// What it is to be.
    pub goal: f64,
    /// In which direction.
    pub sense: Sense,
}

const fn most(name: &'static str, unit: &'static str, goal: f64) -> Goal {
    Goal { name, unit, goal, sense: Sense::Max }
}

const fn least(name: &'static str, goal: f64) -> Goal {
    Goal { name, unit: "ratio", goal, sense: Sense::Min }
}

/// All of them, in the order of the file.
pub const GOALS: [Goal; 16] = [
    most("ttft_added_ms", "ms", 0.6),
    least("streams_share_of_direct", 0.55),
    most("chunk_lateness_p99_ms", "ms", 0.4),
    least("webhooks_share_of_pgbench", 0.7),
    least("webhooks_sqlite_share_of_pgbench", 1.5),
    most("webhooks_p99_ms", "ms", 10.0),
    least("ledger_share_sqlite", 0.6),
    least("ledger_share_postgres", 0.6),
    most("sse_kib_per_connection", "KiB", 16.0),
    most("sse_publish_p99_ms", "ms", 1.0),
    most("sse_last_of_5000_share_of_nchan", "ratio", 1.1),
    most("webhook_to_app_p99_ms", "ms", 40.0),
    most("stream_memory_growth_mib", "MiB", 64.0),
    most("idle_rss_mib", "MiB", 20.0),
    most("start_ready_ms", "ms", 100.0),
    most("binary_mb", "MB", 20.0),
];

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Which figure.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it was compared with: for a ratio the baseline's own rate or time, for others the same
    /// figure of the baseline; none where a bare limit stands.
    pub baseline: Option<f64>,
}

impl Measured {
    /// A figure with a baseline.
    #[must_use]
    pub const fn beside(name: &'static str, value: f64, baseline: f64) -> Self {
        Self { name, value, baseline: Some(baseline) }
    }

    /// A figure that stands alone.
    #[must_use]
    pub const fn alone(name: &'static str, value: f64) -> Self {
        Self { name, value, baseline: None }
    }
}

/// Whether a value is what it is to be.
#[must_use]
pub fn holds(goal: &Goal, value: f64) -> bool {
    match goal.sense {
        Sense::Max => value <= goal.goal,
        Sense::Min => value >= goal.goal,
    }
}

/// The file's content.
#[must_use]
pub fn report(measured: &[Measured]) -> Value {
    let line = |goal: &Goal| {
        let found = measured.iter().find(|it| it.name == goal.name);
        let value = found.map(|it| it.value).filter(|value| value.is_finite());
        json!({
            "name": goal.name,
            "value": value.map(rounded),
            "unit": goal.unit,
            "baseline": found.and_then(|it| it.baseline).map(rounded),
            "goal": goal.goal,
            "sense": goal.sense,
            "holds": value.is_some_and(|value| holds(goal, value)),
        })
    };
    json!({ "figures": GOALS.iter().map(line).collect::<Vec<_>>() })
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Writes the file.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, measured: &[Measured]) -> Result<()> {
    let text = serde_json::to_string_pretty(&report(measured))? + "\n";
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_in_the_file_and_what_was_not_measured_does_not_hold() {
        let measured =
            [Measured::alone("idle_rss_mib", 12.0), Measured::beside("ttft_added_ms", 0.61, 0.2)];
        let report = report(&measured);
        let figures = report["figures"].as_array().expect("a list");
        assert_eq!(figures.len(), GOALS.len());
        let of = |name: &str| figures.iter().find(|it| it["name"] == name).expect(name).clone();
        assert_eq!(of("idle_rss_mib")["holds"], true);
        assert_eq!(of("ttft_added_ms")["holds"], false);
        assert_eq!(of("binary_mb")["value"], Value::Null);
        assert_eq!(of("binary_mb")["holds"], false);
        assert_eq!(of("streams_share_of_direct")["sense"], "min");
    }
}
