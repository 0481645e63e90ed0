//! Measures the relay against baselines in the same run and writes what it found.
//!
//! `cargo xtask bench relay` builds the relay and this with the release profile, starts PostgreSQL,
//! says where pgbench and nginx with nchan are, and runs it. Every figure of the table
//! belongs to one module of [`measure`], whose head says what is measured, against whom and how
//! often. Baseline and relay take turns, round by round, and the median of the rounds' ratios is
//! the value, so that whatever else the machine does falls on both.
//!
//! The outside services are stand-ins in this process ([`model`], [`clerk`], and for the one figure
//! that needs Stripe's shapes the sandbox behind a delay); the load comes from raw sockets
//! ([`http`]). Nothing that is shipped depends on any of it.

mod clerk;
mod commits;
mod crowd;
mod figure;
mod http;
mod measure;
mod model;
mod nchan;
mod relay;
mod stats;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use figure::{GOALS, Measured};
use relay::Program;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Measure the relay.
    Relay(Options),
}

/// What to measure, and with what.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// The relay's release build.
    #[arg(long)]
    relay: PathBuf,
    /// A folder for databases and configurations.
    #[arg(long)]
    work: PathBuf,
    /// Where the figures are written.
    #[arg(long)]
    json: PathBuf,
    /// A throw-away PostgreSQL, as postgres://user@host:port/database; what needs one is left out
    /// without it.
    #[arg(long)]
    postgres: Option<String>,
    /// PostgreSQL's load program.
    #[arg(long, default_value = "pgbench")]
    pgbench: PathBuf,
    /// nginx with the nchan module.
    #[arg(long, default_value = "nginx")]
    nginx: PathBuf,
    /// Only these figures (comma-separated); the others stand in the file as not measured.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Shorter rounds and fewer of them, to try the bench itself.
    #[arg(long)]
    quick: bool,
}

impl Options {
    /// Whether one of these figures is wanted.
    fn wants(&self, names: &[&str]) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| names.contains(&only.as_str()))
    }

    /// A number of repetitions, fewer when only trying.
    const fn times(&self, many: usize, few: usize) -> usize {
        if self.quick { few } else { many }
    }
}

/// Says how it goes, on standard error: the figures themselves go into the file.
pub(crate) fn say(line: impl std::fmt::Display) {
    writeln!(std::io::stderr(), "{line}").ok();
}

fn main() -> ExitCode {
    let What::Relay(options) = Arguments::parse().what;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ran = runtime.context("starting threads").and_then(|it| it.block_on(run(&options)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures. That a figure does not hold is a result, not a failure.
async fn run(options: &Options) -> Result<()> {
    std::fs::create_dir_all(&options.work)?;
    let bench = measure::Bench {
        clerk: clerk::Clerk::start().await?,
        model: model::Model::start().await?,
        program: Program {
            path: options.relay.canonicalize().context("the relay's program")?,
            work: options.work.canonicalize()?,
        },
        options: options.clone(),
    };
    let measured = measure::all(&bench).await;
    figure::write(&options.json, &measured)?;
    tell(&measured);
    Ok(())
}

fn tell(measured: &[Measured]) {
    for goal in &GOALS {
        let Some(found) = measured.iter().find(|it| it.name == goal.name) else {
            say(format_args!("–  {:32} not measured", goal.name));
            continue;
        };
        let holds = figure::holds(goal, found.value);
        let mark = if holds { "✓" } else { "✗" };
        let baseline = found.baseline.map_or_else(String::new, |it| format!(", baseline {it:.3}"));
        let sign = match goal.sense {
            figure::Sense::Max => "≤",
            figure::Sense::Min => "≥",
        };
        say(format_args!(
            "{mark}  {:32} {:.3} {} (goal {sign} {}{baseline})",
            goal.name, found.value, goal.unit, goal.goal
        ));
    }
}
