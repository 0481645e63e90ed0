//! The account's stream on one replica, and what the others change.

use super::pair::{LONG, Pair};
use crate::support::redis::Server;
use crate::support::{ANA, Events};
use autocrea_relay::Running;
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A signal's way, and what a busy machine adds.
const AT_ONCE: Duration = Duration::from_millis(1_500);

async fn watch(pair: &Pair, relay: &Running) -> Events {
    let url = format!("{}/api/account/events", relay.url());
    let asked = pair.world.http.get(url).bearer_auth(pair.world.token(ANA));
    Events::of(asked.send().await.expect("an answer"))
}

/// Changes Ana's name through the first replica.
async fn rename(pair: &Pair, name: &str) {
    let asked = pair.world.ask_as(ANA, Method::PATCH, "/api/user/profile");
    let answer = asked.json(&json!({ "name": name })).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
}

/// Waits until the stream shows the name; answers how long that took.
async fn shown(events: &mut Events, name: &str) -> Duration {
    let began = Instant::now();
    let showing = async { while events.data().await["user"]["name"] != name {} };
    timeout(LONG, showing).await.expect("it is shown");
    began.elapsed()
}

#[tokio::test]
async fn a_change_made_on_one_replica_is_shown_on_the_others_at_once() {
    let pair = Pair::start().await;
    let mut events = watch(&pair, &pair.second).await;
    events.data().await;
    for name in ["Ana Uno", "Ana Dos"] {
        rename(&pair, name).await;
        let took = shown(&mut events, name).await;
        assert!(took < AT_ONCE, "{took:?}");
    }
}

#[tokio::test]
async fn a_change_whose_signal_is_lost_is_shown_within_five_seconds() {
    let pair = Pair::start().await;
    let mut events = watch(&pair, &pair.second).await;
    events.data().await;
    pair.world.place.run("UPDATE people SET own_name = 'En silencio', version = version + 1");
    let took = shown(&mut events, "En silencio").await;
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn with_redis_changes_go_that_way_and_without_it_the_old_one() {
    let mut server = Server::start().await;
    let pair = Pair::with_redis(&server, &[]).await;
    let mut events = watch(&pair, &pair.second).await;
    events.data().await;
    // Both listen once a message is answered by two.
    let redis = pair.world.relay.app.redis.clone().expect("configured");
    let listen = async {
        let publish =
            redis::cmd("PUBLISH").arg(redis.name("changes", "all")).arg("nobody").to_owned();
        loop {
            let heard =
                redis.ask(async |mut line| publish.query_async::<u64>(&mut line).await).await;
            if heard == Some(2) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, listen).await.expect("both listen");
    rename(&pair, "Por Redis").await;
    let took = shown(&mut events, "Por Redis").await;
    assert!(took < AT_ONCE, "{took:?}");

    server.pause();
    rename(&pair, "Sin respuesta").await;
    let took = shown(&mut events, "Sin respuesta").await;
    assert!(took < AT_ONCE, "{took:?}");
    server.resume();
    timeout(LONG, redis.there()).await.expect("it is found again");

    server.down().await;
    rename(&pair, "Sin Redis").await;
    let took = shown(&mut events, "Sin Redis").await;
    assert!(took < AT_ONCE, "{took:?}");
}
