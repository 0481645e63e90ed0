//! A real model behind the relay: SmolLM2-135M, which `cargo xtask test` installs.

use crate::support::Stage;
use crate::support::process::{Background, free_port};
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
async fn a_real_model_streams_through_the_relay_and_stopping_it_charges_what_came() -> Result<()> {
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
    let id = stage.newest_generation("pending").await?;
    stage.pieces_on_disk(&id, 40).await?;
    stage.desktop.picture("real-model")?;
    // So small a model may go on and on; a person has read enough and presses Stop.
    stage.app.click("stop").await?;
    stage.newest_generation("cancelled").await?;
    let kept = stage.kept(&id)?.context("the generation")?;
    assert!(!kept.output.unwrap_or_default().is_empty(), "what arrived is kept");
    let charged = kept.charged.context("a price")?;
    assert!(charged > 40, "the input and the output until then: {charged}");
    assert_eq!(stage.settled_balance().await?, 20_000 - charged);
    Ok(())
}
