//! The commands. Each is a plain function that answers an exit code.

use crate::telemetry;
use autocrea_protocol::{Tokens, UserId};
use autocrea_relay::app::StartError;
use autocrea_relay::billing::{Billing, BillingError, commands};
use autocrea_relay::changes::Changes;
use autocrea_relay::check::{self, Finding, Verdict};
use autocrea_relay::clock::Clock;
use autocrea_relay::config::{self, Config, ConfigError, Database, StripeSetup};
use autocrea_relay::db::{self, BackupError, Db, DbError, Standing};
use autocrea_relay::ledger::{self, Difference, Grant};
use autocrea_relay::stripe::StripeFault;
use autocrea_relay::stripe::{api::Api, setup};
use autocrea_relay::threads::Threads;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: u8 = 64;
const UNAVAILABLE: u8 = 69;
const CONFIG: u8 = 78;

/// The AUTOCREA relay.
#[derive(Parser)]
#[command(name = "autocrea-relay", version, about)]
struct Cli {
    /// A TOML file over the defaults, otherwise `RELAY_CONFIG`; the environment is over both.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (this is what happens without a command).
    Serve,
    /// Validate the configuration and say whether the database and the services can be reached.
    Check,
    /// Apply the migrations and end.
    Migrate,
    /// Print the default configuration, with all its comments.
    DefaultConfig,
    /// Give somebody tokens.
    Grant {
        /// Clerk's id of the person.
        user: String,
        /// How many.
        #[arg(value_parser = clap::value_parser!(i64).range(1..=1_000_000_000_000))]
        tokens: i64,
        /// Why; it is kept beside the entry.
        #[arg(long, value_parser = not_blank)]
        reason: String,
        /// For how long.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=36_500))]
        days: i64,
    },
    /// Look after the events of Stripe.
    #[command(subcommand)]
    Events(EventsCommand),
    /// Ask Stripe for whatever the webhook missed, now.
    Reconcile,
    /// Look after the ledger.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Copy the database to a file while it is served (SQLite; PostgreSQL has `pg_dump`).
    Backup {
        /// It must not be there yet.
        file: PathBuf,
    },
    /// Look after the account at Stripe.
    #[command(subcommand)]
    Stripe(StripeCommand),
}

#[derive(Subcommand)]
enum StripeCommand {
    /// Make what the relay needs there, as far as it is missing, and print the variables. Needs
    /// only `STRIPE_SECRET_KEY` and `RELAY_PUBLIC_URL`.
    Setup,
}

#[derive(Subcommand)]
enum EventsCommand {
    /// A line each with id, type and state, newest first.
    List {
        /// At most so many; without it, all that are kept.
        #[arg(long)]
        limit: Option<u32>,
    },
    /// One event, with its raw body.
    Show {
        /// `evt_…`
        id: String,
    },
    /// Work on an event again.
    Replay {
        /// `evt_…`
        id: String,
    },
}

#[derive(Subcommand)]
enum LedgerCommand {
    /// Compare lots, reservations, entries and balances; non-zero on any difference.
    Verify,
}

/// What is kept for whoever asks a year later must say something.
fn not_blank(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() { Err("it says nothing") } else { Ok(text.to_owned()) }
}

fn say(line: impl std::fmt::Display) {
    writeln!(std::io::stdout(), "{line}").ok();
}

