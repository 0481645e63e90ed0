//! PostgreSQL behind [`super::Db`].
//!
//! A few threads, each with a connection of its own, take work from one queue; what one takes it
//! runs in a transaction, commits, and answers. Writes are READ COMMITTED: whoever must not be
//! overtaken holds the person's row ([`super::Tx::hold_person`]). Reads see one snapshot. Threads
//! are made when there is more work than threads, up to [`CONNECTIONS`].
//!
//! One more connection, the [`line`](Line), carries what is between replicas: who was changed, and
//! the locks that hold across them. Another, [`Aside`], counts requests and streams.

mod address;
mod aside;
mod fault;
mod line;
mod session;
mod sql;
mod value;

pub(crate) use address::Address;
pub use aside::Aside;
pub use fault::Fault;
pub use line::Held;
pub(super) use session::Session;

use super::job::{Job, job};
use super::{DbError, Engine, Tx, migrations};
use crate::changes::Changes;
use crate::clock::Clock;
use autocrea_protocol::UserId;
pub(super) use line::Line;
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Connections that work, at most; with the line and the one aside it is two more a process.
const CONNECTIONS: usize = 16;
/// While the server has been away for no longer, work waits for it; later it fails at once.
const PATIENCE: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const ONE_SECOND: Duration = Duration::from_secs(1);

pub(super) struct Postgres {
    shared: Arc<Shared>,
    line: Line,
}

struct Shared {
    address: Address,
    clock: Clock,
    changes: Changes,
    queue: Mutex<Queue>,
    more: Condvar,
    /// Where whom a commit changed is told, if not on the line.
    diverted: OnceLock<UnboundedSender<BTreeSet<UserId>>>,
    /// When the server was last known to be there.
    seen: Mutex<Instant>,
    /// When somebody last said that it is not.
    missed: Mutex<Option<Instant>>,
}

impl Shared {
    /// Says that the server is away; not more than once a second, however many look for it.
    fn miss(&self, fault: &Fault) {
        let mut missed = self.missed.lock();
        if missed.is_none_or(|at| at.elapsed() >= ONE_SECOND) {
            *missed = Some(Instant::now());
            tracing::error!(%fault, "the database cannot be reached");
        }
    }
}

#[derive(Default)]
struct Queue {
    orders: VecDeque<Order>,
    idle: usize,
    workers: Vec<JoinHandle<()>>,
    closed: bool,
}

struct Order {
    job: Box<dyn Job>,
    writes: bool,
}

impl Postgres {
    pub(super) fn open(address: &str, clock: Clock, changes: Changes) -> Result<Self, DbError> {
        let address = Address::read(address).map_err(DbError::Postgres)?;
        migrated(address.clone())?;
        let line = Line::open(address.clone(), changes.clone())?;
        let shared = Shared {
            address,
            clock,
            changes,
            queue: Mutex::default(),
            more: Condvar::new(),
            diverted: OnceLock::new(),
            seen: Mutex::new(Instant::now()),
            missed: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared), line })
    }

    pub(super) async fn run<T, E>(
        &self,
        writes: bool,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let (job, answer) = job(work);
        self.order(Order { job, writes })?;
        answer.await.unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    fn order(&self, order: Order) -> Result<(), DbError> {
        let mut queue = self.shared.queue.lock();
        queue.orders.push_back(order);
        if queue.orders.len() > queue.idle && queue.workers.len() < CONNECTIONS {
            let worker =
                Worker { shared: Arc::clone(&self.shared), line: self.line.clone(), session: None };
            let thread = std::thread::Builder::new()
                .name("postgres".to_owned())
                .spawn(move || worker.run())
                .map_err(|_| DbError::Closed)?;
            queue.workers.push(thread);
        } else {
            self.shared.more.notify_one();
        }
        Ok(())
    }

    /// From now on says here whom commits changed. `None` the second time.
    pub(super) fn divert(&self) -> Option<UnboundedReceiver<BTreeSet<UserId>>> {
        let (told, changed) = unbounded_channel();
        self.shared.diverted.set(told).ok().map(|()| changed)
    }

    /// See [`Aside`].
    pub(super) async fn aside(&self, patience: Duration) -> Aside {
        Aside::open(&self.shared.address, patience).await
    }

    /// See [`Line`].
    pub(super) const fn line(&self) -> &Line {
        &self.line
    }
}

