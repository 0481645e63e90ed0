//! What a person does again and again: signing in, making a project, sending a prompt, paying.

use super::browser::{Page, open_link};
use super::{Stage, until};
use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OpenFlags, OptionalExtension};

/// A card that pays.
pub const PAYS: &str = "4242424242424242";
/// A card that is declined.
pub const DECLINED: &str = "4000000000000002";

/// A generation as the app's own database has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Kept {
    pub status: String,
    pub output: Option<String>,
    pub charged: Option<i64>,
    pub pieces: i64,
}

impl Stage {
    /// Passes the first start.
    pub async fn skip_welcome(&self) -> Result<()> {
        self.app.click("welcome-skip").await?;
        self.app.see("dashboard").await?;
        Ok(())
    }

    /// Presses "sign in" and plays the browser up to the return page. The answer is the link
    /// that the page opens.
    pub async fn sign_in_up_to_the_link(&mut self, email: &str) -> Result<String> {
        self.app.click("rail-sign-in").await?;
        self.decide_at_clerk(email, "allow").await?.deep_link()
    }

    /// Plays the browser that the app has opened at Clerk, up to the return page.
    pub async fn decide_at_clerk(&mut self, email: &str, decision: &str) -> Result<Page> {
        let address = self.browser.next().await?;
        let page = self.browser.get(&address).await?;
        ensure!(page.status == 200, "Clerk's page answers {}", page.status);
        let page = self.browser.post(&address, &[("email", email), ("decision", decision)]).await?;
        self.browser.follow(page).await
    }

    /// Signs in, the whole of it.
    pub async fn sign_in(&mut self, email: &str) -> Result<()> {
        let link = self.sign_in_up_to_the_link(email).await?;
        self.open_link(&link)?;
        self.app.see("balance").await?;
        Ok(())
    }

    /// Opens a link while the app runs.
    pub fn open_link(&self, link: &str) -> Result<()> {
        open_link(&self.desktop, &self.relay.url, link)
    }

    /// Makes a project and opens it.
    pub async fn new_project(&self, name: &str) -> Result<()> {
        self.app.click("nav-dashboard").await?;
        self.app.click("new-project").await?;
        self.app.write("project-name", name).await?;
        self.app.click("project-save").await?;
        self.app.see("workspace").await?;
        Ok(())
    }

    /// Writes a prompt and sends it, once the ceiling is shown.
    pub async fn send(&self, prompt: &str) -> Result<()> {
        self.app.write("prompt", prompt).await?;
        self.app.says("ceiling", |text| text.chars().any(|c| c.is_ascii_digit())).await?;
        self.app.click("send").await
    }

    /// Waits until the newest generation stands so; its id is the answer.
    pub async fn newest_generation(&self, status: &str) -> Result<String> {
        let css = format!("[data-testid=generation]:last-of-type[data-status={status}]");
        self.app.attribute(&css, "data-generation").await
    }

    /// Waits until the balance holds nothing back, and reads what remains.
    pub async fn settled_balance(&self) -> Result<i64> {
        self.app.find("[data-testid=balance][data-reserved=\"0\"]").await?;
        self.balance().await
    }

    /// What remains, as the app shows it.
    pub async fn balance(&self) -> Result<i64> {
        let text = self.app.attribute("[data-testid=balance]", "data-remaining").await?;
        text.parse().with_context(|| format!("`{text}` is not a balance"))
    }

    /// Chooses a plan and plays the browser up to Stripe's page; the answer is its address.
    pub async fn choose(&mut self, plan: &str) -> Result<String> {
        self.app.click("nav-plans").await?;
        self.app.click(&format!("choose-{plan}")).await?;
        self.browser.next().await
    }

    /// Reads a generation out of the app's database, as another program could.
    pub fn kept(&self, id: &str) -> Result<Option<Kept>> {
        let file = self.desktop.data_dir().join("autocrea.db");
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let sql = "SELECT status, output, charged,
                (SELECT count(*) FROM generation_pieces WHERE generation_id = id)
            FROM generations WHERE id = ?1";
        Ok(db
            .query_row(sql, [id], |row| {
                Ok(Kept {
                    status: row.get(0)?,
                    output: row.get(1)?,
                    charged: row.get(2)?,
                    pieces: row.get(3)?,
                })
            })
            .optional()?)
    }

    /// Waits until so many pieces of a running generation are on disk.
    pub async fn pieces_on_disk(&self, id: &str, wanted: i64) -> Result<()> {
        until(&format!("{wanted} pieces on disk"), || async {
            Ok(self.kept(id)?.filter(|kept| kept.pieces >= wanted).map(drop))
        })
        .await
    }
}