fn complain(line: impl std::fmt::Display) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            error.print().ok();
            let helped = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            return if helped { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    let command = cli.command.unwrap_or(Command::Serve);
    if matches!(command, Command::DefaultConfig) {
        write!(std::io::stdout(), "{}", config::DEFAULT).ok();
        return ExitCode::SUCCESS;
    }
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    // Not clap's business: as any other variable, one that is empty is not set.
    let named = || std::env::var_os("RELAY_CONFIG").filter(|it| !it.is_empty()).map(PathBuf::from);
    let file = cli.config.or_else(named);
    rustls::crypto::ring::default_provider().install_default().ok();
    let work = match Work::load(command, file.as_deref(), &environment) {
        Ok(work) => work,
        Err(error) => {
            complain(error);
            return ExitCode::from(CONFIG);
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("the program could not start its threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(async {
        match work {
            Work::StripeSetup(setup) => set_stripe_up(&setup).await,
            Work::Command(command, config) => {
                let traces = telemetry::start(&config.log);
                let code = execute(command, *config).await;
                traces.flush().await;
                code
            }
        }
    })
}

/// A command and what it is configured with.
enum Work {
    /// With all of it.
    Command(Command, Box<Config>),
    /// With the little that there is before there is anything else.
    StripeSetup(StripeSetup),
}

impl Work {
    fn load(
        command: Command,
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        if matches!(command, Command::Stripe(StripeCommand::Setup)) {
            return StripeSetup::load(file, environment).map(Self::StripeSetup);
        }
        let config = Config::load(file, environment)?;
        Ok(Self::Command(command, Box::new(config)))
    }
}

async fn execute(command: Command, config: Config) -> ExitCode {
    match command {
        Command::Serve => serve(config).await,
        Command::Check => check(&config).await,
        Command::Migrate => with_database(&config, |_| async { migrated() }).await,
        Command::Grant { user, tokens, reason, days } => {
            grant(&config, UserId(user), Tokens(tokens), reason, days).await
        }
        Command::Ledger(LedgerCommand::Verify) => verify(&config).await,
        Command::Events(EventsCommand::List { limit }) => {
            list_events(&config, limit.unwrap_or(u32::MAX)).await
        }
        Command::Events(EventsCommand::Show { id }) => show_event(&config, id).await,
        Command::Events(EventsCommand::Replay { id }) => replay_event(config, id).await,
        Command::Reconcile => reconcile(config).await,
        Command::Backup { file } => backup(&config, &file),
        // Neither comes this far.
        Command::DefaultConfig | Command::Stripe(_) => ExitCode::SUCCESS,
    }
}

async fn set_stripe_up(settings: &StripeSetup) -> ExitCode {
    let made = match Api::new(&settings.api_base, &settings.secret_key) {
        Ok(api) => setup::run(&api, &settings.public_url).await,
        Err(fault) => Err(fault),
    };
    match made {
        Ok(ready) => {
            write!(std::io::stdout(), "{ready}").ok();
            ExitCode::SUCCESS
        }
        Err(StripeFault::Refused { status: 401, .. }) => {
            complain("Stripe does not take STRIPE_SECRET_KEY");
            ExitCode::from(UNAVAILABLE)
        }
        Err(fault) => {
            complain(format_args!("{fault}; what was made stays, so run this again"));
            ExitCode::from(UNAVAILABLE)
        }
    }
}

fn backup(config: &Config, to: &Path) -> ExitCode {
    let Database::Sqlite(path) = &config.database else {
        complain(
            "this is for SQLite; copy PostgreSQL with `pg_dump --format=custom --no-unlogged-table-data`",
        );
        return ExitCode::from(USAGE);
    };
    match db::backup(path, to) {
        Ok(()) => {
            say(format_args!("copied to {}", to.display()));
            ExitCode::SUCCESS
        }
        Err(error @ (BackupError::Damaged(_) | BackupError::Differences(_))) => {
            complain(error);
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(error);
            ExitCode::from(UNAVAILABLE)
        }
    }
}

async fn serve(config: Config) -> ExitCode {
    let threads = match Threads::start() {
        Ok(threads) => threads,
        Err(error) => {
            complain(format_args!("the program could not start its threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let running = match autocrea_relay::start(config, threads).await {
        Ok(running) => running,
        Err(error) => {
            complain(&error);
            return match error {
                StartError::Http(_)
                | StartError::JoxCoder(_)
                | StartError::Generations(_)
                | StartError::Mail(_)
                | StartError::Stripe(_)
                | StartError::Redis(_) => ExitCode::FAILURE,
                StartError::Database(_) | StartError::Listen { .. } => ExitCode::from(UNAVAILABLE),
            };
        }
    };
    let stopping = running.app.stopping.clone();
    tokio::spawn(async move {
        asked_to_stop().await;
        tracing::info!("stopping");
        stopping.cancel();
    });
    running.ended().await;
    ExitCode::SUCCESS
}

/// Waits for the first of the two signals that ask a service to end.
async fn asked_to_stop() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        tokio::signal::ctrl_c().await.ok();
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn with_database<F>(config: &Config, work: impl FnOnce(Db) -> F) -> ExitCode
where
    F: Future<Output = Result<ExitCode, DbError>>,
{
    let worked = match Db::open(&config.database, Clock::system(), Changes::default()) {
        Ok(db) => work(db).await,
        Err(error) => Err(error),
    };
    worked.unwrap_or_else(|error| {
        complain(error);
        ExitCode::from(UNAVAILABLE)
    })
}

async fn list_events(config: &Config, limit: u32) -> ExitCode {
    with_database(config, |db| async move {
        write!(std::io::stdout(), "{}", commands::list_events(&db, limit).await?).ok();
        Ok(ExitCode::SUCCESS)
    })
    .await
}

const NO_SUCH_EVENT: &str = "there is no such event here";

async fn show_event(config: &Config, id: String) -> ExitCode {
    with_database(config, |db| async move {
        let Some(text) = commands::show_event(&db, id).await? else {
            complain(NO_SUCH_EVENT);
            return Ok(ExitCode::FAILURE);
        };
        write!(std::io::stdout(), "{text}").ok();
        Ok(ExitCode::SUCCESS)
    })
    .await
}

async fn replay_event(config: Config, id: String) -> ExitCode {
    with_billing(config, async |billing| match commands::replay_event(&billing, id).await? {
        Some(replayed) => {
            say(replayed.line);
            let Some(why) = replayed.unfinished else { return Ok(ExitCode::SUCCESS) };
            complain(format_args!(
                "it could not be worked on now ({why}); a relay that serves goes on trying"
            ));
            Ok(ExitCode::from(UNAVAILABLE))
        }
        None => {
            complain(NO_SUCH_EVENT);
            Ok(ExitCode::FAILURE)
        }
    })
    .await
}

async fn reconcile(config: Config) -> ExitCode {
    with_billing(config, async |billing| {
        commands::reconcile(&billing).await?;
        say("what stands here is what Stripe says");
        Ok(ExitCode::SUCCESS)
    })
    .await
}

async fn with_billing(
    config: Config,
    work: impl AsyncFnOnce(Arc<Billing>) -> Result<ExitCode, BillingError>,
) -> ExitCode {
    let worked = match Billing::open(config) {
        Ok(billing) => work(billing).await,
        Err(error) => Err(error),
    };
    worked.unwrap_or_else(|error| {
        complain(error);
        ExitCode::from(UNAVAILABLE)
    })
}

fn migrated() -> Result<ExitCode, DbError> {
    say("the database is migrated");
    Ok(ExitCode::SUCCESS)
}

async fn verify(config: &Config) -> ExitCode {
    with_database(config, |db| async move {
        let differences: Vec<Difference> = db.read(ledger::verify).await?;
        for difference in &differences {
            say(format_args!("{}: {}", difference.user, difference.what));
        }
        if differences.is_empty() {
            say("the ledger agrees with itself");
            return Ok(ExitCode::SUCCESS);
        }
        complain(format_args!("{} difference(s)", differences.len()));
        Ok(ExitCode::FAILURE)
    })
    .await
}

async fn grant(
    config: &Config,
    user: UserId,
    tokens: Tokens,
    reason: String,
    days: i64,
) -> ExitCode {
    with_database(config, |db| async move {
        let source = format!("grant:{}", uuid::Uuid::now_v7());
        let made = source.clone();
        let granted = db
            .write(move |tx| {
                let (now, day) = (tx.now(), 24 * 3_600_000);
                let ends_at = now.plus_millis(days * day);
                let lot = Grant { user, source, tokens, starts_at: now, ends_at, plan: None };
                ledger::grant_by_hand(tx, &lot, &reason)
            })
            .await?;
        if granted.is_none() {
            complain("nobody with that id has ever signed in here");
            return Ok(ExitCode::FAILURE);
        }
        tracing::info!(source = made, "granted by hand");
        say(format_args!("granted {tokens} tokens as {made}"));
        Ok(ExitCode::SUCCESS)
    })
    .await
}

async fn check(config: &Config) -> ExitCode {
    let mut findings = check::settings(config);
    let (database, services) = tokio::join!(database(config), check::services(config));
    findings.push(database);
    findings.extend(services);
    findings.iter().for_each(say);
    if findings.iter().any(|it| it.verdict == Verdict::Failed) {
        return ExitCode::from(UNAVAILABLE);
    }
    ExitCode::SUCCESS
}

async fn database(config: &Config) -> Finding {
    let asked = match config.database.standing().await {
        Ok(Standing::Missing) => {
            return Finding::note("database", "there is none yet; `serve` and `migrate` make it");
        }
        Ok(Standing::Behind) => {
            let seen = "reachable, and behind; `serve` and `migrate` apply what is missing";
            return Finding::note("database", seen);
        }
        Ok(Standing::Migrated) => {
            match Db::open(&config.database, Clock::system(), Changes::default()) {
                Ok(db) => db.writable().await,
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) => Finding::ok("database", "reachable, migrated and writable"),
        Err(error) => Finding::failed("database", error.to_string()),
    }
}
