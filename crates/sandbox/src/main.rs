//! `autocrea-sandbox`: the sandbox as a program. It prints one line of JSON with its addresses on
//! standard output, logs to standard error, and ends on a signal, or when standard input closes
//! if so asked (then it cannot outlive whoever started it).

use anyhow::{Context, ensure};
use autocrea_sandbox::{Options, Sandbox};
use clap::Parser;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::signal::unix::{SignalKind, signal};

/// Loopback stand-ins for Clerk, Stripe, JoxCoder and Resend.
#[derive(Debug, Parser)]
#[command(name = "autocrea-sandbox", version)]
struct Arguments {
    /// Address to listen on; only loopback is accepted.
    #[arg(long, default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Port of the index page; 0, or a port that is taken, gives way to a free one.
    #[arg(long, default_value_t = 5050)]
    index_port: u16,
    /// Port of Clerk.
    #[arg(long, default_value_t = 5051)]
    clerk_port: u16,
    /// Port of Stripe.
    #[arg(long, default_value_t = 5052)]
    stripe_port: u16,
    /// Port of JoxCoder.
    #[arg(long, default_value_t = 5053)]
    joxcoder_port: u16,
    /// Port of Resend.
    #[arg(long, default_value_t = 5054)]
    resend_port: u16,
    /// Public URL of the relay, for return addresses and webhooks.
    #[arg(long)]
    relay_url: Option<String>,
    /// Secret that signs Stripe's webhooks.
    #[arg(long)]
    webhook_secret: Option<String>,
    /// Life of an access token, in seconds.
    #[arg(long, default_value_t = 86_400)]
    access_token_secs: u64,
    /// Chunks a second of the demonstration model; 0 sends without pauses.
    #[arg(long, default_value_t = 60)]
    chunks_per_second: u32,
    /// Print an access token for a person with this address too.
    #[arg(long, value_name = "EMAIL")]
    sign_in: Option<String>,
    /// Folder for what outlasts the process.
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// End when standard input closes.
    #[arg(long)]
    end_with_stdin: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| "info,hyper=warn".into()),
        )
        .init();
    let arguments = Arguments::parse();
    ensure!(
        arguments.bind.to_string() == "127.0.0.1",
        "the sandbox listens on 127.0.0.1 and nowhere else: anybody who reaches it can be anybody"
    );
    let (relay, person) = (arguments.relay_url.clone(), arguments.sign_in.clone());
    let end_with_stdin = arguments.end_with_stdin;
    let sandbox = Sandbox::start(options(arguments)).await?;
    announce(&sandbox, relay.as_deref(), person.as_deref())?;
    tracing::info!(index = %sandbox.index_url(), "the sandbox is ready");
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
        () = stdin_closed(), if end_with_stdin => {}
    }
    drop(sandbox);
    // The thread that reads standard input cannot be interrupted; nothing is left to be done.
    std::process::exit(0)
}

fn options(arguments: Arguments) -> Options {
    let defaults = Options::default();
    Options {
        index_port: arguments.index_port,
        clerk_port: arguments.clerk_port,
        stripe_port: arguments.stripe_port,
        joxcoder_port: arguments.joxcoder_port,
        resend_port: arguments.resend_port,
        relay_public_url: arguments.relay_url,
        stripe_webhook_secret: arguments.webhook_secret.unwrap_or(defaults.stripe_webhook_secret),
        access_token_life: Duration::from_secs(arguments.access_token_secs),
        chunks_per_second: arguments.chunks_per_second,
        state_dir: arguments.state_dir,
        ..Options::default()
    }
}

/// The one line: addresses, what a relay needs, if its URL is known, and a token, if asked for.
fn announce(sandbox: &Sandbox, relay: Option<&str>, person: Option<&str>) -> anyhow::Result<()> {
    let env: Option<Map<String, Value>> = relay.map(|relay| {
        let env = sandbox.relay_env(relay).into_iter();
        env.map(|(name, value)| (name, Value::String(value))).collect()
    });
    let line = json!({
        "index": sandbox.index_url(),
        "clerk": sandbox.clerk.url(),
        "stripe": sandbox.stripe.url(),
        "joxcoder": sandbox.joxcoder.url(),
        "resend": sandbox.resend.url(),
        "relayEnv": env,
        "accessToken": person.map(|email| sandbox.clerk.access_token(email)),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("printing the addresses")
}

async fn stdin_closed() {
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0_u8; 256];
    while stdin.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}
