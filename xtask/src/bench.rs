//! `cargo xtask bench relay`: builds the relay and what measures it with the release profile, and
//! brings the peers: PostgreSQL with pgbench, and nginx with nchan, from Debian's packages.
//!
//! All that they write is below `target/bench/`, which is emptied first. What is measured, and
//! how, is said in `crates/bench` and docs/BENCHMARKS.md.

use crate::command::{Command, cargo};
use crate::servers::Postgres;
use crate::system;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// What the peers need.
const PACKAGES: [&str; 5] =
    ["postgresql", "postgresql-contrib", "nginx", "libnginx-mod-nchan", "util-linux"];
/// Two crowds of 5,000 connections and their servers.
const DESCRIPTORS: &str = "--nofile=20000";

#[derive(clap::Subcommand)]
pub enum Bench {
    /// The relay, against baselines in the same run.
    Relay(Options),
}

#[derive(clap::Args)]
pub struct Options {
    /// Where the figures are written.
    #[arg(long, default_value = "target/bench/relay.json")]
    json: PathBuf,
    /// Only these figures (comma-separated).
    #[arg(long)]
    only: Option<String>,
    /// Short rounds, to try the bench itself.
    #[arg(long)]
    quick: bool,
}

pub fn run(what: &Bench) -> Result<()> {
    let Bench::Relay(options) = what;
    system::ensure(&PACKAGES)?;
    cargo(["build", "--release", "--locked", "-p", "autocrea-relay", "-p", "autocrea-bench"])
        .run()?;
    let work = crate::root().join("target/bench");
    fs::remove_dir_all(&work).ok();
    fs::create_dir_all(&work).context("making target/bench")?;
    let json = std::env::current_dir()?.join(&options.json);
    let postgres = Postgres::start(&work.join("postgres"))?;
    let release = crate::root().join("target/release");
    let mut bench = Command::new("prlimit", [DESCRIPTORS])
        .arg(release.join("autocrea-bench"))
        .arg("relay")
        .arg("--relay")
        .arg(release.join("autocrea-relay"))
        .arg("--work")
        .arg(&work)
        .arg("--json")
        .arg(json)
        .arg("--postgres")
        .arg(postgres.database("bench")?)
        .arg("--pgbench")
        .arg(postgres.program("pgbench"));
    if let Some(only) = &options.only {
        bench = bench.arg("--only").arg(only);
    }
    if options.quick {
        bench = bench.arg("--quick");
    }
    bench.run()
}
