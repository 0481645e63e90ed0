//! Generations: reserve, run, settle or release.
//!
//! ```text
//! request → store::begin (row + reservation, one transaction) → run (model → Live) → store::finish
//!                                                                     │
//!                                            clients ← follow ← Live ─┴→ spool (≤ 100 ms behind)
//! ```
//!
//! A generation belongs to a person and an id, not to a connection: [`Generations::start`] begins it
//! once and whoever asks again attaches; [`Generations::attach`] finds it while it runs, and in the
//! spool for a while after. Its end is one transaction, and before that everything said is in the
//! spool, so that what is charged for can be fetched.
//!
//! When this process dies its running generations end as `interrupted`, for nothing: the next time it
//! starts ([`Generations::open`]), or, where replicas share the database, once its lease has run out.
//! Those may be attached to and stopped through any replica ([`elsewhere`]).
//!
//! Deliberately not here: HTTP, who the person is, and how lots are spent.

mod elsewhere;
mod farewell;
mod follow;
mod live;
mod meter;
pub mod request;
mod run;
mod spool;
pub mod stops;
pub mod store;
mod wire;

pub use farewell::ForgetError;
pub use follow::{Gone, follow};
pub use live::{End, Key, Live, Outcome, StopReason};
pub use spool::{Spool, SpoolError};

use crate::ceiling::Ceiling;
use crate::clock::Clock;
use crate::config::Config;
use crate::counter::Counter;
use crate::db::{Db, DbError};
use crate::joxcoder::{JoxCoder, Question};
use crate::metrics;
use autocrea_protocol::generation::{GenerateRequest, StreamCode};
use autocrea_protocol::{Tokens, UserId};
use futures_util::FutureExt as _;
use meter::Meter;
use parking_lot::Mutex;
use request::HashKey;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use store::{Begun, Refusal, Stored, Wish};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a stop waits for the end, so that whoever asks for the balance next sees it.
const STOP_WAITS: Duration = Duration::from_secs(2);
/// How often the end is tried again while the database refuses it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest between two sweeps of the spool.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Why a generation does not begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its id was used for something else, or its text is no longer kept.
    #[error("the generation's id has been used")]
    Conflict,
    /// A rule of the plan.
    #[error("a limit of the plan is in the way")]
    Refused(Refusal),
    /// The relay is shutting down.
    #[error("no new generations are taken")]
    Closing,
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The spool could not be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The beginning itself broke down.
    #[error("the generation could not be begun")]
    Broken,
}

/// Why the generations cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The system gives no randomness.
    #[error("no randomness: {0}")]
    Random(getrandom::Error),
}

/// What has been begun and is to be run.
struct Course {
    question: Question,
    ceiling: Ceiling,
}

/// The generations of this process; cheap to clone.
#[derive(Clone)]
pub struct Generations(Arc<Inner>);

struct Inner {
    config: Arc<Config>,
    db: Db,
    clock: Clock,
    joxcoder: JoxCoder,
    spool: Spool,
    lease: String,
    hash_key: HashKey,
    running: Mutex<HashMap<Key, Arc<Live>>>,
    /// What is followed here and runs on another replica.
    elsewhere: Mutex<HashMap<Key, Weak<Live>>>,
    closing: AtomicBool,
}

impl Generations {
    /// Opens the spool beside the database and ends what a former process was running.
    ///
    /// # Errors
    /// If the spool or the database cannot be used.
    pub async fn open(
        config: Arc<Config>,
        db: Db,
        clock: Clock,
        joxcoder: JoxCoder,
        lease: String,
    ) -> Result<Self, OpenError> {
        let spool = Spool::open(&config.database)?;
        let mut fresh = [0; 64];
        getrandom::fill(&mut fresh).map_err(OpenError::Random)?;
        let shared = db.is_shared();
        let (hash_key, interrupted) = db
            .write(move |tx| {
                let key = store::hash_key(tx, &fresh)?;
                let interrupted = if shared { 0 } else { store::interrupt_all(tx)? };
                Ok::<_, DbError>((key, interrupted))
            })
            .await?;
        if interrupted > 0 {
            tracing::warn!(interrupted, "generations of a former process were released");
        }
        spool.end_orphans(clock.now()).await?;
        let generations = Self(Arc::new(Inner {
            config,
            db,
            clock,
            joxcoder,
            spool,
            lease,
            hash_key,
            running: Mutex::default(),
            elsewhere: Mutex::default(),
            closing: AtomicBool::new(false),
        }));
        generations.sweep().await?;
        if generations.0.db.is_shared() {
            tokio::spawn(Self::heed(Arc::downgrade(&generations.0)));
        }
        Ok(generations)
    }

