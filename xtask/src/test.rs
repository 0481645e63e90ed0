//! `cargo xtask test`: everything that CI checks, cheapest first, so that a slip shows early.

use crate::command::{Command, cargo};
use crate::{fuzz, model, page, schemathesis, servers, system};
use anyhow::Result;

#[derive(clap::Args)]
pub struct Options {
    /// Leave out the journeys through the real window.
    #[arg(long)]
    quick: bool,
    /// Run the long forms too: hundreds of crashes, minutes of load, many more examples.
    #[arg(long, conflicts_with = "quick")]
    long: bool,
}

/// The variable by which a test program knows that its long form is wanted.
const LONG: &str = "RELAY_TEST_LONG";
/// The variable by which the relay's tests know a server on which they make their databases.
const POSTGRES: &str = "RELAY_TEST_POSTGRES";

pub fn run(options: &Options) -> Result<()> {
    let packages: Vec<&str> =
        system::BUILD.iter().chain(&system::RUN).chain(&system::TEST).copied().collect();
    system::ensure(&packages)?;

    cargo(["fmt", "--all", "--check"]).run()?;
    page::install()?;
    page::npm("check")?;
    page::npm("test")?;
    page::build()?;
    cargo(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]).run()?;
    // The programs first: tests of the relay and the journeys start them.
    cargo(["build", "--workspace", "--bins", "--locked"]).run()?;
    let everything = ["test", "--workspace", "--locked"];
    if options.quick {
        return cargo(everything).arg("--lib").arg("--bins").run();
    }
    install_tauri_driver()?;
    model::install_smollm2()?;
    long_or_short(cargo(everything), options).run()?;
    relay_on_postgres(options)?;
    if options.long {
        fuzz::run(&fuzz::Options::default())?;
    }
    schemathesis::run(options.long)
}

fn long_or_short(tests: Command, options: &Options) -> Command {
    if options.long { tests.env(LONG, "1") } else { tests }
}

/// The relay's promises once more, with the other database: one story.
fn relay_on_postgres(options: &Options) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("autocrea-postgres-{}", std::process::id()));
    let postgres = servers::Postgres::start_forgetful(&folder)?;
    // Of the whole workspace, so that nothing is built anew.
    let tests = ["test", "--workspace", "--locked", "--test", "relay", "--test", "chaos"];
    let tests = cargo(tests);
    long_or_short(tests, options).env(POSTGRES, postgres.address()).run()
}

/// The WebDriver server for the window, below `target/`.
fn install_tauri_driver() -> Result<()> {
    let tools = crate::root().join("target/tools");
    if tools.join("bin/tauri-driver").exists() {
        return Ok(());
    }
    let install = ["install", "tauri-driver", "--version", "^2", "--locked", "--quiet", "--root"];
    Command::new("cargo", install).arg(tools).run()
}
