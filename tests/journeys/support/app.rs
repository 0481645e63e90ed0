//! The real app in a real window, driven through WebDriver.

use super::browser::Browser;
use super::desktop::Desktop;
use super::process::{Background, free_port, tool};
use super::until;
use anyhow::{Result, ensure};
use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;
use std::fs;
use std::process::Stdio;

/// A running app.
pub struct App {
    pub page: Client,
    driver: Background,
    pids: Vec<String>,
}

impl App {
    /// Starts it and waits for its first paint.
    pub async fn open(desktop: &Desktop, relay_url: &str, link: Option<&str>) -> Result<Self> {
        let (port, native) = (free_port()?, free_port()?);
        let mut command = desktop.command(tool("tauri-driver"));
        command
            .args(["--port", &port.to_string(), "--native-port", &native.to_string()])
            .env("AUTOCREA_RELAY_URL", relay_url)
            .env("BROWSER", Browser::script(desktop)?)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let driver = Background::start(&mut command)?;
        let mut capabilities = Capabilities::new();
        let program = env!("CARGO_BIN_EXE_autocrea");
        let arguments: Vec<&str> = link.into_iter().collect();
        capabilities
            .insert("tauri:options".into(), json!({ "application": program, "args": arguments }));
        let address = format!("http://127.0.0.1:{port}");
        let page = until("the driver to start the app", || async {
            let connector = hyper_util::client::legacy::connect::HttpConnector::new();
            let mut builder = ClientBuilder::new(connector);
            Ok(Some(builder.capabilities(capabilities.clone()).connect(&address).await?))
        })
        .await?;
        let app = Self { page, driver, pids: pids(desktop)? };
        app.ready().await?;
        Ok(app)
    }

    /// Waits for the first paint: the frame, or the first start.
    async fn ready(&self) -> Result<()> {
        let css = "[data-testid=frame], [data-testid=welcome], [data-testid=fatal]";
        until("the first paint", || async {
            Ok(self.page.find_all(Locator::Css(css)).await?.into_iter().next().map(drop))
        })
        .await
    }

    /// Waits for what carries a `data-testid`.
    pub async fn see(&self, id: &str) -> Result<Element> {
        let css = format!("[data-testid=\"{id}\"]");
        until(&format!("`{id}` to be seen"), || async {
            let element = self.page.find(Locator::Css(&css)).await?;
            Ok(element.is_displayed().await?.then_some(element))
        })
        .await
    }

    /// Waits for an element by a CSS selector.
    pub async fn find(&self, css: &str) -> Result<Element> {
        until(&format!("`{css}` to be there"), || async {
            Ok(self.page.find_all(Locator::Css(css)).await?.into_iter().next())
        })
        .await
    }

    /// Waits until an element says something in an attribute.
    pub async fn attribute(&self, css: &str, name: &str) -> Result<String> {
        until(&format!("`{css}` to have `{name}`"), || async {
            Ok(self.page.find(Locator::Css(css)).await?.attr(name).await?)
        })
        .await
    }

    /// Whether it is there now.
    pub async fn has(&self, id: &str) -> Result<bool> {
        let css = format!("[data-testid=\"{id}\"]");
        Ok(!self.page.find_all(Locator::Css(&css)).await?.is_empty())
    }

    /// Waits until it is there and enabled, and clicks it.
    pub async fn click(&self, id: &str) -> Result<()> {
        self.see(id).await?;
        until(&format!("`{id}` to be clickable"), || async {
            let css = format!("[data-testid=\"{id}\"]");
            let element = self.page.find(Locator::Css(&css)).await?;
            if !element.is_enabled().await? {
                return Ok(None);
            }
            element.click().await?;
            Ok(Some(()))
        })
        .await
    }

    /// Clicks what may have gone by itself.
    pub async fn click_if_there(&self, id: &str) -> Result<()> {
        let css = format!("[data-testid=\"{id}\"]");
        for element in self.page.find_all(Locator::Css(&css)).await? {
            // It may go between being found and being clicked: that is what is allowed here.
            let _ = element.click().await;
        }
        Ok(())
    }

    /// Replaces what a field says, key by key.
    pub async fn write(&self, id: &str, text: &str) -> Result<()> {
        let field = self.see(id).await?;
        field.clear().await?;
        field.send_keys(text).await?;
        Ok(())
    }

    /// Waits until it says something that passes.
    pub async fn says(&self, id: &str, passes: impl Fn(&str) -> bool) -> Result<String> {
        let css = format!("[data-testid=\"{id}\"]");
        until(&format!("`{id}` to say what is expected"), || async {
            let text = self.page.find(Locator::Css(&css)).await?.text().await?;
            Ok(passes(&text).then_some(text))
        })
        .await
    }

    /// Reloads the page, as F5 does.
    pub async fn reload(&self) -> Result<()> {
        self.page.refresh().await?;
        self.ready().await
    }

    /// SIGKILL to the app: no goodbye, as when the power goes.
    pub fn kill(&mut self) -> Result<()> {
        ensure!(!self.pids.is_empty(), "the app was not running");
        for pid in self.pids.drain(..) {
            let status = std::process::Command::new("kill").args(["-KILL", &pid]).status()?;
            ensure!(status.success(), "the app had ended already");
        }
        self.driver.kill();
        Ok(())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        for pid in &self.pids {
            let _ = std::process::Command::new("kill").args(["-KILL", pid]).status();
        }
    }
}

/// Process ids of the app on this desktop (a journey may run beside another).
fn pids(desktop: &Desktop) -> Result<Vec<String>> {
    let variable = format!("AUTOCREA_DATA_DIR={}", desktop.data_dir().display());
    let program = fs::canonicalize(env!("CARGO_BIN_EXE_autocrea"))?;
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let ours = fs::read_link(path.join("exe")).is_ok_and(|exe| exe == program);
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        let here = environment.split(|byte| *byte == 0).any(|one| one == variable.as_bytes());
        if ours && here {
            pids.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    Ok(pids)
}
