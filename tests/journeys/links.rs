//! Deep links: on a cold start, unknown, malformed, foreign and used ones.

use crate::support::Stage;
use crate::support::desktop::Desktop;
use anyhow::Result;

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_start_by_link_finishes_the_sign_in() -> Result<()> {
    let mut stage = Stage::set("es").await?;
    stage.skip_welcome().await?;
    let link = stage.sign_in_up_to_the_link("dora@example.com").await?;
    stage.app.kill()?;
    stage.open_app_with(&link).await?;
    stage.app.see("balance").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_link_is_refused_with_a_sentence_and_has_no_effect() -> Result<()> {
    let mut stage = Stage::set("en").await?;
    stage.skip_welcome().await?;
    for link in [
        "autocrea://nowhere",
        "autocrea://auth/callback?code=stolen",
        "autocrea://auth/callback?code=stolen&state=foreign",
        "autocrea://project/not-an-id",
    ] {
        stage.open_link(link)?;
        stage.app.see("toast").await?;
        stage.app.click("toast-dismiss").await?;
        assert!(stage.app.has("rail-sign-in").await?, "{link} has signed somebody in");
    }
    // A link that has done its work once does nothing more.
    let link = stage.sign_in_up_to_the_link("eli@example.com").await?;
    stage.open_link(&link)?;
    stage.app.see("balance").await?;
    stage.open_link(&link)?;
    stage.app.see("toast").await?;
    assert!(stage.app.has("balance").await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_denies_is_told_so_and_can_try_again() -> Result<()> {
    let mut stage = Stage::set("es").await?;
    stage.skip_welcome().await?;
    stage.app.click("rail-sign-in").await?;
    let link = stage.decide_at_clerk("hugo@example.com", "deny").await?.deep_link()?;
    stage.open_link(&link)?;
    stage.app.see("toast").await?;
    stage.desktop.picture("denied")?;
    stage.app.click("sign-in-cancel").await?;
    stage.sign_in("hugo@example.com").await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keyring_the_person_chooses_and_a_pasted_text_signs_in() -> Result<()> {
    let mut stage = Stage::set_on(Desktop::start_without_keyring("en")?, &[]).await?;
    stage.skip_welcome().await?;
    stage.app.click("rail-sign-in").await?;
    stage.desktop.picture("no-keyring")?;
    stage.app.click("secret-place-memory").await?;
    let text = stage.decide_at_clerk("ines@example.com", "allow").await?.pasteable()?;
    stage.app.write("sign-in-paste", &text).await?;
    stage.app.click("sign-in-paste-send").await?;
    stage.app.see("balance").await?;
    assert_eq!(stage.settled_balance().await?, 20_000);
    Ok(())
}
