//! The way of webhooks into the inbox: what comes while a commit is under way shares the next one.
//!
//! A transaction each would wait for the disk as often as events come; together they wait once. Each
//! sender is answered when its event is durable, and one event that the database will not take costs
//! the others nothing: they are then put in one by one.

use super::inbox::{self, Arrival};
use crate::db::{Db, DbError};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The most that one commit carries.
const TOGETHER: usize = 64;
/// Groups under way at once: while one is committed the next is on its way already, so that neither
/// the database nor those who send wait for the other.
const AT_ONCE: usize = 2;

/// See the module.
pub struct Intake {
    db: Db,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// How many see to those that wait.
    serving: usize,
}

struct Waiting {
    arrival: Arrival,
    answer: oneshot::Sender<Result<bool, DbError>>,
}

impl Intake {
    /// Into the inbox of this database.
    #[must_use]
    pub fn new(db: Db) -> Self {
        Self { db, queue: Arc::default() }
    }

    /// Makes an event durable. False if it had come before.
    ///
    /// # Errors
    /// If the database refuses, or is closed.
    pub async fn receive(&self, arrival: Arrival) -> Result<bool, DbError> {
        let (answer, answered) = oneshot::channel();
        let begins = {
            let mut queue = self.queue.lock();
            queue.waiting.push(Waiting { arrival, answer });
            let begins = queue.serving < AT_ONCE;
            queue.serving += usize::from(begins);
            begins
        };
        if begins {
            // In a task of its own: a sender that goes away takes only its own event along.
            tokio::spawn(serve(self.db.clone(), Arc::clone(&self.queue)));
        }
        answered.await.unwrap_or(Err(DbError::Closed))
    }
}

/// Keeps what waits, until nothing does.
async fn serve(db: Db, queue: Arc<Mutex<Queue>>) {
    loop {
        let group: Vec<Waiting> = {
            let mut queue = queue.lock();
            if queue.waiting.is_empty() {
                queue.serving -= 1;
                return;
            }
            let most = queue.waiting.len().min(TOGETHER);
            queue.waiting.drain(..most).collect()
        };
        keep(&db, group).await;
    }
}

async fn keep(db: &Db, mut group: Vec<Waiting>) {
    // Two relays that are sent the same events wait for each other's rows in the same order.
    group.sort_by(|one, other| one.arrival.event.id.cmp(&other.arrival.event.id));
    let (arrivals, answers): (Vec<_>, Vec<_>) =
        group.into_iter().map(|waiting| (waiting.arrival, waiting.answer)).unzip();
    let arrivals: Arc<[Arrival]> = arrivals.into();
    let shared = Arc::clone(&arrivals);
    let kept = match db.write(move |tx| inbox::receive(tx, &shared)).await {
        Ok(kept) => kept.into_iter().map(Ok).collect(),
        Err(fault) if arrivals.len() == 1 => vec![Err(fault)],
        Err(fault) => {
            tracing::warn!(%fault, events = arrivals.len(), "events are put in one by one");
            one_by_one(db, &arrivals).await
        }
    };
    for (answer, kept) in answers.into_iter().zip(kept) {
        // Whoever sent it may have gone; it is kept all the same.
        answer.send(kept).ok();
    }
}

async fn one_by_one(db: &Db, arrivals: &[Arrival]) -> Vec<Result<bool, DbError>> {
    let mut kept = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        let one = [arrival.clone()];
        let new: Result<bool, DbError> =
            db.write(move |tx| Ok(inbox::receive(tx, &one)?.contains(&true))).await;
        kept.push(new);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::packed::Packed;
    use crate::changes::Changes;
    use crate::clock::Clock;
    use crate::stripe::envelope::Envelope;

    fn arrival(id: &str) -> Arrival {
        let body = format!(
            r#"{{"id":"{id}","type":"invoice.paid","created":7,"data":{{"object":{{"id":"in_1"}}}}}}"#
        );
        Arrival {
            event: Envelope::read(body.as_bytes()).expect("an event"),
            payload: Packed::of(body.as_bytes()),
        }
    }

    #[tokio::test]
    async fn however_many_come_at_once_each_is_kept_once_and_one_bad_one_costs_the_others_nothing()
    {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("relay.db");
        let db = Db::open_sqlite(&path, Clock::system(), Changes::default()).expect("a database");
        let forbidden: Result<usize, DbError> = db
            .write(|tx| {
                tx.execute(
                    "CREATE TRIGGER no_bad BEFORE INSERT ON stripe_events
                     WHEN new.id = 'evt_bad' BEGIN SELECT RAISE(ABORT, 'bad'); END",
                    &[],
                )
            })
            .await;
        forbidden.expect("a trigger");
        let intake = Arc::new(Intake::new(db.clone()));
        let mut senders = tokio::task::JoinSet::new();
        for number in 0..300 {
            let intake = Arc::clone(&intake);
            // Each comes twice, and every hundredth is one that is not taken.
            let id = if number % 100 == 50 { "bad".to_owned() } else { (number / 2).to_string() };
            senders.spawn(async move { intake.receive(arrival(&format!("evt_{id}"))).await });
        }
        let answers = senders.join_all().await;
        let new = answers.iter().filter(|answer| matches!(answer, Ok(true))).count();
        let refused = answers.iter().filter(|answer| answer.is_err()).count();
        assert_eq!((new, refused), (150, 3));
        let kept: Result<i64, DbError> = db
            .read(|tx| tx.query_one("SELECT COUNT(*) FROM stripe_events", &[], |row| row.get(0)))
            .await;
        assert_eq!(kept.expect("a count"), 150);
    }
}
