//! Payments that do not go through.

use crate::support::Stage;
use crate::support::steps::DECLINED;
use anyhow::Result;

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_card_changes_nothing_and_coming_back_says_so() -> Result<()> {
    let mut stage = Stage::set("en").await?;
    stage.skip_welcome().await?;
    stage.sign_in("cleo@example.com").await?;
    let before = stage.settled_balance().await?;
    let address = stage.choose("creator").await?;
    let page = stage.browser.post(&address, &[("card", DECLINED)]).await?;
    let page = stage.browser.follow(page).await?;
    assert!(!page.text.contains("autocrea://"), "Stripe keeps the person on its page");

    stage.open_link("autocrea://checkout/return?cancelled=1")?;
    stage.app.see("plans").await?;
    assert_eq!(stage.settled_balance().await?, before);
    stage.app.find("[data-testid=plan][data-plan=free][data-current=true]").await?;
    Ok(())
}
