//! `cargo xtask run`: the whole product on one machine. Each outside service is the sandbox's
//! twin unless its variables are set; the relay and the app are the real ones and are only given
//! addresses. Everything that was started ends with the window.

use crate::command::{Background, Command, cargo};
use crate::environment::{Environment, port};
use crate::model::{self, Model};
use crate::{page, system};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

#[derive(clap::Args)]
pub struct Options {
    /// `demo`, `smollm2` (a real, tiny model; fetched once), or the URL of an OpenAI-compatible
    /// endpoint that ends in /v1.
    #[arg(long)]
    model: Option<String>,
    /// Where this run keeps its data.
    #[arg(long, default_value = ".run")]
    data: PathBuf,
    /// Forget what earlier runs left in the data folder.
    #[arg(long)]
    fresh: bool,
}

/// A service that the sandbox has a twin of: the variable that says "use the real one", and the
/// prefix of all that goes with it.
const SERVICES: [(&str, &str, &str); 3] = [
    ("Clerk", "CLERK_ISSUER", "CLERK_"),
    ("Stripe", "STRIPE_SECRET_KEY", "STRIPE_"),
    ("Resend", "RESEND_API_KEY", "RESEND_"),
];

pub fn run(options: &Options) -> Result<()> {
    let packages: Vec<&str> = system::BUILD.iter().chain(&system::RUN).copied().collect();
    system::ensure(&packages)?;
    page::build()?;
    // The same selection as the tests', so that neither makes the other build again.
    cargo(["build", "--workspace", "--bins", "--locked"]).run()?;
    if std::env::var_os("DISPLAY").is_none() && std::env::var_os("WAYLAND_DISPLAY").is_none() {
        bail!("there is no display to open a window on (DISPLAY and WAYLAND_DISPLAY are not set)");
    }

    let data = crate::root().join(&options.data);
    if options.fresh && data.exists() {
        fs::remove_dir_all(&data).context("forgetting earlier runs")?;
    }
    fs::create_dir_all(&data)?;
    let environment = Environment::read()?;
    let model = model::choose(options.model.as_deref(), &environment)?;

    let relay_port = port(5000)?;
    let relay_url = format!("http://127.0.0.1:{relay_port}");
    let sandbox = Sandbox::start(&relay_url, &data, &[])?;
    let _relay = start_relay(&environment, &sandbox, &model, relay_port, &relay_url, &data)?;
    introduce(&environment, &sandbox, &model, &relay_url);
    run_app(&relay_url, &data)
}

/// The sandbox, and what it said of itself.
pub struct Sandbox {
    _process: Background,
    index: String,
    /// What a relay beside it is configured with.
    pub relay_variables: BTreeMap<String, String>,
    /// Of the person who was named with `--sign-in`.
    pub access_token: String,
}

impl Sandbox {
    /// Starts it for a relay at `relay_url`, with options of its own besides.
    pub fn start(relay_url: &str, data: &Path, options: &[&str]) -> Result<Self> {
        let log = fs::File::create(data.join("sandbox.log"))?;
        let command = Command::new(program("autocrea-sandbox"), ["--relay-url", relay_url])
            .arg("--state-dir")
            .arg(data.join("sandbox"));
        let mut process =
            options.iter().fold(command, Command::arg).start(Stdio::piped(), Stdio::from(log))?;
        let stdout = process.child.stdout.take().context("the sandbox's output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        process.check()?;
        let said: serde_json::Value =
            serde_json::from_str(&line).context("the sandbox's line with its addresses")?;
        Ok(Self {
            _process: process,
            index: said["index"].as_str().unwrap_or_default().to_owned(),
            access_token: said["accessToken"].as_str().unwrap_or_default().to_owned(),
            relay_variables: serde_json::from_value(said["relayEnv"].clone())
                .context("the sandbox's variables for a relay")?,
        })
    }
}

fn start_relay(
    environment: &Environment,
    sandbox: &Sandbox,
    model: &Model,
    port: u16,
    url: &str,
    data: &Path,
) -> Result<Background> {
    let mut variables = sandbox.relay_variables.clone();
    for (_, decisive, prefix) in SERVICES {
        if environment.has(decisive) {
            variables.retain(|name, _| !name.starts_with(prefix));
            variables.extend(environment.starting_with(&[prefix]));
        }
    }
    if !model.variables.is_empty() {
        variables.retain(|name, _| !name.starts_with("JOXCODER_"));
        variables.extend(environment.starting_with(&["JOXCODER_", "HF_TOKEN"]));
        variables.extend(model.variables.iter().cloned());
    }
    variables.insert("DATABASE_URL".into(), format!("sqlite:{}", data.join("relay.db").display()));
    variables.insert("RELAY_BIND".into(), format!("127.0.0.1:{port}"));
    variables.insert("RELAY_PUBLIC_URL".into(), url.into());
    variables.insert("LOG_FORMAT".into(), "text".into());
    variables.extend(environment.starting_with(&["RELAY_", "DATABASE_URL", "REDIS_URL", "LOG_"]));

    let mut command = Command::new(program("autocrea-relay"), ["serve"]);
    for (name, value) in variables {
        command = command.env(name, value);
    }
    let log = fs::File::create(data.join("relay.log"))?;
    let mut relay = command.start(Stdio::from(log.try_clone()?), Stdio::from(log))?;
    await_ready(&mut relay, port, &data.join("relay.log"))?;
    Ok(relay)
}

/// Waits until a relay that was started says that it is ready.
pub fn await_ready(relay: &mut Background, port: u16, log: &Path) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !answers(port, "/readyz") {
        relay.check()?;
        if Instant::now() > deadline {
            bail!("the relay is not ready after 30 s; its log is {}", log.display());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether a loopback port answers a path with 200.
fn answers(port: u16, path: &str) -> bool {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}

fn introduce(environment: &Environment, sandbox: &Sandbox, model: &Model, relay_url: &str) {
    println!("\n  Relay     {relay_url}");
    println!("  Sandbox   {}   (people, mails, webhooks, switches)", sandbox.index);
    println!("  Model     {}", model.name);
    for (name, decisive, _) in SERVICES {
        let which = if environment.has(decisive) { "the real one" } else { "the sandbox's" };
        println!("  {name:9} {which}");
    }
    println!("\n  Test cards: 4242 4242 4242 4242 pays, 4000 0000 0000 0002 is declined.");
    println!("  Close the window to end everything.\n");
}

fn run_app(relay_url: &str, data: &Path) -> Result<()> {
    let mut app = Command::new(program("autocrea"), [] as [&str; 0])
        .env("AUTOCREA_DATA_DIR", data.join("app"))
        .env("AUTOCREA_RELAY_URL", relay_url)
        .start(Stdio::inherit(), Stdio::inherit())?;
    let status = app.child.wait()?;
    if !status.success() {
        bail!("the app ended with {status}; its logs are in {}", data.join("app/logs").display());
    }
    Ok(())
}

/// A program of ours, as `cargo build` left it.
pub fn program(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::root().join("target"), PathBuf::from);
    target.join("debug").join(name)
}
