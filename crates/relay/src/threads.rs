//! The threads that serve connections.
//!
//! Each has a runtime of its own, and the tasks that a request brings about stay on the thread of its
//! connection: the generation that it begins, and the connection to the model. A scheduler that
//! spreads tasks over threads wakes another one again and again for what is a small step of a request;
//! here only the database and the spool are on other threads. Connections are dealt out in turn, and a
//! thread that is busy with one of them does not pass the others on.

use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// Where connections are served; in turn.
pub struct Threads {
    runtimes: Vec<Handle>,
    next: usize,
    ended: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    /// One for each processor.
    ///
    /// # Errors
    /// If the system gives none.
    pub fn start() -> std::io::Result<Self> {
        let mut started = Self::of(Vec::new());
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            started.runtimes.push(runtime.handle().clone());
            let ended = started.ended.clone();
            let thread = std::thread::Builder::new().name("connections".to_owned());
            started.threads.push(thread.spawn(move || runtime.block_on(ended.cancelled()))?);
        }
        Ok(started)
    }

    /// None of their own: whoever asks serves them as well. To be called inside a runtime.
    #[must_use]
    pub fn here() -> Self {
        Self::of(vec![Handle::current()])
    }

    fn of(runtimes: Vec<Handle>) -> Self {
        Self { runtimes, next: 0, ended: CancellationToken::new(), threads: Vec::new() }
    }

    /// Where the next connection is served.
    pub(crate) fn next(&mut self) -> &Handle {
        self.next = (self.next + 1) % self.runtimes.len();
        &self.runtimes[self.next]
    }
}

impl Drop for Threads {
    /// What still runs on them is dropped.
    fn drop(&mut self) {
        self.ended.cancel();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that served connections had panicked");
            }
        }
    }
}
