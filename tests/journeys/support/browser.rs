//! The system's browser, played by the test. `$BROWSER` is a script that writes down the address
//! it is given; the test then does over HTTP what a person does on the page, and follows a return
//! page's `autocrea://` link as the system would: by starting the app again with it.

use super::desktop::Desktop;
use super::process::ours;
use super::until;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The browser.
pub struct Browser {
    opened: PathBuf,
    seen: usize,
    http: reqwest::Client,
}

impl Browser {
    /// Where the script is.
    pub fn script(desktop: &Desktop) -> Result<PathBuf> {
        Ok(desktop.folder("browser")?.join("browser"))
    }

    /// Puts the script in place.
    pub fn new(desktop: &Desktop) -> Result<Self> {
        let script = Self::script(desktop)?;
        let opened = script.with_file_name("opened");
        let text = format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >> '{}'\n", opened.display());
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        fs::write(&opened, "")?;
        make_default(desktop, &script)?;
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { opened, seen: 0, http })
    }

    /// The next address that the app opens.
    pub async fn next(&mut self) -> Result<String> {
        let (file, seen) = (self.opened.clone(), self.seen);
        let address = until("the app to open the browser", || async {
            Ok(fs::read_to_string(&file)?.lines().nth(seen).map(str::to_owned))
        })
        .await?;
        self.seen += 1;
        Ok(address)
    }

    /// Loads a page.
    pub async fn get(&self, url: &str) -> Result<Page> {
        let answer = self.http.get(url).send().await?;
        Page::of(answer).await
    }

    /// Sends a form.
    pub async fn post(&self, url: &str, fields: &[(&str, &str)]) -> Result<Page> {
        let answer = self.http.post(url).form(fields).send().await?;
        Page::of(answer).await
    }

    /// Follows redirects to the page that they lead to.
    pub async fn follow(&self, mut page: Page) -> Result<Page> {
        for _ in 0..10 {
            let Some(next) = page.location.clone() else { return Ok(page) };
            page = self.get(&next).await?;
        }
        anyhow::bail!("more than ten redirects");
    }
}

/// xdg-open asks for a registered browser before it looks at `$BROWSER`; where a real one is
/// installed, ours has to be the registered one.
fn make_default(desktop: &Desktop, script: &Path) -> Result<()> {
    let applications = desktop.folder("share/applications")?;
    let entry = format!(
        "[Desktop Entry]\nType=Application\nName=Journey\nExec={} %u\n\
         MimeType=x-scheme-handler/http;x-scheme-handler/https;\n",
        script.display()
    );
    fs::write(applications.join("journey-browser.desktop"), entry)?;
    let defaults = "[Default Applications]\nx-scheme-handler/http=journey-browser.desktop\n\
                    x-scheme-handler/https=journey-browser.desktop\n";
    fs::write(desktop.folder("config")?.join("mimeapps.list"), defaults)?;
    Ok(())
}

/// A page as the browser has it.
pub struct Page {
    pub status: u16,
    pub location: Option<String>,
    pub text: String,
}

impl Page {
    async fn of(answer: reqwest::Response) -> Result<Self> {
        let url = answer.url().clone();
        let location = match answer.headers().get("location") {
            Some(to) => Some(url.join(to.to_str()?)?.to_string()),
            None => None,
        };
        let status = answer.status().as_u16();
        Ok(Self { status, location, text: answer.text().await? })
    }

    /// The text that a return page shows for pasting.
    pub fn pasteable(&self) -> Result<String> {
        let field = self.text.split("id=\"text\"").nth(1).context("a field with the text")?;
        let value = field.split("value=\"").nth(1).context("its value")?;
        Ok(value.split('"').next().unwrap_or_default().replace("&amp;", "&"))
    }

    /// The `autocrea://` link of a return page.
    pub fn deep_link(&self) -> Result<String> {
        let start = self.text.find("autocrea://").context("a return page has a link")?;
        let link = self.text[start..].split(['"', '\'', '<', ' ']).next().unwrap_or_default();
        Ok(link.replace("&amp;", "&"))
    }
}

/// Does what the system does with a link while the app runs: starts the program with it.
pub fn open_link(desktop: &Desktop, relay_url: &str, link: &str) -> Result<()> {
    let status = desktop
        .command(ours("autocrea"))
        .env("AUTOCREA_RELAY_URL", relay_url)
        .arg(link)
        .status()?;
    ensure!(status.success(), "the second copy ended with {status}");
    Ok(())
}
