//! The stage of a journey: a desktop (X server, session bus, keyring), the sandbox, a real relay,
//! the real app driven through WebDriver, and a browser that is played by the test.

pub mod app;
pub mod browser;
pub mod desktop;
pub mod process;
pub mod relay;
pub mod steps;

use anyhow::Result;
use app::App;
use autocrea_sandbox::Sandbox;
use browser::Browser;
use desktop::Desktop;
use relay::Relay;
use std::time::{Duration, Instant};

/// Everything that a journey needs. Whatever it started ends with it.
pub struct Stage {
    pub app: App,
    pub browser: Browser,
    pub relay: Relay,
    pub sandbox: Sandbox,
    pub desktop: Desktop,
}

impl Stage {
    /// Sets the stage in a language (`es`, `en`) and opens the app for the first time.
    pub async fn set(language: &str) -> Result<Self> {
        Self::set_on(Desktop::start(language)?, &[]).await
    }

    /// The same, with further variables for the relay.
    pub async fn set_with(language: &str, relay_variables: &[(&str, &str)]) -> Result<Self> {
        Self::set_on(Desktop::start(language)?, relay_variables).await
    }

    /// The same, on a desktop that was prepared.
    pub async fn set_on(desktop: Desktop, relay_variables: &[(&str, &str)]) -> Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let relay_port = process::free_port()?;
        let relay_url = format!("http://127.0.0.1:{relay_port}");
        let sandbox = Sandbox::start(autocrea_sandbox::Options {
            relay_public_url: Some(relay_url.clone()),
            ..autocrea_sandbox::Options::default()
        })
        .await?;
        let mut variables = sandbox.relay_env(&relay_url);
        for (name, value) in relay_variables {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        let relay = Relay::start(relay_port, desktop.folder("relay")?, variables).await?;
        let browser = Browser::new(&desktop)?;
        let app = App::open(&desktop, &relay_url, None).await?;
        Ok(Self { app, browser, relay, sandbox, desktop })
    }

    /// Opens the app again after it was closed or killed, as a click on its icon would.
    pub async fn open_app(&mut self) -> Result<()> {
        self.app = App::open(&self.desktop, &self.relay.url, None).await?;
        Ok(())
    }

    /// Opens the app with a link, as the system does when it is not running.
    pub async fn open_app_with(&mut self, link: &str) -> Result<()> {
        self.app = App::open(&self.desktop, &self.relay.url, Some(link)).await?;
        Ok(())
    }
}

/// The last that was to be seen, under the journey's name: most failures are plain in it.
impl Drop for Stage {
    fn drop(&mut self) {
        let name = std::thread::current().name().unwrap_or("journey").replace("::", "-");
        let _ = self.desktop.picture(&format!("last-{name}"));
    }
}

/// How long anything may take. Far more than it needs: a loaded machine is not a defect.
const PATIENCE: Duration = Duration::from_mins(3);

/// Asks until the answer is there. Says what was waited for when it never comes.
pub async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) if Instant::now() < deadline => {}
            Ok(None) => anyhow::bail!("waited long enough for {what}"),
            Err(error) if Instant::now() < deadline => drop(error),
            Err(error) => return Err(error.context(format!("waiting for {what}"))),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
