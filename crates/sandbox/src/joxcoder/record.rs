//! What was asked of the model, and how each answer ended: for tests that look behind the relay.

use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;

/// One request to `/chat/completions`.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The JSON as it came.
    pub body: Value,
    /// `Authorization`, if any.
    pub authorization: Option<String>,
    /// `X-Scale-Up-Timeout`, if any.
    pub scale_up_timeout: Option<String>,
    /// How it ended, or that it has not.
    pub outcome: Outcome,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is being answered.
    Running,
    /// With this status and no stream.
    Answered(u16),
    /// The stream was sent to its end.
    Finished,
    /// The connection was cut on request.
    Broken,
    /// Whoever asked went away first.
    ClientLeft,
}

/// All requests, oldest first. Clones share them.
#[derive(Clone)]
pub(super) struct Record {
    requests: Arc<Mutex<Vec<Recorded>>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Record {
    pub(super) fn new() -> Self {
        Self { requests: Arc::default(), changed: Arc::new(watch::Sender::new(0)) }
    }

    pub(super) fn all(&self) -> Vec<Recorded> {
        self.requests.lock().clone()
    }

    pub(super) fn begin(&self, request: Recorded) -> Entry {
        let mut requests = self.requests.lock();
        requests.push(request);
        let index = requests.len() - 1;
        drop(requests);
        self.signal();
        Entry { record: self.clone(), index }
    }

    /// Returns once `wanted` holds for the requests so far.
    pub(super) async fn wait_for(&self, wanted: impl Fn(&[Recorded]) -> bool) {
        let mut changes = self.changed.subscribe();
        while !wanted(&self.requests.lock()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn signal(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

/// One request's place in the record. Dropped while it runs, the client is taken to have left.
pub(super) struct Entry {
    record: Record,
    index: usize,
}

impl Entry {
    pub(super) fn end(&self, outcome: Outcome) {
        let mut requests = self.record.requests.lock();
        if let Some(request) = requests.get_mut(self.index)
            && request.outcome == Outcome::Running
        {
            request.outcome = outcome;
        }
        drop(requests);
        self.record.signal();
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.end(Outcome::ClientLeft);
    }
}
