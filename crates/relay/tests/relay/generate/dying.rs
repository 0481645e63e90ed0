//! The relay's death, and its graceful end.

use super::stage::{Person, Stage, refusal, request};
use crate::support::environment;
use crate::support::place::Place;
use autocrea_protocol::generation::StreamCode;
use autocrea_protocol::{ErrorCode, Tokens};
use autocrea_sandbox::joxcoder::Reply;
use autocrea_sandbox::{Options, Sandbox};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::{Child, Command};
use uuid::Uuid;

/// A relay as a process of its own, which can be killed.
async fn start(sandbox: &Sandbox, place: &Place, addr: SocketAddr) -> Child {
    let url = format!("http://{addr}");
    let bind = addr.to_string();
    let relay = Command::new(env!("CARGO_BIN_EXE_autocrea-relay"))
        .arg("serve")
        .envs(environment(sandbox, &url, place, &[("RELAY_BIND", &bind)]))
        .env("TMPDIR", place.path())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let ready = async {
        while !reqwest::get(format!("{url}/readyz")).await.is_ok_and(|it| it.status() == 200) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), ready).await.expect("the relay came up");
    relay
}

/// Waits until something is in the spool, which is soon after it was on the wire.
async fn spooled(place: &Place) {
    if place.is_shared() {
        return place.run(
            "DO $$ BEGIN
                 WHILE NOT EXISTS (SELECT 1 FROM spool_chunks) LOOP PERFORM pg_sleep(0.005); END LOOP;
             END $$",
        );
    }
    let spool = rusqlite::Connection::open(place.path().join("relay.db-spool")).unwrap();
    let pieces = || spool.query_row("SELECT count(*) FROM chunks", [], |row| row.get::<_, i64>(0));
    let written = async {
        while pieces().unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), written).await.expect("it was spooled");
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn a_relay_that_dies_keeps_what_had_arrived_and_charges_nothing() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let place = Place::new();
    let addr = free_address();
    let mut relay = start(&sandbox, &place, addr).await;
    let token = sandbox.clerk.access_token("ana@example.com");
    let ana = Person::new(&format!("http://{addr}"), token);
    sandbox.joxcoder.script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut events = ana.generate(id, "hola").await;
    assert_eq!(events.first_text().await, "uno");
    spooled(&place).await;
    relay.kill().await.unwrap();
    assert_eq!(events.next().await, None, "a dead relay says nothing");

    let _relay = start(&sandbox, &place, addr).await;
    let told = ana.attach(id, 0).await.all().await;
    assert_eq!(told.text(), "uno");
    assert_eq!(told.failed().code, StreamCode::Interrupted);
    assert_eq!(told.failed().remaining, Tokens(20_000));
    let usage = ana.usage().await;
    assert_eq!((usage.tokens_used, usage.tokens_reserved), (Tokens(0), Tokens(0)));
    let again = ana.generate(id, "hola").await.all().await;
    assert_eq!(again.failed().code, StreamCode::Interrupted, "the same id never runs twice");
    assert_eq!(sandbox.joxcoder.requests().len(), 1);
    sandbox.joxcoder.script(Reply::text("tres"));
    assert_eq!(ana.generate(Uuid::now_v7(), "hola").await.all().await.text(), "tres");
}

#[tokio::test]
async fn a_finished_generation_outlives_the_relay() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let place = Place::new();
    let addr = free_address();
    let mut relay = start(&sandbox, &place, addr).await;
    let token = sandbox.clerk.access_token("ana@example.com");
    let ana = Person::new(&format!("http://{addr}"), token);
    sandbox.joxcoder.script(Reply::pieces(["uno", " dos"]));
    let id = Uuid::now_v7();
    let whole = ana.generate(id, "hola").await.all().await;
    relay.kill().await.unwrap();
    let _relay = start(&sandbox, &place, addr).await;
    let told = ana.attach(id, 0).await.all().await;
    assert_eq!(told.0, whole.0, "the same events, number by number");
}

#[tokio::test]
async fn a_relay_that_stops_takes_nothing_new_and_lets_what_runs_end() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let mut events = ana.generate(Uuid::now_v7(), "hola").await;
    assert_eq!(events.first_text().await, "uno");
    let generations = stage.relay.app.generations.clone();
    let drained = tokio::spawn(async move { generations.drain(Duration::from_secs(20)).await });
    // It is closed from its first step on.
    tokio::task::yield_now().await;
    let refused = ana.post(&request(Uuid::now_v7(), "hola")).send().await.unwrap();
    assert_eq!(refusal(refused).await.0, ErrorCode::UpstreamUnavailable);
    stage.sandbox.joxcoder.release();
    assert_eq!(events.all().await.done().charged, Tokens(12));
    drained.await.unwrap();
}

#[tokio::test]
async fn what_does_not_end_in_time_is_interrupted_for_nothing() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let mut events = ana.generate(Uuid::now_v7(), "hola").await;
    assert_eq!(events.first_text().await, "uno");
    stage.relay.app.generations.drain(Duration::ZERO).await;
    assert_eq!(events.all().await.failed().code, StreamCode::Interrupted);
    assert_eq!(ana.usage().await.remaining, Tokens(20_000));
}

#[tokio::test]
async fn a_graceful_restart_loses_nothing_and_the_end_can_be_fetched_from_the_next_relay() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut events = ana.generate(id, "hola").await;
    assert_eq!(events.first_text().await, "uno");
    let (model, stopping) = (Arc::clone(&stage.sandbox.joxcoder), stage.relay.app.stopping.clone());
    let ends = async {
        stopping.cancelled().await;
        model.release();
        let told = events.all().await;
        assert_eq!((told.text().as_str(), told.done().charged), (" dos", Tokens(12)));
    };
    let (world, ()) = tokio::join!(stage.0.restart(), ends);
    let stage = Stage(world);
    let told = stage.person("ana@example.com").attach(id, 1).await.all().await;
    assert_eq!((told.text().as_str(), told.done().charged), (" dos", Tokens(12)));
    assert_eq!(stage.calls(), 1);
}
