//! The commands of this repository, so that a fresh clone needs to know only two of them:
//! `cargo xtask run` and `cargo xtask test`. What they need from the system they install.

mod bench;
mod bundle;
mod command;
mod environment;
mod fuzz;
mod model;
mod page;
mod run;
mod schemathesis;
mod servers;
mod system;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of the AUTOCREA repository")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build and start the whole product: sandbox, relay and app. Ends when the window closes.
    Run(run::Options),
    /// Run every check and test that CI runs.
    Test(test::Options),
    /// Hold what the relay answers against its `openapi.json` (part of `test`; build it first).
    Schemathesis {
        /// Many more examples.
        #[arg(long)]
        long: bool,
    },
    /// Give each fuzz target of the relay to libFuzzer for a minute.
    Fuzz(fuzz::Options),
    /// Measure against baselines in the same run (release profile; installs the peers).
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Say what this machine lacks, and change nothing.
    Doctor,
    /// Write the page's TypeScript from the Rust types.
    Bindings,
    /// Build installable packages with the release profile: the app's (deb, rpm) and the relay's.
    Bundle(bundle::Options),
    /// Check licences, sources and duplicate versions of dependencies (installs cargo-deny).
    Deny,
}

fn main() -> ExitCode {
    match dispatch(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Run(options) => run::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Schemathesis { long } => schemathesis::run(long),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Bench(what) => bench::run(&what),
        Command::Doctor => system::doctor(),
        Command::Bindings => {
            command::cargo(["test", "-q", "--package", "autocrea", "--lib", "bindings"])
                .env("AUTOCREA_WRITE_BINDINGS", "1")
                .run()
        }
        Command::Bundle(options) => bundle::run(&options),
        Command::Deny => deny(),
    }
}

fn deny() -> Result<()> {
    let tools = root().join("target/tools");
    if !tools.join("bin/cargo-deny").exists() {
        command::cargo(["install", "cargo-deny", "--locked", "--root"]).arg(&tools).run()?;
    }
    command::Command::new(tools.join("bin/cargo-deny"), ["check", "bans", "licenses", "sources"])
        .run()
}

/// The repository.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
