//! Redis: what it takes, and that the relay goes on without it.

use crate::support::redis::Server;
use crate::support::{ANA, World};
use autocrea_protocol::UserId;
use autocrea_relay::changes::Changes;
use autocrea_relay::config::Limits as Settings;
use autocrea_relay::limits::Limits;
use autocrea_relay::redis::{Redis, fanout};
use futures_util::FutureExt as _;
use http::HeaderMap;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(30);

fn limits(per_minute: u32, redis: Redis) -> Limits {
    let settings = Settings {
        per_minute,
        per_minute_address: per_minute,
        account_streams: 10,
        trusted_proxies: Vec::new(),
    };
    Limits::new(&settings, Some(redis), None)
}

#[tokio::test]
async fn replicas_count_together_and_deployments_apart() {
    let server = Server::start().await;
    let first = limits(6, server.handle("a").await);
    let second = limits(6, server.handle("a").await);
    let other = limits(6, server.handle("b").await);
    let (ana, luis) = (UserId::from("ana"), UserId::from("luis"));
    for _ in 0..3 {
        assert!(first.person(&ana).await.is_ok());
        assert!(second.person(&ana).await.is_ok());
    }
    assert!(first.person(&ana).await.is_err());
    assert!(second.person(&ana).await.is_err());
    assert!(second.person(&luis).await.is_ok(), "a person's own allowance");
    assert!(other.person(&ana).await.is_ok(), "another deployment's");
}

#[tokio::test]
async fn what_is_forgiven_may_be_asked_again_through_any_replica() {
    let server = Server::start().await;
    let first = limits(1, server.handle("a").await);
    let second = limits(1, server.handle("a").await);
    let (none, peer) = (HeaderMap::new(), "9.9.9.9".parse::<IpAddr>().expect("an address"));
    for _ in 0..3 {
        assert!(first.address(peer, &none).await.is_ok());
        assert!(second.address(peer, &none).await.is_err());
        second.forgive(peer, &none).await;
    }
    // What was never taken cannot be given back.
    second.forgive(peer, &none).await;
    assert!(second.address(peer, &none).await.is_ok());
    assert!(first.address(peer, &none).await.is_err());
}

#[tokio::test]
async fn an_allowance_in_redis_comes_back_evenly_and_leaves_nothing_behind() {
    let server = Server::start().await;
    let redis = server.handle("a").await;
    let limits = limits(600, redis.clone());
    let ana = UserId::from("ana");
    let began = Instant::now();
    let mut taken = 0_u32;
    while limits.person(&ana).await.is_ok() {
        taken += 1;
    }
    let refused = async { while limits.person(&ana).await.is_err() {} };
    timeout(LONG, refused).await.expect("one comes back every tenth of a second");
    let most = 600 + u32::try_from(began.elapsed().as_millis() / 100).expect("few") + 1;
    assert!((600..=most).contains(&taken), "{taken} of {most}");
    let lasts = redis.ask(async |mut connection| {
        let name = redis.name("requests-of-person", "ana");
        redis::cmd("PTTL").arg(name).query_async::<i64>(&mut connection).await
    });
    assert!((1..=60_000).contains(&lasts.await.expect("there")));
}