    /// Begins a generation, or attaches to the one that its id and payload began before.
    ///
    /// # Errors
    /// [`StartError`]; nothing has then been reserved by this call.
    pub async fn start(
        &self,
        user: UserId,
        request: GenerateRequest,
    ) -> Result<Arc<Live>, StartError> {
        if self.0.closing.load(Ordering::Acquire) {
            return Err(StartError::Closing);
        }
        // In a task of its own: a client that goes away drops its request, and a reservation that
        // has been made must be run all the same.
        let (this, (tell, told)) = (self.clone(), oneshot::channel());
        tokio::spawn(async move {
            match this.begin(user, request).await {
                Ok((live, course)) => {
                    tell.send(Ok(Arc::clone(&live))).ok();
                    if let Some(Course { question, ceiling }) = course {
                        this.run(live, question, ceiling).await;
                    }
                }
                Err(error) => drop(tell.send(Err(error))),
            }
        });
        told.await.map_err(|_| StartError::Broken)?
    }

    /// The generation, and what is to be run if it has been begun by this.
    async fn begin(
        &self,
        user: UserId,
        request: GenerateRequest,
    ) -> Result<(Arc<Live>, Option<Course>), StartError> {
        let key = Key { user, generation: request.generation_id };
        let payload_hash = request::payload_hash(&self.0.hash_key, &request);
        let messages = Arc::new(request.messages);
        let wish = Wish {
            key: key.clone(),
            payload_hash,
            role: request.role,
            input: self.counter().messages(&messages).await,
            requested: request.max_output_tokens,
            lease: self.0.lease.clone(),
        };
        // The generation can be found from inside the transaction on: whoever sees its row must
        // find it running.
        let made = Arc::new(OnceLock::new());
        let (this, slot) = (self.clone(), Arc::clone(&made));
        let begun = self.0.db.jot(move |tx| {
            let begun = store::begin(tx, &this.0.config.plans, &wish)?;
            if let Begun::New(reserved, _) = &begun {
                let live = slot.get_or_init(|| Arc::new(Live::new(wish.key, reserved.clone())));
                this.0.running.lock().insert(live.key.clone(), Arc::clone(live));
            }
            Ok::<_, DbError>(begun)
        });
        let begun = begun.await.inspect_err(|_| {
            if let Some(live) = made.get().cloned() {
                self.disown(live);
            }
        })?;
        match begun {
            Begun::Refused(refusal) => Err(StartError::Refused(refusal)),
            Begun::Known(stored) if stored.payload_hash == payload_hash => {
                let live = self.attach_known(key, *stored).await?;
                Ok((live.ok_or(StartError::Conflict)?, None))
            }
            Begun::Known(_) => Err(StartError::Conflict),
            Begun::New(reserved, ceiling) => {
                metrics::reserved(reserved.reserved.get());
                let live = Arc::clone(made.get().ok_or(StartError::Broken)?);
                let messages = Arc::unwrap_or_clone(messages);
                let question = Question { messages, max_output: ceiling.output };
                Ok((live, Some(Course { question, ceiling })))
            }
        }
    }

    /// The generation under this key, running or kept; `None` if there is none.
    ///
    /// # Errors
    /// If the database or the spool refuses.
    pub async fn attach(&self, key: &Key) -> Result<Option<Arc<Live>>, StartError> {
        if let Some(live) = self.running(key) {
            return Ok(Some(live));
        }
        match self.find(key).await? {
            Some(stored) => self.attach_known(key.clone(), stored).await,
            None => Ok(None),
        }
    }

    async fn attach_known(
        &self,
        key: Key,
        mut stored: Stored,
    ) -> Result<Option<Arc<Live>>, StartError> {
        loop {
            if let Some(ended) = stored.ended {
                let ttl = self.0.config.generation.spool_ttl.as_millis();
                let ttl = i64::try_from(ttl).unwrap_or(i64::MAX);
                if self.0.clock.now().millis_since(ended.at) >= ttl {
                    return Ok(None);
                }
                let kept = self.0.spool.last(&key).await?;
                let last = ended.last.unwrap_or(kept);
                let live = Live::ended(key, stored.reserved, last, ended.end);
                return Ok((kept >= last).then(|| Arc::new(live)));
            }
            if let Some(live) = self.running(&key) {
                return Ok(Some(live));
            }
            if self.is_elsewhere(&stored) {
                return Ok(Some(self.follow_elsewhere(key, &stored).await?));
            }
            // It has ended since its row was read, or its beginning is not quite over.
            sleep(Duration::from_millis(5)).await;
            match self.find(&key).await? {
                Some(again) => stored = again,
                None => return Ok(None),
            }
        }
    }

