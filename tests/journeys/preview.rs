//! What was made, running in its frame.

use crate::support::{Stage, until};
use anyhow::{Context, Result};
use fantoccini::Locator;

#[tokio::test(flavor = "multi_thread")]
async fn a_previewed_to_do_page_that_uses_local_storage_works() -> Result<()> {
    let mut stage = Stage::set("en").await?;
    stage.skip_welcome().await?;
    stage.sign_in("fay@example.com").await?;
    stage.sandbox.joxcoder.set_chunks_per_second(0);
    stage.new_project("To do").await?;
    stage.send("A to-do list that remembers what I type").await?;
    stage.newest_generation("completed").await?;
    stage.app.see("preview-frame").await?.enter_frame().await?;
    let page = &stage.app.page;
    let field = until("the page's field", || async {
        Ok(page.find_all(Locator::Css("form input")).await?.into_iter().next())
    })
    .await?;
    field.click().await?;
    field.send_keys("Water the plants\u{e007}").await?;
    until("the task to be listed", || async {
        let text = page.find(Locator::Css("body")).await?.text().await?;
        Ok(text.contains("Water the plants").then_some(()))
    })
    .await?;
    let kept = page
        .execute("return Object.values({...localStorage}).join('') || localStorage.getItem(localStorage.key(0))", vec![])
        .await?;
    assert!(kept.as_str().context("it is kept")?.contains("Water the plants"), "{kept}");
    let reach = page
        .execute(
            "try { return String(window.parent.document.title) } catch (error) { return 'refused' }",
            vec![],
        )
        .await?;
    assert_eq!(reach, "refused", "the frame cannot reach the app");
    page.clone().enter_parent_frame().await?;
    stage.desktop.picture("preview-to-do")?;
    Ok(())
}