#[tokio::test]
async fn a_relay_that_starts_without_redis_limits_for_itself_and_finds_it_later() {
    let mut server = Server::absent();
    let world = World::with(&[("REDIS_URL", &server.url()), ("RELAY_RATE_PER_MINUTE", "2")]).await;
    let status = async |email| {
        world.ask_as(email, Method::GET, "/api/account").send().await.expect("an answer").status()
    };
    assert_eq!((status(ANA).await, status(ANA).await), (StatusCode::OK, StatusCode::OK));
    assert_eq!(status(ANA).await, StatusCode::TOO_MANY_REQUESTS);
    server.up().await;
    let redis = world.relay.app.redis.as_ref().expect("configured");
    timeout(LONG, redis.there()).await.expect("it is found");
    let luis = "luis@example.com";
    assert_eq!((status(luis).await, status(luis).await), (StatusCode::OK, StatusCode::OK));
    assert_eq!(status(luis).await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn redis_may_die_and_come_back_in_the_middle() {
    let mut server = Server::start().await;
    let world = World::with(&[("REDIS_URL", &server.url())]).await;
    let redis = world.relay.app.redis.clone().expect("configured");
    timeout(LONG, redis.there()).await.expect("it is there");
    world.get("/api/account").await;
    server.down().await;
    let answers = async {
        // Asked again and again, so that its absence is noticed; nobody is refused for it.
        loop {
            world.get("/api/account").await;
            if timeout(Duration::from_millis(50), redis.away()).await.is_ok() {
                break;
            }
        }
    };
    timeout(LONG, answers).await.expect("its absence is noticed");
    world.get("/api/account").await;
    server.up().await;
    timeout(LONG, redis.there()).await.expect("it is found again");
    world.get("/api/account").await;
}

#[tokio::test]
async fn a_redis_that_hangs_delays_nobody_for_long_and_comes_back_by_itself() {
    let server = Server::start().await;
    let world =
        World::with(&[("REDIS_URL", &server.url()), ("RELAY_RATE_PER_MINUTE", "100000")]).await;
    let redis = world.relay.app.redis.clone().expect("configured");
    timeout(LONG, redis.there()).await.expect("it is there");
    world.get("/api/account").await;
    server.pause();
    // Whoever asks first waits for a moment; from then on it is away, and nobody waits for it.
    world.get("/api/account").await;
    timeout(Duration::ZERO, redis.away()).await.expect("it is taken for away at once");
    let began = Instant::now();
    let unanswered = redis.ask(async |_| std::future::pending::<Result<(), _>>().await).await;
    assert_eq!(unanswered, None);
    assert!(began.elapsed() < Duration::from_millis(90), "{:?}", began.elapsed());
    world.get("/api/account").await;
    server.resume();
    timeout(LONG, redis.there()).await.expect("it is found again");
    world.get("/api/account").await;
}

/// What Redis holds of Ana's account.
async fn kept(world: &World) -> Option<Value> {
    let redis = world.relay.app.redis.as_ref().expect("configured");
    let name = redis.name("account", world.user(ANA).as_str());
    let kept = redis.ask(async |mut connection| {
        redis::cmd("GET").arg(name).query_async::<Option<Vec<u8>>>(&mut connection).await
    });
    kept.await.expect("there").map(|bytes| serde_json::from_slice(&bytes).expect("JSON"))
}

async fn keep(world: &World, snapshot: &Value) {
    let redis = world.relay.app.redis.as_ref().expect("configured");
    let name = redis.name("account", world.user(ANA).as_str());
    let bytes = snapshot.to_string();
    let kept = redis.ask(async |mut connection| {
        redis::cmd("SET").arg(name).arg(bytes).query_async::<()>(&mut connection).await
    });
    kept.await.expect("there");
}

#[tokio::test]
async fn a_snapshot_is_taken_from_redis_only_at_its_very_version() {
    let server = Server::start().await;
    let world = World::with(&[("REDIS_URL", &server.url())]).await;
    timeout(LONG, world.relay.app.redis.as_ref().expect("configured").there())
        .await
        .expect("it is there");
    let shown = world.get("/api/account").await;
    let mut marked = kept(&world).await.expect("it was left there");
    assert_eq!(marked, shown);

    marked["user"]["name"] = "from Redis".into();
    keep(&world, &marked).await;
    assert_eq!(world.get("/api/account").await["user"]["name"], "from Redis");

    let ana = world.user(ANA);
    world.relay.app.db.write(move |tx| tx.touch(&ana)).await.expect("touched");
    let after = world.get("/api/account").await;
    assert_eq!(after["user"]["name"], shown["user"]["name"]);
    assert_eq!(kept(&world).await, Some(after.clone()), "the newer one is left there");

    // As of somebody under the same id who was known before, left, and came back.
    let mut former = after.clone();
    former["user"]["name"] = "from before".into();
    former["user"]["createdAt"] = 1.into();
    keep(&world, &former).await;
    assert_eq!(world.get("/api/account").await, after);

    keep(&world, &"not a snapshot".into()).await;
    assert_eq!(world.get("/api/account").await, after);
    world.relay.app.snapshots.forget(&world.user(ANA)).await;
    assert_eq!(kept(&world).await, None);
}

#[tokio::test]
async fn of_somebody_who_leaves_nothing_is_left_in_redis() {
    let server = Server::start().await;
    let world = World::with(&[("REDIS_URL", &server.url())]).await;
    let redis = world.relay.app.redis.as_ref().expect("configured");
    let left_there = async {
        // A busy machine may make it seem away for a moment.
        loop {
            redis.there().await;
            world.get("/api/account").await;
            if kept(&world).await.is_some() {
                break;
            }
        }
    };
    timeout(LONG, left_there).await.expect("it is left there");
    let left = world.ask_as(ANA, Method::DELETE, "/api/user/profile").send().await;
    assert_eq!(left.expect("an answer").status(), StatusCode::NO_CONTENT);
    redis.there().await;
    assert_eq!(kept(&world).await, None);
}

#[tokio::test]
async fn whom_a_commit_changed_is_told_to_the_other_replicas_and_otherwise_without_redis() {
    let mut server = Server::start().await;
    let redis = server.handle("a").await;
    let (here, there) = (Changes::default(), Changes::default());
    let hearing = [("here", &here), ("there", &there)].map(|(own, changes)| {
        tokio::spawn(fanout::hear(redis.clone(), own.to_owned(), changes.clone()))
    });
    let (changed, changes) = unbounded_channel();
    let (otherwise, mut lost) = unbounded_channel();
    let telling = fanout::tell(redis.clone(), "here".to_owned(), changes, move |users| {
        otherwise.send(users).ok();
    });
    let telling = tokio::spawn(telling);
    let ana = UserId::from("ana");
    let some: BTreeSet<UserId> = [ana.clone(), "luis".into()].into();
    let _watcher = there.watch(&ana, 10).expect("nobody else watches");
    // Once both listen, everybody is signalled, for whatever was said before.
    timeout(LONG, there.touched()).await.expect("it listens");
    changed.send(some.clone()).expect("told");
    timeout(LONG, there.touched()).await.expect("the other replica hears of it");

    server.down().await;
    changed.send(some.clone()).expect("told");
    assert_eq!(timeout(LONG, lost.recv()).await.expect("it is not lost"), Some(some.clone()));

    server.up().await;
    timeout(LONG, redis.there()).await.expect("it is found again");
    timeout(LONG, there.touched()).await.expect("it listens again");
    changed.send(some).expect("told");
    timeout(LONG, there.touched()).await.expect("the other replica hears of it");
    drop(changed);
    telling.await.expect("it ends with its commits");
    hearing.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn an_encrypted_address_is_not_spoken_to_in_the_clear() {
    let server = Server::start().await;
    let address = server.url().replace("redis://", "rediss://");
    assert!(autocrea_relay::redis::reach(&address.into()).await.is_err());
}

#[tokio::test]
async fn a_user_who_may_not_publish_is_found_and_is_no_reason_to_connect_again() {
    let server = Server::start().await;
    let acl = ["SETUSER", "mute", "on", ">hunter2", "~*", "+@all", "resetchannels"];
    let command = ::redis::cmd("ACL").arg(&acl).to_owned();
    let admin = server.handle("a").await;
    let made = admin.ask(async |mut line| command.query_async::<()>(&mut line).await).await;
    assert!(made.is_some());
    let address: SecretString = server.url().replace("//", "//mute:hunter2@").into();
    let why = autocrea_relay::redis::reach(&address).await.expect_err("it is mute").to_string();
    assert!(why.contains("NOPERM") && !why.contains("hunter2"), "{why}");

    let mute = Redis::open_patiently(&address, "a".to_owned(), LONG).expect("an address");
    timeout(LONG, mute.there()).await.expect("it may write");
    let command = ::redis::cmd("PUBLISH").arg("channel").arg("word").to_owned();
    let told = mute.ask(async |mut line| command.query_async::<u64>(&mut line).await).await;
    assert_eq!(told, None);
    assert!(mute.away().now_or_never().is_none(), "it is there all the same");
    let command = ::redis::cmd("PING");
    let answer = mute.ask(async |mut line| command.query_async::<String>(&mut line).await).await;
    assert_eq!(answer.as_deref(), Some("PONG"));
}
