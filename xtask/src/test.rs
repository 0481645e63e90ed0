//! `cargo xtask test`: everything that CI checks, cheapest first, so that a slip shows early.

use crate::command::{Command, cargo};
use crate::{fuzz, model, page, schemathesis, system};
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
    let everything = cargo(everything);
    if options.long {
        everything.env(LONG, "1").run()?;
        fuzz::run(&fuzz::Options::default())?;
    } else {
        everything.run()?;
    }
    schemathesis::run(options.long)
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
