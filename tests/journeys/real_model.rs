//! A real model behind the relay: SmolLM2-135M, which `cargo xtask test` installs.

use crate::support::process::{Background, free_port};
use crate::support::{Stage, until};
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

fn smollm2() -> Result<(Background, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = root.join("target/smollm2/python");
    ensure!(packages.exists(), "SmolLM2 is not installed: run `cargo xtask test`");
    let mut command = Command::new("python3");
    command
        .arg(root.join("xtask/src/model/serve_smollm2.py"))
        .arg(packages)
        .arg(free_port()?.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = Background::start(&mut command)?;
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().context("its output")?).read_line(&mut line)?;
    ensure!(line.starts_with("http://"), "the model's server did not start");
    Ok((server, format!("{}/v1", line.trim())))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_model_streams_through_the_relay_and_is_charged_for_what_came() -> Result<()> {
    let (_server, url) = smollm2()?;
    let variables = [
        ("JOXCODER_URL", url.as_str()),
        ("JOXCODER_MODEL", "SmolLM2-135M"),
        ("JOXCODER_CONTEXT_TOKENS", "8192"),
    ];
    let mut stage = Stage::set_with("en", &variables).await?;
    stage.skip_welcome().await?;
    stage.sign_in("gus@example.com").await?;
    stage.new_project("Small talk").await?;
    stage.send("Write a small HTML page that says hello").await?;
    let id = stage.app.attribute("[data-testid=generation]", "data-generation").await?;
    // So small a model may end at once or go on and on; a person who has read enough presses Stop.
    until("an end, or enough to read", || async {
        let kept = stage.kept(&id)?.context("the generation")?;
        Ok((kept.status != "pending" || kept.pieces >= 40).then_some(()))
    })
    .await?;
    stage.desktop.picture("real-model")?;
    stage.app.click_if_there("stop").await?;
    let ended = "[data-testid=generation]:is([data-status=completed], [data-status=cancelled])";
    stage.app.find(ended).await?;
    let kept = stage.kept(&id)?.context("the generation")?;
    assert!(!kept.output.unwrap_or_default().is_empty(), "what arrived is kept");
    let charged = kept.charged.context("a price")?;
    assert!(charged > 40, "at least the input: {charged}");
    assert_eq!(stage.settled_balance().await?, 20_000 - charged);
    Ok(())
}
