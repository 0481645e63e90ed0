//! The raw side on PostgreSQL: pgbench with 16 clients sends the statements, prepared.

use super::statements::{HOLD, RESERVE, SETTLE};
use super::{AT_ONCE, CHARGE, RESERVE as HELD};
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// pgbench, a database that has the people, and the script.
pub(crate) struct Raw {
    script: PathBuf,
    pgbench: PathBuf,
    url: String,
}

impl Raw {
    /// Writes the script.
    pub(crate) fn new(folder: &Path, url: &str, pgbench: &Path) -> Result<Self> {
        let script = folder.join("ledger.sql");
        std::fs::write(&script, text())?;
        Ok(Self { script, pgbench: pgbench.to_owned(), url: url.to_owned() })
    }

    /// Pairs a second of all clients together, the time to connect left out.
    pub(crate) fn pairs_a_second(&self, window: Duration) -> Result<f64> {
        // pgbench counts in whole seconds, so it is told how many pairs instead: a first run of a
        // second finds that out.
        let rate = self.run("--time", 1)?;
        let each = rate * window.as_secs_f64() / f64::from(u32::try_from(AT_ONCE)?);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        self.run("--transactions", (each as u64).max(1))
    }

    fn run(&self, how: &str, much: u64) -> Result<f64> {
        let mut command = Command::new(&self.pgbench);
        command.args(["--client", "16", "--jobs", "2", "--protocol", "prepared", "--no-vacuum"]);
        command.args([how, &much.to_string()]).arg("--file").arg(&self.script);
        let output = command.arg(&self.url).output().context("starting pgbench")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && !said.contains("aborted"),
            "pgbench failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).context("pgbench says no rate")
    }
}

fn text() -> String {
    let mut text = "\\set number random(1, 9000000000000000)\n".to_owned();
    for (index, statements) in [&RESERVE[..], &SETTLE[..]].into_iter().enumerate() {
        writeln!(text, "BEGIN;").ok();
        writeln!(text, "{};", with_values(HOLD)).ok();
        for (at, statement) in statements.iter().enumerate() {
            let statement = with_values(statement);
            // The first looks for the lots; there is one.
            let end = if (index, at) == (0, 0) { " \\gset lot_" } else { ";" };
            writeln!(text, "{statement}{end}").ok();
        }
        writeln!(text, "COMMIT;").ok();
    }
    text
}

/// The named values, as pgbench takes them: each client is one of the people.
fn with_values(statement: &str) -> String {
    let values = [
        (":user", "('raw' || :client_id)".to_owned()),
        (":generation", "('g' || :client_id || '-' || :number)".to_owned()),
        (":reserve_entry", "('r' || :client_id || '-' || :number)".to_owned()),
        (":settle_entry", "('s' || :client_id || '-' || :number)".to_owned()),
        (":lease", "'lease'".to_owned()),
        (":month", "'2000-01'".to_owned()),
        (":held", HELD.get().to_string()),
        (":less", (-HELD.get()).to_string()),
        (":charged", CHARGE.get().to_string()),
        (":back", (HELD - CHARGE).get().to_string()),
        (":now", "1760000000000".to_owned()),
        (":zero", "0".to_owned()),
        (":one", "1".to_owned()),
        (":balance", "1".to_owned()),
        (":lot", ":lot_id".to_owned()),
    ];
    values.iter().fold(statement.to_owned(), |text, (name, value)| text.replace(name, value))
}