/// Migrations run on a thread of their own: whoever opens the database may be in a runtime.
fn migrated(address: Address) -> Result<(), DbError> {
    let migrating = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| DbError::Postgres(Fault::said(&error.to_string())))?;
        runtime.block_on(async {
            let mut client = address.client().await.map_err(DbError::Postgres)?;
            migrations::postgres(&mut client).await
        })
    });
    migrating.join().unwrap_or(Err(DbError::Panicked))
}

impl Drop for Postgres {
    /// What has been queued is still written, and told to the other replicas; but a server that does
    /// not answer is not waited for.
    fn drop(&mut self) {
        let workers = {
            let mut queue = self.shared.queue.lock();
            queue.closed = true;
            std::mem::take(&mut queue.workers)
        };
        self.shared.more.notify_all();
        let until = Instant::now() + PATIENCE;
        for worker in workers {
            ended(worker, until);
        }
        self.line.close(until);
    }
}

/// Waits for the end of a thread, unless it does not come.
fn ended(thread: JoinHandle<()>, until: Instant) {
    while !thread.is_finished() {
        if Instant::now() >= until {
            tracing::warn!("the database does not answer; what was asked of it last is given up");
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    if thread.join().is_err() {
        tracing::error!("a thread of the database's had panicked");
    }
}

struct Worker {
    shared: Arc<Shared>,
    line: Line,
    session: Option<Session>,
}

impl Worker {
    fn run(mut self) {
        while let Some(order) = self.next() {
            match self.session() {
                Ok(session) => {
                    if order.writes {
                        self.write(session, order.job);
                    } else {
                        self.read(session, order.job);
                    }
                }
                Err(fault) => order.job.answer(Some(DbError::Postgres(fault))),
            }
        }
    }

    /// The next order; `None` when the database is closed and nothing is left.
    fn next(&self) -> Option<Order> {
        let mut queue = self.shared.queue.lock();
        loop {
            if let Some(order) = queue.orders.pop_front() {
                return Some(order);
            }
            if queue.closed {
                return None;
            }
            queue.idle += 1;
            self.shared.more.wait(&mut queue);
            queue.idle -= 1;
        }
    }

    /// Our connection, opened anew if need be.
    fn session(&mut self) -> Result<Session, Fault> {
        if let Some(mut session) = self.session.take()
            && session.is_alive()
        {
            return Ok(session);
        }
        let mut pause = FIRST_PAUSE;
        loop {
            match Session::open(&self.shared.address) {
                Ok(session) => {
                    *self.shared.seen.lock() = Instant::now();
                    return Ok(session);
                }
                Err(fault)
                    if fault.is_absence() && self.shared.seen.lock().elapsed() < PATIENCE =>
                {
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                Err(fault) => {
                    self.shared.miss(&fault);
                    return Err(fault);
                }
            }
        }
    }

    fn write(&mut self, mut session: Session, mut job: Box<dyn Job>) {
        session.begin("BEGIN");
        let mut tx = Tx::new(Engine::Postgres(&mut session), self.shared.clock.now());
        let keep = job.run(&mut tx);
        let touched = std::mem::take(&mut tx.touched);
        let committed = if keep {
            session.commit()
        } else {
            session.rollback();
            Ok(())
        };
        if keep && committed.is_ok() && !touched.is_empty() {
            self.shared.changes.signal(touched.iter());
            self.tell(touched);
        }
        self.keep(session);
        job.answer(committed.err().map(DbError::Postgres));
    }

    fn tell(&self, touched: BTreeSet<UserId>) {
        let left = match self.shared.diverted.get() {
            Some(way) => way.send(touched).err().map(|refused| refused.0),
            None => Some(touched),
        };
        if let Some(touched) = left {
            self.line.tell(touched);
        }
    }

    /// Answers first: nothing can fail any more for whoever waits.
    fn read(&mut self, mut session: Session, mut job: Box<dyn Job>) {
        session.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        let mut tx = Tx::new(Engine::Postgres(&mut session), self.shared.clock.now());
        job.run(&mut tx);
        job.answer(None);
        session.rollback();
        self.keep(session);
    }

    fn keep(&mut self, session: Session) {
        if session.is_open() {
            *self.shared.seen.lock() = Instant::now();
            self.session = Some(session);
        }
    }
}
