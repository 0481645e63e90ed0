//! One generation, many replicas: attached to anywhere, run once.

use super::pair::{LONG, Pair, SOON, attach, next};
use crate::generate::stage::{Events, refusal, request};
use autocrea_protocol::generation::StreamEvent;
use autocrea_protocol::ledger::EntryKind;
use autocrea_protocol::{ErrorCode, Tokens};
use autocrea_relay::{lease, ledger};
use autocrea_sandbox::joxcoder::{Fault, Reply};
use futures_util::future::{join, join_all};
use reqwest::StatusCode;
use std::time::{Duration, Instant};
use uuid::Uuid;

#[tokio::test]
async fn what_runs_on_one_replica_is_followed_live_through_another() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    let pieces = ["uno", " dós", " 🦀", " cuatro"];
    pair.model().script(Reply::pieces(pieces).every(Duration::from_millis(50)).hold_after(2));
    let id = Uuid::now_v7();
    let mut first = here.generate(id, "hola").await;
    assert_eq!((first.first_text().await, first.first_text().await), ("uno".into(), " dós".into()));
    let mut second = attach(&there, id, 0).await;
    assert!(matches!(next(&mut second).await, StreamEvent::Reserved(_)));
    let (mut heard, mut text) = (0, String::new());
    while heard < 2 {
        if let StreamEvent::Delta { seq, text: piece } = next(&mut second).await {
            heard = seq;
            text.push_str(&piece);
        }
    }
    assert_eq!(text, "uno dós");

    pair.model().release();
    let rest = second.all().await;
    assert_eq!(rest.pieces(), [(3, " 🦀"), (4, " cuatro")]);

    let whole = attach(&here, id, 0).await.all().await;
    assert_eq!(whole.done(), rest.done());
    for after in 0..6 {
        let there = attach(&there, id, after).await.all().await;
        assert_eq!(there.0, attach(&here, id, after).await.all().await.0, "after {after}");
    }
    assert_eq!(pair.calls(), 1);
}

#[tokio::test]
async fn another_replica_is_half_a_second_behind_at_most() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    let pieces = (0..20).map(|n| format!("{n} "));
    pair.model().script(Reply::pieces(pieces).every(Duration::from_millis(50)).hold_after(1));
    let id = Uuid::now_v7();
    let mut first = here.generate(id, "hola").await;
    first.first_text().await;
    let mut second = attach(&there, id, 1).await;
    next(&mut second).await;
    pair.model().release();
    let (here, there) = join(heard(&mut first), heard(&mut second)).await;
    assert_eq!(here.len(), 19);
    assert!(here.iter().zip(&there).all(|(here, there)| here.0 == there.0));
    // A busy machine may be late at times; most pieces are in time on both.
    let late = here
        .iter()
        .zip(&there)
        .filter(|(here, there)| there.1.saturating_duration_since(here.1) > SOON);
    assert!(late.count() < 10);
}

/// The numbers of all pieces, and when they came.
async fn heard(events: &mut Events) -> Vec<(u64, Instant)> {
    let mut heard = Vec::new();
    while let Some(event) = events.next().await {
        if let StreamEvent::Delta { seq, .. } = event {
            heard.push((seq, Instant::now()));
        }
    }
    heard
}

#[tokio::test]
async fn a_long_answer_is_the_same_byte_for_byte_on_every_replica() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    here.usage().await;
    pair.put_all_on("business").await;
    let line = |n: usize| format!("{n}: ñandú 🦤\n\n{}", "x".repeat(n % 60));
    let text: Vec<String> = (0..400).map(line).collect();
    let paced = Reply::pieces(text.clone()).every(Duration::from_millis(4));
    pair.model().script(paced.hold_after(200));
    let id = Uuid::now_v7();
    let mut wish = request(id, "hola");
    wish["maxOutputTokens"] = 16_384.into();
    let first = Events::of(here.post(&wish).send().await.unwrap());
    let second = attach(&there, id, 0).await;
    // Somebody who takes nothing for now.
    let third = attach(&there, id, 0).await;
    pair.model().release();
    let (first, second) = join(first.all(), second.all()).await;
    assert_eq!(first.text(), text.concat());
    assert_eq!(second.0, first.0);
    assert_eq!(third.all().await.0, first.0);
    assert_eq!(attach(&there, id, 0).await.all().await.0, first.0);
}

#[tokio::test]
async fn the_same_request_through_another_replica_attaches() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    pair.model().script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut first = here.generate(id, "hola").await;
    first.first_text().await;
    let second = there.generate(id, "hola").await;
    let other = there.post(&request(id, "adiós")).send().await.unwrap();
    assert_eq!(refusal(other).await.0, ErrorCode::GenerationConflict);
    let (luis, _) = pair.person("luis@example.com");
    assert_eq!(refusal(luis.get(id).send().await.unwrap()).await.0, ErrorCode::NotFound);
    pair.model().release();
    let (first, second) = join(first.all(), second.all()).await;
    assert_eq!((second.text().as_str(), first.text().as_str()), ("uno dos", " dos"));
    assert_eq!(second.done(), first.done());
    assert_eq!(pair.calls(), 1);
}

