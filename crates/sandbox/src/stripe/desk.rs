//! The desk: the books together with what is around them (clock, switches, counters, the answers
//! kept for idempotency keys). The HTTP door, the hosted pages and the tests all come here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::{Notify, watch};

use super::books::Books;
use crate::clock::Clock;

/// A request as it came in, for tests that count.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// With `/v1`, without the query.
    pub path: String,
    /// The form, still encoded: the query for GET, else the body.
    pub form: String,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// The `Stripe-Version` header.
    pub version: Option<String>,
    /// What was answered.
    pub status: u16,
}

/// An answer that is kept for its idempotency key.
#[derive(Clone, Debug)]
pub(crate) struct KeptAnswer {
    pub(crate) fingerprint: String,
    pub(crate) at: i64,
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) request_id: String,
}

pub(crate) struct Desk {
    books: Mutex<Books>,
    pub(crate) clock: Clock,
    pub(crate) idempotency: Mutex<HashMap<String, KeptAnswer>>,
    pub(crate) requests: Mutex<Vec<Request>>,
    pub(crate) down: AtomicBool,
    pub(crate) delay_ms: AtomicU64,
    /// How many of the next calls are done and then answered with a 500, as if the answer was lost.
    pub(crate) lost_answers: AtomicU32,
    /// Signs webhooks with the moved clock's time instead of the machine's.
    pub(crate) sign_with_own_clock: AtomicBool,
    pub(crate) hold: watch::Sender<bool>,
    /// Rings when events have happened.
    pub(crate) news: Notify,
    /// Rings when the books may have changed.
    pub(crate) touched: Notify,
    /// Counts deliveries that have come to an end.
    pub(crate) delivered: watch::Sender<u64>,
}

impl Desk {
    pub(crate) fn new(books: Books, clock: Clock) -> Self {
        Self {
            books: Mutex::new(books),
            clock,
            idempotency: Mutex::default(),
            requests: Mutex::default(),
            down: AtomicBool::new(false),
            delay_ms: AtomicU64::new(0),
            lost_answers: AtomicU32::new(0),
            sign_with_own_clock: AtomicBool::new(false),
            hold: watch::Sender::new(false),
            news: Notify::new(),
            touched: Notify::new(),
            delivered: watch::Sender::new(0),
        }
    }

    /// Works on the books as they are now: what has become due meanwhile is done first.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        let mut books = self.books.lock();
        let now = self.clock.now_secs();
        if let Err(failure) = books.catch_up(now) {
            tracing::error!(failure = failure.message(), "time could not be caught up with");
            books.now = now;
        }
        let answer = work(&mut books);
        let news = !books.undelivered.is_empty();
        drop(books);
        self.touched.notify_one();
        if news {
            self.news.notify_one();
        }
        answer
    }

    /// Works on the books without looking at the clock: for what must not make time pass.
    pub(crate) fn peek<T>(&self, work: impl FnOnce(&mut Books) -> T) -> T {
        let answer = work(&mut self.books.lock());
        self.touched.notify_one();
        answer
    }

    /// Looks at the books and changes nothing.
    pub(crate) fn look<T>(&self, work: impl FnOnce(&Books) -> T) -> T {
        work(&self.books.lock())
    }

    /// Takes one lost answer, if a test has ordered any.
    pub(crate) fn loses_answer(&self) -> bool {
        self.lost_answers
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
            .is_ok()
    }
}
