//! Stopping through another replica, and replicas that stop or die.

use super::pair::{LONG, Pair, SOON, attach, next};
use crate::generate::stage::{Person, request};
use crate::support::ANA;
use autocrea_protocol::Tokens;
use autocrea_protocol::generation::{FinishReason, StreamCode, StreamEvent};
use autocrea_protocol::ledger::EntryKind;
use autocrea_relay::{generation, sweep};
use autocrea_sandbox::joxcoder::Reply;
use futures_util::future::join;
use reqwest::StatusCode;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use uuid::Uuid;

#[tokio::test]
async fn a_stop_through_another_replica_stops_it_and_shows_what_it_cost() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    let (mut soonest, mut charged, mut id) = (Duration::MAX, Tokens::ZERO, Uuid::nil());
    // A busy machine may be late; one of them is in time.
    for _ in 0..5 {
        pair.model().script(Reply::pieces(["uno", " dos"]).hold_after(1));
        id = Uuid::now_v7();
        let mut running = here.generate(id, "hola").await;
        running.first_text().await;
        let asked = Instant::now();
        let ended = async {
            let told = running.all().await;
            (told, asked.elapsed())
        };
        let (answered, (told, took)) = timeout(LONG, join(there.stop(id), ended)).await.unwrap();
        assert_eq!(answered, StatusCode::NO_CONTENT);
        assert_eq!(told.done().finish_reason, FinishReason::Cancelled);
        assert!(told.done().charged > Tokens::ZERO);
        charged += told.done().charged;
        soonest = soonest.min(took);
    }
    assert!(soonest < SOON, "{soonest:?}");
    let usage = there.usage().await;
    assert_eq!((usage.tokens_used, usage.tokens_reserved), (charged, Tokens::ZERO));
    assert_eq!(there.stop(id).await, StatusCode::NO_CONTENT, "it has ended");
    assert_eq!(attach(&there, id, 0).await.all().await.text(), "uno");
    let (luis, _) = pair.person("luis@example.com");
    assert_eq!(luis.stop(id).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn whoever_leaves_through_one_replica_is_stopped_on_all_and_leaves_no_text() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    let (_, luis) = pair.person("luis@example.com");
    pair.model().script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let (id, other) = (Uuid::now_v7(), Uuid::now_v7());
    let mut running = here.generate(id, "hola").await;
    running.first_text().await;
    pair.model().script(Reply::pieces(["tres", " cuatro"]).hold_after(1));
    let mut of_luis = luis.generate(other, "hola").await;
    of_luis.first_text().await;
    pair.second.app.generations.forget(&pair.world.user(ANA)).await.unwrap();
    let told = timeout(LONG, running.all()).await.expect("it ends");
    assert_eq!(told.failed().code, StreamCode::Interrupted);
    assert_eq!(here.usage().await.tokens_reserved, Tokens::ZERO);
    let key =
        generation::Key { user: pair.world.user(ANA), generation: id.to_string().parse().unwrap() };
    assert_eq!(pair.second.app.generations.spool().last(&key).await.unwrap(), 0);
    pair.model().release();
    assert_eq!(of_luis.all().await.text(), " cuatro", "nobody else is stopped");
    assert!(there.usage().await.tokens_used == Tokens::ZERO);
}

#[tokio::test]
async fn a_replica_that_stops_sends_its_followers_to_the_one_that_runs_it() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    pair.model().script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut running = here.generate(id, "hola").await;
    running.first_text().await;
    let mut followed = attach(&there, id, 0).await;
    assert_eq!(followed.first_text().await, "uno");
    let Pair { world, second } = pair;
    let stopping = tokio::spawn(second.stop());
    // Broken off, not ended: the client attaches again.
    assert_eq!(timeout(LONG, followed.next()).await.expect("in time"), None);
    timeout(LONG, stopping).await.expect("it stops").unwrap();
    world.sandbox.joxcoder.release();
    assert_eq!(running.all().await.text(), " dos");
    assert_eq!(attach(&here, id, 1).await.all().await.text(), " dos");
}

/// A replica as a process of its own, which can be killed.
async fn process(pair: &Pair) -> (Child, String) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = free.local_addr().unwrap().to_string();
    drop(free);
    let url = format!("http://{bind}");
    let relay = Command::new(env!("CARGO_BIN_EXE_autocrea-relay"))
        .arg("serve")
        .envs(pair.world.environment())
        .env("RELAY_BIND", &bind)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = async {
        while !reqwest::get(format!("{url}/readyz")).await.is_ok_and(|it| it.status() == 200) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, ready).await.expect("it came up");
    (relay, url)
}

#[tokio::test]
async fn of_a_replica_that_dies_what_was_spooled_stays_and_then_it_is_interrupted_for_nothing() {
    let pair = Pair::start().await;
    let (mut relay, url) = process(&pair).await;
    let (here, there) = pair.ana();
    let doomed = Person::new(&url, pair.world.token(ANA));
    pair.model().script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut events = doomed.generate(id, "hola").await;
    assert_eq!(events.first_text().await, "uno");
    let mut followed = attach(&there, id, 0).await;
    assert_eq!(followed.first_text().await, "uno");
    relay.kill().await.unwrap();
    assert_eq!(events.next().await, None);
    assert_eq!(here.usage().await.tokens_reserved, there.usage().await.tokens_reserved);

    // While its lease lasts it may be alive: it is neither run again nor ended.
    sweep::pass(&pair.second.app).await.unwrap();
    assert!(here.usage().await.tokens_reserved > Tokens::ZERO);
    assert_eq!(here.stop(id).await, StatusCode::NO_CONTENT);
    let alive = [&pair.world.relay, &pair.second].map(|it| it.app.lease.id().to_owned());
    pair.world.place.run(&format!(
        "UPDATE leases SET expires_at = 0 WHERE id NOT IN ('{}', '{}')",
        alive[0], alive[1]
    ));
    sweep::pass(&pair.world.relay.app).await.unwrap();
    let StreamEvent::Failed(failed) = next(&mut followed).await else { panic!("it has failed") };
    assert_eq!((failed.code, failed.remaining), (StreamCode::Interrupted, Tokens(20_000)));
    assert_eq!(there.usage().await.tokens_reserved, Tokens::ZERO);
    for person in [&here, &there] {
        let told = person.generate(id, "hola").await.all().await;
        assert_eq!(told.text(), "uno");
        assert_eq!(told.failed().code, StreamCode::Interrupted, "the same id never runs twice");
    }
    assert_eq!(pair.calls(), 1);
    let kinds: Vec<_> = here.ledger(id).await.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Reserve, EntryKind::Release]);
    pair.model().script(Reply::text("tres"));
    let next = here.post(&request(Uuid::now_v7(), "hola")).send().await.unwrap();
    assert_eq!(next.status(), StatusCode::OK, "its place is free again");
}
