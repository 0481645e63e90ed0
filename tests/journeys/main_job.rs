//! The main job, from nothing to a paid plan and on without a network.

use crate::support::Stage;
use crate::support::steps::PAYS;
use anyhow::Result;

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_signs_in_creates_restores_pays_and_works_on_offline() -> Result<()> {
    let mut stage = Stage::set("es").await?;
    stage.desktop.picture("1-welcome")?;
    stage.skip_welcome().await?;
    stage.desktop.picture("2-empty")?;

    stage.sign_in("ana@example.com").await?;
    assert_eq!(stage.settled_balance().await?, 20_000, "a free month");
    stage.desktop.picture("3-signed-in")?;

    // As fast as a real model, so that there is something to watch.
    stage.sandbox.joxcoder.set_chunks_per_second(60);
    stage.new_project("Lista de tareas").await?;
    stage.send("Una lista de tareas que guarde lo que escribo").await?;
    stage.app.see("stop").await?;
    stage.app.find("[data-testid=generation-file]").await?;
    stage.desktop.picture("4-streaming")?;
    stage.newest_generation("completed").await?;
    assert!(stage.settled_balance().await? < 20_000, "the balance moves");
    stage.app.see("preview-frame").await?;
    stage.desktop.picture("5-preview")?;
    stage.app.click("tab-code").await?;
    stage.app.find("[data-testid=file][data-path=\"index.html\"]").await?;
    stage.app.see("code").await?;
    stage.desktop.picture("6-code")?;

    stage.send("Ponle un fondo claro y un pie de página").await?;
    stage.app.find("[data-testid=generation][data-version=\"2\"]").await?;
    stage.app.click("versions-toggle").await?;
    stage.app.click("version-1").await?;
    stage.app.see("older-banner").await?;
    stage.app.click("restore-shown").await?;
    stage.app.find("[data-testid=version][data-number=\"3\"][data-cause=restore]").await?;
    stage.desktop.picture("7-restored")?;

    pay(&mut stage).await?;
    portal(&mut stage).await?;
    offline(stage).await
}

async fn pay(stage: &mut Stage) -> Result<()> {
    let before = stage.settled_balance().await?;
    let address = stage.choose("creator").await?;
    stage.desktop.picture("8-checkout-waiting")?;
    let page = stage.browser.get(&address).await?;
    assert_eq!(page.status, 200, "Stripe's page");
    let page = stage.browser.post(&address, &[("card", PAYS)]).await?;
    let back = stage.browser.follow(page).await?.deep_link()?;
    assert!(back.starts_with("autocrea://checkout/return"), "{back}");
    // The app shows the new plan before the person is back.
    stage
        .app
        .find(&format!("[data-testid=balance][data-remaining=\"{}\"]", before + 500_000))
        .await?;
    stage.open_link(&back)?;
    stage.app.see("dashboard").await?;
    stage.app.click("nav-account").await?;
    stage.app.find("[data-testid=ledger-row]").await?;
    stage.desktop.picture("9-paid")?;
    Ok(())
}

async fn portal(stage: &mut Stage) -> Result<()> {
    stage.app.click("nav-account").await?;
    stage.app.click("portal").await?;
    let address = stage.browser.next().await?;
    assert_eq!(stage.browser.get(&address).await?.status, 200, "the portal opens");
    stage.open_link("autocrea://portal/return")?;
    stage.app.see("settings").await?;
    Ok(())
}

async fn offline(mut stage: Stage) -> Result<()> {
    let balance = stage.settled_balance().await?;
    stage.app.kill()?;
    stage.relay.kill();
    stage.open_app().await?;
    stage.app.see("offline-pill").await?;
    assert_eq!(stage.balance().await?, balance, "the last known balance");
    stage.app.click("project-open").await?;
    stage.app.see("preview-frame").await?;
    stage.app.see("versions-toggle").await?;
    stage.desktop.picture("10-offline")?;
    stage.relay.again().await?;
    crate::support::until("the app to find the relay again", || async {
        Ok((!stage.app.has("offline-pill").await?).then_some(()))
    })
    .await
}
