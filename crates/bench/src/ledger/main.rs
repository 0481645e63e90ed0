//! `ledger_share_sqlite`, `ledger_share_postgres`: reserve and settle against their raw statements.
//!
//! 16 people reserve and settle one generation after another through the relay's own
//! `ledger::reserve` and `ledger::settle`, each a transaction that is durable before it answers.
//! The baseline is the statements that those two send ([`statements`]), prepared, from 16 clients,
//! in transactions of the same shape: on SQLite by a thread that commits whatever has queued up in
//! one go, on PostgreSQL by pgbench with two threads. Two seconds each in turn; the median of five
//! rounds' ratios of pairs a second.
//!
//! A program of its own, because only this part calls into the relay; it prints
//! `{"ledger_share_…": [share, baseline]}`.

mod postgres;
mod sqlite;
mod statements;

use anyhow::{Context, Result, bail};
use autocrea_protocol::{GenerationId, Tokens, UserId};
use autocrea_relay::changes::Changes;
use autocrea_relay::clock::Clock;
use autocrea_relay::config::Config;
use autocrea_relay::db::{Db, DbError};
use autocrea_relay::ledger::{self, EndedOutcome, ReserveOutcome, ReserveRequest};
use autocrea_relay::{account, lang::Lang};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// People, clients, tasks.
const AT_ONCE: usize = 16;
const RESERVE: Tokens = Tokens(1000);
const CHARGE: Tokens = Tokens(500);

struct Options {
    folder: PathBuf,
    rounds: usize,
    window: Duration,
    postgres: Option<(String, PathBuf)>,
}

fn options() -> Result<Options> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().context("a folder is missing")?.into();
    let quick = arguments.next().context("quick or whole is missing")? == "quick";
    let postgres = arguments.next().zip(arguments.next().map(PathBuf::from));
    let (rounds, window) = if quick { (3, 700) } else { (5, 2000) };
    Ok(Options { folder, rounds, window: Duration::from_millis(window), postgres })
}

fn main() -> Result<()> {
    let options = options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let said = runtime.block_on(async {
        let mut said = serde_json::Map::new();
        said.insert("ledger_share_sqlite".into(), on_sqlite(&options).await?.into());
        if let Some((url, pgbench)) = &options.postgres {
            let figure = on_postgres(&options, url, pgbench).await?;
            said.insert("ledger_share_postgres".into(), figure.into());
        }
        Ok::<_, anyhow::Error>(said)
    })?;
    writeln!(std::io::stdout(), "{}", serde_json::Value::from(said))?;
    Ok(())
}

fn people(kind: &str) -> Vec<UserId> {
    (0..AT_ONCE).map(|index| UserId(format!("{kind}{index}"))).collect()
}

async fn on_sqlite(options: &Options) -> Result<Vec<f64>> {
    let address = |name: &str| format!("sqlite:{}", options.folder.join(name).display());
    let db = open(&address("ledger.db"), "relay").await?;
    drop(open(&address("raw.db"), "raw").await?);
    let raw = sqlite::Raw::open(&options.folder.join("raw.db"))?;
    compare(options, "SQLite", &db, async || raw.pairs_a_second(options.window).await).await
}

async fn on_postgres(options: &Options, url: &str, pgbench: &Path) -> Result<Vec<f64>> {
    let db = open(url, "relay").await?;
    drop(open(url, "raw").await?);
    let raw = postgres::Raw::new(&options.folder, url, pgbench)?;
    compare(options, "PostgreSQL", &db, async || raw.pairs_a_second(options.window)).await
}

/// In turn, round by round: the median of the relay's shares, and of what the raw side did.
async fn compare(
    options: &Options,
    engine: &str,
    db: &Db,
    raw: impl AsyncFn() -> Result<f64>,
) -> Result<Vec<f64>> {
    let (mut shares, mut baseline) = (Vec::new(), Vec::new());
    for round in 0..=options.rounds {
        let peer = raw().await?;
        let pairs = pairs_a_second(db, options.window).await?;
        report(engine, peer, pairs)?;
        // The first round warms everything up.
        if round > 0 {
            baseline.push(peer);
            shares.push(pairs / peer);
        }
    }
    Ok(vec![median(&mut shares), median(&mut baseline)])
}

fn report(engine: &str, raw: f64, pairs: f64) -> Result<()> {
    writeln!(
        std::io::stderr(),
        "ledger on {engine}: {raw:.0} pairs/s raw, {pairs:.0} by the relay"
    )?;
    Ok(())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A migrated database with the people in it, each with one lot that does not run out.
async fn open(address: &str, kind: &str) -> Result<Db> {
    let mut environment: BTreeMap<String, String> =
        NOWHERE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    environment.insert("DATABASE_URL".to_owned(), address.to_owned());
    let config = Config::from_layers(Some(PLENTY), &environment)?;
    let db = Db::open(&config.database, Clock::system(), Changes::default())?;
    for user in people(kind) {
        let plans = config.plans.clone();
        let made = db.write(move |tx| account::see(tx, &user, Lang::Es, &plans)).await;
        made.map_err(|error: DbError| error)?;
    }
    Ok(db)
}

const PLENTY: &str = "[plans.free]\ntokens = 1_000_000_000_000\n";

/// What a configuration needs to be valid; nothing of it is reached.
const NOWHERE: [(&str, &str); 9] = [
    ("RELAY_PUBLIC_URL", "http://127.0.0.1:5000"),
    ("CLERK_ISSUER", "http://127.0.0.1:9"),
    ("CLERK_OAUTH_CLIENT_ID", "bench"),
    ("JOXCODER_URL", "http://127.0.0.1:9/v1"),
    ("STRIPE_SECRET_KEY", "sk_test_bench"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_bench"),
    ("STRIPE_CREATOR_PRICE_ID", "price_creator"),
    ("STRIPE_PRO_PRICE_ID", "price_pro"),
    ("STRIPE_BUSINESS_PRICE_ID", "price_business"),
];

/// Reserves and settles through the relay's functions, everybody at once.
async fn pairs_a_second(db: &Db, window: Duration) -> Result<f64> {
    let began = Instant::now();
    let mut everybody = JoinSet::new();
    for user in people("relay") {
        let db = db.clone();
        everybody.spawn(async move {
            let mut pairs = 0_u32;
            while began.elapsed() < window {
                pair(&db, &user).await?;
                pairs += 1;
            }
            Ok::<_, anyhow::Error>(pairs)
        });
    }
    let mut pairs = 0;
    while let Some(one) = everybody.join_next().await {
        pairs += one??;
    }
    Ok(f64::from(pairs) / began.elapsed().as_secs_f64())
}

async fn pair(db: &Db, user: &UserId) -> Result<()> {
    let generation = GenerationId(uuid::Uuid::now_v7());
    let lease = "lease".to_owned();
    let request = ReserveRequest { user: user.clone(), generation, tokens: RESERVE, lease };
    let reserved = db.write(move |tx| ledger::reserve(tx, &request)).await;
    if !matches!(reserved.map_err(|it: DbError| it)?, ReserveOutcome::Reserved { .. }) {
        bail!("nothing was reserved");
    }
    let user = user.clone();
    let settled = db.write(move |tx| ledger::settle(tx, &user, generation, CHARGE)).await;
    if !matches!(settled.map_err(|it: DbError| it)?, EndedOutcome::Ended(_)) {
        bail!("nothing was settled");
    }
    Ok(())
}
