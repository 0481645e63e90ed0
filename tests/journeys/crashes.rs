//! The power goes, the relay goes, the page goes: nothing is lost, and nothing is paid twice.

use crate::support::Stage;
use anyhow::{Context, Result};
use autocrea_sandbox::joxcoder::Reply;

/// A reply in many pieces that stops in the middle until it is released.
fn held_reply() -> (Reply, String) {
    let pieces: Vec<String> = (0..200).map(|n| format!("línea {n} · ñ€🦀\n")).collect();
    let whole = pieces.concat();
    let mut reply = Reply::pieces(pieces);
    reply.hold_after = Some(100);
    (reply, whole)
}

async fn stage_with_a_running_generation() -> Result<(Stage, String, String)> {
    let mut stage = Stage::set("en").await?;
    stage.skip_welcome().await?;
    stage.sign_in("ben@example.com").await?;
    stage.new_project("Resilience").await?;
    let (reply, whole) = held_reply();
    stage.sandbox.joxcoder.script(reply);
    stage.send("Count the lines").await?;
    let id = stage.newest_generation("pending").await?;
    stage.pieces_on_disk(&id, 1).await?;
    Ok((stage, id, whole))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_killed_mid_stream_finishes_with_the_same_bytes_and_pays_once() -> Result<()> {
    let (mut stage, id, whole) = stage_with_a_running_generation().await?;
    stage.app.kill()?;
    stage.open_app().await?;
    stage.sandbox.joxcoder.release();
    stage.app.click("project-open").await?;
    stage.newest_generation("completed").await?;
    let kept = stage.kept(&id)?.context("the generation")?;
    assert_eq!(kept.output.as_deref(), Some(whole.as_str()), "identical bytes");
    let charged = kept.charged.context("it has a price")?;
    assert_eq!(charged, 210, "ten of input and two hundred of output, as the model reported");
    assert_eq!(stage.settled_balance().await?, 20_000 - charged, "charged once");
    assert_eq!(stage.sandbox.joxcoder.requests().len(), 1, "the model was asked once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_killed_mid_stream_costs_nothing_and_retry_works() -> Result<()> {
    let (mut stage, id, _) = stage_with_a_running_generation().await?;
    stage.relay.kill();
    stage.relay.again().await?;
    stage.newest_generation("interrupted").await?;
    stage.desktop.picture("interrupted")?;
    assert_eq!(stage.kept(&id)?.context("the generation")?.charged, Some(0));
    assert_eq!(stage.settled_balance().await?, 20_000, "nothing was charged");

    stage.app.click("retry").await?;
    let again = stage.newest_generation("completed").await?;
    assert_ne!(again, id, "a retry is a new generation");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_reloaded_mid_stream_finds_everything_and_goes_on() -> Result<()> {
    let (stage, id, whole) = stage_with_a_running_generation().await?;
    stage.app.reload().await?;
    stage.app.says("explanation", |text| text.contains("línea 0")).await?;
    stage.sandbox.joxcoder.release();
    stage.newest_generation("completed").await?;
    stage.app.says("explanation", |text| text.contains("línea 199")).await?;
    assert_eq!(stage.kept(&id)?.context("the generation")?.output, Some(whole));
    Ok(())
}
