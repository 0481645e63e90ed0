//! What the relay says of itself in `openapi.json`, held against what it answers: Schemathesis makes
//! requests up, good and bad, and compares every answer with the document.
//!
//! A real relay beside the sandbox, with every limit off, asked in the name of a person with tokens
//! enough. Left out is `/api/account/events`, whose answer has no end by design; the relay's own
//! tests read it.

use crate::command::{Background, Command};
use crate::environment;
use crate::run::{Sandbox, await_ready, program};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const VERSION: &str = "4.32.5";
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_schema_conformance,unsupported_method";
const PERSON: &str = "schemathesis@example.com";
/// The same requests every time; the long form looks further.
const SEED: &str = "20261126";

/// Examples of each operation.
fn examples(long: bool) -> &'static str {
    if long { "400" } else { "50" }
}

/// Runs it to its end; an error if it finds anything.
pub fn run(long: bool) -> Result<()> {
    let tool = install()?;
    let data = crate::root().join("target/schemathesis");
    if data.exists() {
        fs::remove_dir_all(&data).context("forgetting the run before")?;
    }
    fs::create_dir_all(&data)?;
    let port = environment::port(0)?;
    let url = format!("http://127.0.0.1:{port}");
    let quick = ["--sign-in", PERSON, "--chunks-per-second", "0"];
    let sandbox = Sandbox::start(&url, &data, &quick)?;
    let mut relay = start_relay(&sandbox, port, &data)?;

    // Erasing the person comes last: whoever has just left has no tokens to generate with.
    for only in [["--exclude-operation-id", LEAVING], ["--include-operation-id", LEAVING]] {
        hold(&tool, &format!("{url}/openapi.json"), &sandbox.access_token, long)
            .arg(only[0])
            .arg(only[1])
            .current_dir(&data)
            .run()?;
        relay.check()?;
    }
    Ok(())
}

const LEAVING: &str = "delete_api_user_profile";

/// One run, but for which operations.
fn hold(tool: &Path, document: &str, token: &str, long: bool) -> Command {
    Command::new(tool, ["run", document, "--checks", CHECKS])
        .arg("--header")
        .arg(format!("Authorization: Bearer {token}"))
        .arg("--exclude-path")
        .arg("/api/account/events")
        .arg("--max-examples")
        .arg(examples(long))
        .arg("--seed")
        .arg(SEED)
        .arg("--request-timeout")
        .arg("30")
        .arg("--suppress-health-check")
        .arg("all")
        .arg("--warnings")
        .arg("off")
        .arg("--continue-on-failure")
}

/// Below `target/`, in an environment of its own.
fn install() -> Result<PathBuf> {
    let folder = crate::root().join("target/tools/schemathesis");
    let tool = folder.join("bin/st");
    let installed = Command::new(&tool, ["--version"]).read_quietly();
    if !installed.is_some_and(|it| it.ends_with(VERSION)) {
        Command::new("python3", ["-m", "venv"]).arg(&folder).run()?;
        let pip = ["install", "--quiet", "--disable-pip-version-check"];
        Command::new(folder.join("bin/pip"), pip).arg(format!("schemathesis=={VERSION}")).run()?;
    }
    Ok(tool)
}

fn start_relay(sandbox: &Sandbox, port: u16, data: &Path) -> Result<Background> {
    let file = data.join("relay.toml");
    // Generations are limited by the plan, not by a variable.
    fs::write(
        &file,
        "[plans.free]\ntokens = 1_000_000_000\nconcurrency = 0\ngenerations_per_hour = 0\n",
    )?;
    let mut command = Command::new(program("autocrea-relay"), ["serve"]);
    for (name, value) in &sandbox.relay_variables {
        command = command.env(name, value);
    }
    let log = fs::File::create(data.join("relay.log"))?;
    let mut relay = command
        .env("RELAY_CONFIG", file)
        .env("DATABASE_URL", format!("sqlite:{}", data.join("relay.db").display()))
        .env("RELAY_BIND", format!("127.0.0.1:{port}"))
        .env("RELAY_RATE_PER_MINUTE", "0")
        .env("RELAY_RATE_PER_MINUTE_ADDRESS", "0")
        .start(Stdio::from(log.try_clone()?), Stdio::from(log))?;
    await_ready(&mut relay, port, &data.join("relay.log"))?;
    Ok(relay)
}
