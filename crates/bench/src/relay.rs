//! The relay under measurement: a process of its own, of the release profile, with a database of
//! its own that has been migrated before.

use crate::clerk::{CLIENT_ID, Clerk};
use crate::http::{Conn, get};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What signs the events that the bench sends.
pub const WEBHOOK_SECRET: &str = "whsec_bench";

/// Every limit off, and answers as long as the large model's.
const CONFIGURATION: &str = "
[limits]
per_minute = 0
per_minute_address = 0
account_streams = 0
[log]
filter = \"warn\"
[plans.free]
tokens = 1_000_000_000_000
concurrency = 0
generations_per_hour = 0
max_output_tokens = 2_000_000
[joxcoder]
context_tokens = 100_000_000
";

/// Where the program is, and where its files go.
#[derive(Clone, Debug)]
pub struct Program {
    /// The release build.
    pub path: PathBuf,
    /// A folder for databases; emptied by whoever starts the bench.
    pub work: PathBuf,
}

/// Which services a relay is given.
#[derive(Clone, Debug)]
pub struct Services {
    /// `JOXCODER_URL`.
    pub model: String,
    /// `STRIPE_API_BASE`; nobody listens there unless said otherwise.
    pub stripe: String,
    /// `DATABASE_URL`; an SQLite file of its own where there is none.
    pub database: Option<String>,
    /// Variables over all others.
    pub variables: Vec<(String, String)>,
}

impl Services {
    /// With a model, on SQLite, and with nobody at Stripe's address.
    #[must_use]
    pub fn with_model(model: String) -> Self {
        let stripe = "http://127.0.0.1:9".to_owned();
        Self { model, stripe, database: None, variables: Vec::new() }
    }

    /// On another database.
    #[must_use]
    pub fn on(mut self, database: Option<&str>) -> Self {
        self.database = database.map(str::to_owned);
        self
    }
}

/// A running relay; ended when dropped.
#[derive(Debug)]
pub struct Relay {
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of its process to the first good answer of `/readyz`.
    pub ready_after: Duration,
    child: Child,
}

impl Program {
    /// Starts a relay on a fresh, migrated database and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn start(&self, clerk: &Clerk, services: &Services) -> Result<Relay> {
        let folder = self.folder()?;
        let services = self.migrated(clerk, services, &folder).await?;
        self.start_on(clerk, &services, &folder).await
    }

    /// A folder for one relay, with the configuration in it.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn folder(&self) -> Result<PathBuf> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = self.work.join(format!("relay-{number}"));
        fs::create_dir_all(&folder).context("making a folder")?;
        fs::write(folder.join("relay.toml"), CONFIGURATION)?;
        Ok(folder)
    }

    /// Migrates the database, which is no part of any figure.
    ///
    /// # Errors
    /// If that fails.
    pub async fn migrated(
        &self,
        clerk: &Clerk,
        services: &Services,
        folder: &Path,
    ) -> Result<Services> {
        let mut services = services.clone();
        let file = folder.join("relay.db");
        services.database.get_or_insert_with(|| format!("sqlite:{}", file.display()));
        let mut command = self.command(clerk, &services, folder, 0);
        let migrated =
            tokio::task::spawn_blocking(move || command.arg("migrate").output()).await??;
        ensure!(
            migrated.status.success(),
            "the database could not be migrated: {}",
            String::from_utf8_lossy(&migrated.stderr)
        );
        Ok(services)
    }

    /// Starts a relay on what is there and waits until it is ready.
    ///
    /// # Errors
    /// If it does not become ready.
    pub async fn start_on(
        &self,
        clerk: &Clerk,
        services: &Services,
        folder: &Path,
    ) -> Result<Relay> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let log = fs::File::options().create(true).append(true).open(folder.join("relay.log"))?;
        let mut command = self.command(clerk, services, folder, port);
        command.stdout(Stdio::null()).stderr(log);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("starting {}", self.path.display()))?;
        let mut relay = Relay { address, ready_after: Duration::ZERO, child };
        while !is_ready(address).await {
            if let Some(status) = relay.child.try_wait()? {
                let log = fs::read_to_string(folder.join("relay.log")).unwrap_or_default();
                bail!("the relay ended with {status}: {log}");
            }
            ensure!(began.elapsed() < Duration::from_secs(30), "the relay does not become ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        relay.ready_after = began.elapsed();
        Ok(relay)
    }

    fn command(&self, clerk: &Clerk, services: &Services, folder: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.path);
        let url = format!("http://127.0.0.1:{port}");
        command.env_clear().current_dir(folder).stdin(Stdio::null()).envs([
            ("RELAY_CONFIG", "relay.toml"),
            ("RELAY_PUBLIC_URL", &url),
            ("RELAY_BIND", url.trim_start_matches("http://")),
            ("DATABASE_URL", services.database.as_deref().unwrap_or_default()),
            ("CLERK_ISSUER", &clerk.issuer()),
            ("CLERK_OAUTH_CLIENT_ID", CLIENT_ID),
            ("JOXCODER_URL", &services.model),
            ("STRIPE_API_BASE", &services.stripe),
            ("STRIPE_SECRET_KEY", "sk_test_bench"),
            ("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET),
            ("STRIPE_CREATOR_PRICE_ID", "price_creator"),
            ("STRIPE_PRO_PRICE_ID", "price_pro"),
            ("STRIPE_BUSINESS_PRICE_ID", "price_business"),
        ]);
        command.envs(services.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

async fn is_ready(address: SocketAddr) -> bool {
    let asked = async { Conn::open(address).await?.ask(&get("/readyz", "")).await };
    asked.await.is_ok_and(|answer| answer.status == 200)
}

impl Relay {
    /// Its process, for measuring it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, in KiB.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn rss_kib(&self) -> Result<f64> {
        rss_kib(self.pid())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A process's resident memory, in KiB.
///
/// # Errors
/// If the system does not say.
pub fn rss_kib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(number.parse()?)
}
