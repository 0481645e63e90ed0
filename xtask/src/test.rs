//! `cargo xtask test`: everything that CI checks, cheapest first, so that a slip shows early.

use crate::command::cargo;
use crate::{page, system};
use anyhow::Result;

#[derive(clap::Args)]
pub struct Options {}

pub fn run(_: &Options) -> Result<()> {
    let packages: Vec<&str> =
        system::BUILD.iter().chain(&system::RUN).chain(&system::TEST).copied().collect();
    system::ensure(&packages)?;

    cargo(["fmt", "--all", "--check"]).run()?;
    page::install()?;
    page::npm("check")?;
    page::npm("test")?;
    page::build()?;
    cargo(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]).run()?;
    cargo(["test", "--workspace", "--locked", "--lib", "--bins"]).run()?;
    cargo(["test", "--locked", "--test", "*"])
        .arg("--package=autocrea-protocol")
        .arg("--package=autocrea-studio")
        .arg("--package=autocrea-relay")
        .arg("--package=autocrea-sandbox")
        .run()?;
    Ok(())
}
