//! Everything that a request or a worker needs, made once at start.

use crate::auth::Clerk;
use crate::billing::Billing;
use crate::billing::intake::Intake;
use crate::changes::Changes;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Aside, Db, DbError, Lock};
use crate::generation::{Generations, OpenError};
use crate::joxcoder::{self, JoxCoder};
use crate::lease::Lease;
use crate::ledger;
use crate::limits::Limits;
use crate::mail::{self, Mail};
use crate::places::Places;
use crate::redis::{self, Redis, fanout};
use crate::snapshots::Snapshots;
use crate::stripe::StripeFault;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long running generations are given when the relay stops.
const GENERATION_GRACE: Duration = Duration::from_secs(30);

/// Why the relay could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error("the database cannot be used: {0}")]
    Database(#[from] DbError),
    /// The generations' spool.
    #[error("the generations cannot be kept: {0}")]
    Generations(#[from] OpenError),
    /// The mails' keys or client.
    #[error("mails cannot be sent: {0}")]
    Mail(#[from] mail::OpenError),
    /// The model's client could not be made.
    #[error(transparent)]
    JoxCoder(#[from] joxcoder::OpenError),
    /// Stripe's client could not be made.
    #[error(transparent)]
    Stripe(#[from] StripeFault),
    /// An HTTP client could not be made.
    #[error("an HTTP client could not be made: {0}")]
    Http(#[from] reqwest::Error),
    /// Redis's address is none.
    #[error("Redis's address cannot be used: {}", .0.category())]
    Redis(::redis::RedisError),
    /// The address to listen on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// The relay, without its listener. Handlers have it as `State<Arc<App>>`.
pub struct App {
    /// The configuration.
    pub config: Arc<Config>,
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Watchers of accounts.
    pub changes: Changes,
    /// Requests a minute.
    pub limits: Limits,
    /// Account streams at once.
    pub places: Places,
    /// What the app is shown.
    pub snapshots: Snapshots,
    /// Redis, where there is one.
    pub redis: Option<Redis>,
    /// The identity provider.
    pub clerk: Clerk,
    /// Plans and payments.
    pub billing: Arc<Billing>,
    /// Where Stripe's events come in.
    pub intake: Intake,
    /// What people are told.
    pub mail: Arc<Mail>,
    /// This process's lease on the reservations that it makes.
    pub lease: Lease,
    /// Cancelled when the relay begins to stop: no new work, streams of events say goodbye.
    pub stopping: CancellationToken,
    /// Everything that runs beside requests; waited for at the end.
    pub tasks: TaskTracker,
    /// The generations that run, and what is kept of those that ended.
    pub generations: Generations,
    /// Last, so that it is given back after the database has been closed.
    _lock: Option<Lock>,
}

impl App {
    /// Opens everything. With SQLite there is one process, so reservations that are still open
    /// belong to one that has died; they are released here. Where others share the database, they
    /// may well be alive: their leases say so.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open(config: Config, clock: Clock) -> Result<Arc<Self>, StartError> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let changes = Changes::default();
        let lock = Db::lock(&config.database).await?;
        let db = Db::open(&config.database, clock.clone(), changes.clone())?;
        if !db.is_shared() {
            let abandoned = db.write(ledger::release_all_open).await?;
            if !abandoned.is_empty() {
                let count = abandoned.len();
                tracing::info!(count, "released what an earlier process had reserved");
            }
        }
        let redis = redis(&config, &db).await?;
        let lease = Lease::take(db.clone()).await?;
        let aside = if config.limits.any() { db.aside(Aside::PATIENCE).await } else { None };
        let clerk = Clerk::new(config.clerk.clone())?;
        let joxcoder = JoxCoder::new(&config.joxcoder, config.generation.clone())?;
        let config = Arc::new(config);
        let generations = Generations::open(
            Arc::clone(&config),
            db.clone(),
            clock.clone(),
            joxcoder,
            lease.id().to_owned(),
        )
        .await?;
        let stopping = CancellationToken::new();
        let billing =
            Billing::new(Arc::clone(&config), db.clone(), clock.clone(), stopping.clone())?;
        let mail =
            Mail::open(Arc::clone(&config), db.clone(), clock.clone(), stopping.clone()).await?;
        Ok(Arc::new(Self {
            limits: Limits::new(&config.limits, redis.clone(), aside.clone()),
            places: Places::new(config.limits.account_streams, aside, lease.id()),
            snapshots: Snapshots::new(redis.clone()),
            redis,
            config,
            intake: Intake::new(db.clone()),
            db,
            clock,
            changes,
            clerk,
            lease,
            generations,
            billing,
            mail,
            stopping,
            tasks: TaskTracker::new(),
            _lock: lock,
        }))
    }

    /// Redis carries what replicas tell each other, where there are both.
    fn start_fanout(&self) {
        let Some(redis) = self.redis.clone() else { return };
        let Some((changed, line)) = self.db.divert() else { return };
        let own = self.lease.id().to_owned();
        let hearing = fanout::hear(redis.clone(), own.clone(), self.changes.clone());
        self.tasks.spawn(self.stopping.clone().run_until_cancelled_owned(hearing));
        // Ends with the database, so that the last commits are told too.
        tokio::spawn(fanout::tell(redis, own, changed, move |users| line.tell(users)));
    }

    /// Starts what runs beside requests. Each worker ends by itself when `stopping` is cancelled.
    pub fn start_workers(self: &Arc<Self>) {
        self.start_fanout();
        self.tasks.spawn(crate::news::run(Arc::clone(self)));
        self.tasks.spawn(crate::sweep::run(Arc::clone(self)));
        self.tasks.spawn(crate::sweep::follow_others(Arc::clone(self)));
        let (generations, stopping) = (self.generations.clone(), self.stopping.clone());
        let (lease, kept) = (self.lease.clone(), self.lease.clone());
        self.tasks.spawn(async move { kept.keep().await });
        self.tasks.spawn(async move {
            generations.keep_swept(stopping).await;
            generations.drain(GENERATION_GRACE).await;
            lease.give_back().await;
        });
        self.tasks.spawn(crate::billing::worker::run(Arc::clone(&self.billing)));
        self.tasks.spawn(crate::billing::departed::run(Arc::clone(&self.billing)));
        self.tasks.spawn(crate::billing::reconcile::run(Arc::clone(&self.billing)));
        self.tasks.spawn(mail::worker::run(Arc::clone(&self.mail)));
    }
}

async fn redis(config: &Config, db: &Db) -> Result<Option<Redis>, StartError> {
    let Some(address) = &config.redis_url else { return Ok(None) };
    let mark = redis::mark(db).await?;
    Redis::open(address, mark).map(Some).map_err(StartError::Redis)
}
