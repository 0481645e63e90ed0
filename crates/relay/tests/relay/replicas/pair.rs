//! Two relays on one database, and the same people at both.

use crate::generate::stage::{Events, Person};
use crate::support::place::Place;
use crate::support::redis::Server;
use crate::support::{ANA, World};
use autocrea_protocol::generation::StreamEvent;
use autocrea_relay::Running;
use std::time::Duration;
use uuid::Uuid;

/// Longer than anything takes that is not broken.
pub const LONG: Duration = Duration::from_secs(30);
/// How soon another replica must have it. The contract's half a second, and what a busy machine adds.
pub const SOON: Duration = Duration::from_millis(500);

/// The first relay is the world's.
pub struct Pair {
    pub world: World,
    pub second: Running,
}

impl Pair {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(variables: &[(&str, &str)]) -> Self {
        let world = World::at(Place::shared(), variables).await;
        let second = world.replica().await;
        Self { world, second }
    }

    /// With Redis, which both have found.
    pub async fn with_redis(server: &Server, variables: &[(&str, &str)]) -> Self {
        let url = server.url();
        let mut all = variables.to_vec();
        all.push(("REDIS_URL", &url));
        let pair = Self::with(&all).await;
        for relay in [&pair.world.relay, &pair.second] {
            relay.app.redis.as_ref().expect("configured").there().await;
        }
        pair
    }

    /// Somebody at the first replica, and the same at the second.
    pub fn person(&self, email: &str) -> (Person, Person) {
        let at = |relay: &Running| Person::new(&relay.url(), self.world.token(email));
        (at(&self.world.relay), at(&self.second))
    }

    pub fn ana(&self) -> (Person, Person) {
        self.person(ANA)
    }

    pub fn model(&self) -> &autocrea_sandbox::joxcoder::JoxCoder {
        &self.world.sandbox.joxcoder
    }

    pub fn calls(&self) -> usize {
        self.model().requests().len()
    }

    /// Puts everybody who has been seen on a plan.
    pub async fn put_all_on(&self, plan: &'static str) {
        let sql = "UPDATE people SET plan_id = ?1";
        let db = &self.world.relay.app.db;
        db.write(move |tx| tx.execute(sql, &[&plan])).await.expect("written");
    }
}

/// Reads a generation's next event, which must come in time.
pub async fn next(events: &mut Events) -> StreamEvent {
    let next = tokio::time::timeout(LONG, events.next()).await.expect("in time");
    next.expect("the stream goes on")
}

/// Attaches, without asserting that it can be.
pub async fn attach(person: &Person, id: Uuid, after: u64) -> Events {
    tokio::time::timeout(LONG, person.attach(id, after)).await.expect("in time")
}