#[tokio::test]
async fn the_same_request_at_both_at_once_runs_and_costs_once() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    here.usage().await;
    pair.put_all_on("business").await;
    let mut charged = Tokens::ZERO;
    for round in 1..=100 {
        pair.model().script(Reply::pieces(["uno", " dos"]));
        let id = Uuid::now_v7();
        let (first, second) = join(here.generate(id, "hola"), there.generate(id, "hola")).await;
        let told = tokio::time::timeout(LONG, join(first.all(), second.all())).await;
        let (first, second) = told.expect("both end");
        assert_eq!((first.text(), second.text()), ("uno dos".into(), "uno dos".into()));
        assert_eq!(first.done(), second.done());
        charged += first.done().charged;
        assert_eq!(pair.calls(), round);
        if round == 1 {
            let kinds: Vec<_> = here.ledger(id).await.iter().map(|entry| entry.kind).collect();
            assert_eq!(kinds, [EntryKind::Reserve, EntryKind::Settle]);
        }
    }
    let db = &pair.world.relay.app.db;
    assert_eq!(db.read(ledger::verify).await.unwrap(), []);
    let usage = there.usage().await;
    assert_eq!((usage.tokens_used, usage.tokens_reserved), (charged, Tokens::ZERO));
    assert_eq!(usage.generations_count, 100);
}

#[tokio::test]
async fn as_many_run_at_once_as_the_plan_allows_over_all_replicas() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    here.usage().await;
    for _ in 0..5 {
        pair.model().script(Reply::pieces(["uno", " dos"]).hold_after(1));
        let wishes: Vec<_> = (0..4).map(|_| request(Uuid::now_v7(), "hola")).collect();
        let asked = wishes.iter().zip([&here, &there, &here, &there]);
        let answers = join_all(asked.map(|(wish, person)| person.post(wish).send())).await;
        let (begun, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().map(Result::unwrap).partition(|it| it.status() == StatusCode::OK);
        assert_eq!((begun.len(), refused.len()), (1, 3));
        for answer in refused {
            assert_eq!(refusal(answer).await.0, ErrorCode::TooManyGenerations);
        }
        pair.model().release();
        for answer in begun {
            Events::of(answer).all().await.done();
        }
    }
}

#[tokio::test]
async fn after_its_time_nothing_of_a_generation_is_left_on_any_replica() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    pair.model().script(Reply::text("una palabra secreta"));
    let id = Uuid::now_v7();
    here.generate(id, "hola").await.all().await.done();
    let db = &pair.world.relay.app.db;
    let kept = async || {
        let sql = "SELECT COUNT(*) FROM spool_chunks";
        db.read(move |tx| tx.query_one(sql, &[], |row| row.get::<i64>(0))).await.unwrap()
    };
    pair.second.app.generations.sweep().await.unwrap();
    assert!(kept().await > 0);
    pair.world.clock.advance(Duration::from_secs(901));
    assert_eq!(refusal(there.get(id).send().await.unwrap()).await.0, ErrorCode::NotFound);
    pair.second.app.generations.sweep().await.unwrap();
    assert_eq!(kept().await, 0);
    let again = there.post(&request(id, "hola")).send().await.unwrap();
    assert_eq!(refusal(again).await.0, ErrorCode::GenerationConflict);
}

#[tokio::test]
async fn who_waits_for_the_endpoint_is_told_through_another_replica_too() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    pair.model().switch(Some(Fault::Waking(Duration::from_secs(3600))));
    let id = Uuid::now_v7();
    let mut first = here.generate(id, "hola").await;
    assert!(matches!(next(&mut first).await, StreamEvent::Reserved(_)));
    assert!(matches!(next(&mut first).await, StreamEvent::Waking(_)));
    let mut second = attach(&there, id, 0).await;
    assert!(matches!(next(&mut second).await, StreamEvent::Reserved(_)));
    let StreamEvent::Waking(notice) = next(&mut second).await else { panic!("it is waking") };
    assert!(notice.retry_in_ms > 0);
    pair.model().switch(None);
    assert!(!first.all().await.text().is_empty());
    assert!(!second.all().await.text().is_empty());
}

/// The process was only slow: what it still hears from the model is not part of the generation.
#[tokio::test]
async fn what_is_said_after_a_generation_was_ended_for_the_dead_is_in_no_replay() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    pair.model().script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut running = here.generate(id, "hola").await;
    assert_eq!(running.first_text().await, "uno");
    let mut followed = attach(&there, id, 0).await;
    assert_eq!(followed.first_text().await, "uno");
    let lease = pair.world.relay.app.lease.id().to_owned();
    pair.world.place.run(&format!("UPDATE leases SET expires_at = 0 WHERE id = '{lease}'"));
    assert_eq!(lease::interrupt_abandoned(&pair.second.app.db).await.unwrap(), 1);
    assert_eq!(followed.all().await.failed().charged, Tokens::ZERO);
    pair.model().release();
    assert_eq!(running.all().await.failed().charged, Tokens::ZERO);
    assert_eq!(attach(&there, id, 0).await.all().await.text(), "uno");
}
