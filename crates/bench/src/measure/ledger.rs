//! The ledger: `ledger_share_sqlite`, `ledger_share_postgres`.
//!
//! Measured by a second program of this crate, `autocrea-bench-ledger`, because it calls the
//! relay's own functions; see there.

use super::Bench;
use crate::figure::Measured;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::{Command, Stdio};

pub(super) const FIGURES: [&str; 2] = ["ledger_share_sqlite", "ledger_share_postgres"];

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Measured>> {
    let program = std::env::current_exe()?.with_file_name("autocrea-bench-ledger");
    let mut command = Command::new(program);
    command.arg(bench.program.folder()?).stdin(Stdio::null()).stderr(Stdio::inherit());
    command.arg(if bench.options.quick { "quick" } else { "whole" });
    if let Some(url) = &bench.options.postgres {
        command.arg(url).arg(&bench.options.pgbench);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(output.status.success(), "the ledger's bench ended with {}", output.status);
    let said: Value = serde_json::from_slice(&output.stdout).context("what the bench says")?;
    let figure = |name: &'static str| {
        let (value, baseline) = (said[name][0].as_f64()?, said[name][1].as_f64()?);
        Some(Measured::beside(name, value, baseline))
    };
    Ok(FIGURES.into_iter().filter_map(figure).collect())
}
