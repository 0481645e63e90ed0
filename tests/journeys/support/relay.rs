//! The real relay, as a program that can be killed and started again on the same port and data.

use super::process::{Background, clean, ours};
use super::until;
use anyhow::Result;
use std::fs::File;
use std::path::PathBuf;

/// A relay and what it needs to be started again.
pub struct Relay {
    pub url: String,
    folder: PathBuf,
    variables: Vec<(String, String)>,
    process: Option<Background>,
}

impl Relay {
    /// Starts it and waits until it is ready.
    pub async fn start(
        port: u16,
        folder: PathBuf,
        variables: Vec<(String, String)>,
    ) -> Result<Self> {
        let mut variables = variables;
        variables.push(("RELAY_BIND".into(), format!("127.0.0.1:{port}")));
        variables
            .push(("DATABASE_URL".into(), format!("sqlite:{}", folder.join("relay.db").display())));
        let url = format!("http://127.0.0.1:{port}");
        let mut relay = Self { url, folder, variables, process: None };
        relay.again().await?;
        Ok(relay)
    }

    /// Starts it again after [`Relay::kill`].
    pub async fn again(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.join("relay.log"))?;
        let mut command = clean(ours("autocrea-relay"));
        command.arg("serve").current_dir(&self.folder);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        self.process = Some(Background::start(command.stdout(log.try_clone()?).stderr(log))?);
        let ready = format!("{}/readyz", self.url);
        until("the relay to be ready", || async {
            Ok(reqwest::get(&ready).await?.status().is_success().then_some(()))
        })
        .await
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }
}
