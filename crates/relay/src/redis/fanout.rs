//! Whom a commit changed, told from replica to replica through Redis, off the database.
//!
//! Each replica subscribes to one channel, on a connection of its own, and publishes there whom its
//! commits changed, the people of many commits in one message. While Redis is away the words go the
//! way they would go without it. A word that is lost costs little either way, since replicas also
//! look for themselves (`crate::sweep`).

use super::{Absence, CONNECT, Redis, TRY_AGAIN_AFTER};
use crate::changes::Changes;
use autocrea_protocol::UserId;
use futures_util::StreamExt as _;
use redis::aio::{PubSubSink, PubSubStream};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// After so much silence the subscription is asked whether it is alive.
const SILENCE: Duration = Duration::from_secs(2);

/// Publishes whom this process's commits changed until there are no more of them; what Redis does
/// not take goes to `otherwise`.
pub async fn tell(
    redis: Redis,
    own: String,
    mut changed: UnboundedReceiver<BTreeSet<UserId>>,
    otherwise: impl Fn(BTreeSet<UserId>) + Send,
) {
    let channel = channel(&redis);
    while let Some(mut users) = changed.recv().await {
        while let Ok(mut more) = changed.try_recv() {
            users.append(&mut more);
        }
        let word = Changes::word(&own, &users);
        let publish = redis::cmd("PUBLISH").arg(&channel).arg(word).to_owned();
        let told = redis
            .ask(async |mut connection| publish.query_async::<u64>(&mut connection).await)
            .await;
        if told.is_none() {
            otherwise(users);
        }
    }
}

/// Hears whom other replicas' commits changed, for as long as it is let.
pub async fn hear(redis: Redis, own: String, changes: Changes) {
    loop {
        redis.there().await;
        if let Err(fault) = subscription(&redis, &own, &changes).await {
            tracing::debug!(%fault, "the subscription to changes ended");
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// Until it is lost.
async fn subscription(redis: &Redis, own: &str, changes: &Changes) -> Result<(), Absence> {
    let (mut sink, mut messages) =
        timeout(CONNECT, subscribed(redis)).await.unwrap_or(Err(Absence::Silent))?;
    // Whatever was said while nobody listened.
    changes.signal_all();
    loop {
        match timeout(SILENCE, messages.next()).await {
            Ok(Some(message)) => changes.heard(own, &message.get_payload::<String>()?),
            Ok(None) => return Ok(()),
            Err(_) => {
                let alive = timeout(CONNECT, sink.ping::<redis::Value>()).await;
                alive.map_err(|_| Absence::Silent)??;
            }
        }
    }
}

async fn subscribed(redis: &Redis) -> Result<(PubSubSink, PubSubStream), Absence> {
    let mut connection = redis.line.client.get_async_pubsub().await?;
    connection.subscribe(channel(redis)).await?;
    Ok(connection.split())
}

fn channel(redis: &Redis) -> String {
    redis.name("changes", "all")
}