    /// Stops a generation; false if there is none. One that has ended stays as it is.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn stop(&self, key: &Key) -> Result<bool, DbError> {
        let Some(live) = self.running(key) else {
            let Some(stored) = self.find(key).await? else { return Ok(false) };
            if stored.ended.is_none() && self.is_elsewhere(&stored) {
                self.stop_elsewhere(key, &stored).await?;
            }
            return Ok(true);
        };
        live.stop(StopReason::Creator);
        // It is being stopped, whether or not that is over by then.
        timeout(STOP_WAITS, live.wait_end()).await.ok();
        Ok(true)
    }

    /// The spool, to follow a generation with.
    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.0.spool
    }

    /// Removes from the spool what has been kept for long enough.
    ///
    /// # Errors
    /// If the spool refuses.
    pub async fn sweep(&self) -> Result<usize, SpoolError> {
        let ttl = i64::try_from(self.0.config.generation.spool_ttl.as_millis());
        let until = self.0.clock.now().plus_millis(-ttl.unwrap_or(i64::MAX));
        self.0.spool.sweep(until).await
    }

    /// Sweeps now and then until told to stop.
    pub async fn keep_swept(&self, stop: CancellationToken) {
        let pause = SWEEP_EVERY.min(self.0.config.generation.spool_ttl / 4);
        let pause = pause.max(Duration::from_millis(250));
        while timeout(pause, stop.cancelled()).await.is_err() {
            if let Err(fault) = self.sweep().await {
                tracing::error!(%fault, "the spool could not be swept");
            }
        }
    }

    /// How many this process runs.
    #[must_use]
    pub fn running_count(&self) -> usize {
        self.0.running.lock().len()
    }

    fn running(&self, key: &Key) -> Option<Arc<Live>> {
        self.0.running.lock().get(key).cloned()
    }

    async fn find(&self, key: &Key) -> Result<Option<Stored>, DbError> {
        let key = key.clone();
        self.0.db.read(move |tx| store::find(tx, &key)).await
    }

    fn counter(&self) -> &Counter {
        &self.0.config.joxcoder.counter
    }

    async fn run(&self, live: Arc<Live>, question: Question, ceiling: Ceiling) {
        let meter = Meter::new(ceiling, self.counter().clone());
        let run = run::run(&self.0.joxcoder, &self.0.spool, &live, question, meter);
        // A runner that panics has failed, and must not keep what it holds.
        let outcome = AssertUnwindSafe(run).catch_unwind().await;
        let outcome = outcome.unwrap_or(Outcome::Failed(StreamCode::Interrupted));
        self.finish(&live, outcome).await;
    }

    async fn finish(&self, live: &Arc<Live>, mut outcome: Outcome) {
        let last = live.last();
        if last > 0 && self.0.spool.flush(live).await.is_err() {
            // What cannot be fetched again must not be charged for.
            outcome = Outcome::Failed(StreamCode::Interrupted);
        }
        let mut pause = FIRST_PAUSE;
        let end = loop {
            let key = live.key.clone();
            let finished =
                self.0.db.jot(move |tx| store::finish(tx, &key, outcome, Some(last))).await;
            match finished {
                Ok(end) => break end,
                Err(DbError::Closed) => return self.abandon(live),
                Err(fault) => tracing::error!(%fault, "a generation's end could not be written"),
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        };
        let reserved = live.reserved.reserved.get();
        metrics::generation_ended(end.outcome.as_str(), end.charged.get(), reserved);
        self.0.spool.ended(live.key.clone(), self.0.clock.now());
        self.leave(live);
        live.end(end);
    }

    /// Ends one that is said not to have been begun. Over a network only the answer may have been
    /// lost, and it has been begun all the same.
    fn disown(&self, live: Arc<Live>) {
        if !self.0.db.is_shared() {
            return self.abandon(&live);
        }
        let this = self.clone();
        let interrupted = Outcome::Failed(StreamCode::Interrupted);
        tokio::spawn(async move { this.finish(&live, interrupted).await });
    }

    /// Ends it for its followers without having ended it in the database.
    fn abandon(&self, live: &Arc<Live>) {
        self.leave(live);
        let outcome = Outcome::Failed(StreamCode::Interrupted);
        let remaining = live.reserved.remaining + live.reserved.reserved;
        live.end(End { outcome, charged: Tokens::ZERO, remaining });
    }

    fn leave(&self, live: &Arc<Live>) {
        let mut running = self.0.running.lock();
        if running.get(&live.key).is_some_and(|known| Arc::ptr_eq(known, live)) {
            running.remove(&live.key);
        }
    }
}
