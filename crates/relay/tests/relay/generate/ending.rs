//! How generations end, and what that costs.

use super::stage::{Events, Person, Stage, request};
use autocrea_protocol::Tokens;
use autocrea_protocol::generation::{FinishReason, StreamCode, StreamEvent};
use autocrea_protocol::ledger::EntryKind;
use autocrea_sandbox::joxcoder::{Fault, Outcome, Reply};
use reqwest::{Method, StatusCode};
use std::time::Duration;
use uuid::Uuid;

async fn nothing_was_charged(person: &Person, id: Uuid) {
    let usage = person.usage().await;
    assert_eq!((usage.tokens_used, usage.tokens_reserved), (Tokens(0), Tokens(0)));
    assert_eq!(usage.remaining, Tokens(20_000));
    let entries = person.ledger(id).await;
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Reserve, EntryKind::Release]);
    assert_eq!(entries[0].tokens, entries[1].tokens, "all of it is given back");
}

#[tokio::test]
async fn a_failed_generation_costs_nothing() {
    let stage = Stage::with(&[("RELAY_GENERATION_IDLE_TIMEOUT_SECS", "1")]).await;
    let cases = [
        (Fault::Status(500), StreamCode::UpstreamFailed, 0),
        (Fault::Status(404), StreamCode::UpstreamFailed, 0),
        (Fault::Status(429), StreamCode::UpstreamFailed, 0),
        (Fault::DropAfter(2), StreamCode::UpstreamFailed, 2),
        (Fault::EndAfter(2), StreamCode::UpstreamFailed, 2),
        (Fault::HangAfter(0), StreamCode::UpstreamTimeout, 0),
        (Fault::HangAfter(2), StreamCode::UpstreamTimeout, 2),
        (Fault::Empty, StreamCode::EmptyOutput, 0),
    ];
    for (index, (fault, code, pieces)) in cases.into_iter().enumerate() {
        let person = stage.person(&format!("person{index}@example.com"));
        // With a pause, so that what is said before a connection breaks has left the endpoint.
        let pause = Duration::from_millis(20);
        stage.sandbox.joxcoder.script(Reply::pieces(["uno", "dos", "tres"]).every(pause));
        stage.sandbox.joxcoder.switch(Some(fault.clone()));
        let id = Uuid::now_v7();
        let told = person.generate(id, "hola").await.all().await;
        assert_eq!(told.failed().code, code, "{fault:?}");
        assert_eq!(told.failed().remaining, Tokens(20_000));
        assert_eq!(told.text().is_empty(), pieces == 0, "{fault:?}: {told:?}");
        nothing_was_charged(&person, id).await;
    }
}

#[tokio::test]
async fn a_model_that_does_not_wake_up_in_time_costs_nothing() {
    let stage = Stage::with(&[("RELAY_GENERATION_WAKING_SECS", "1")]).await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.switch(Some(Fault::Waking(Duration::from_secs(3600))));
    let id = Uuid::now_v7();
    let told = ana.generate(id, "hola").await.all().await;
    assert_eq!(told.failed().code, StreamCode::UpstreamTimeout);
    assert!(told.wakings() > 0);
    nothing_was_charged(&ana, id).await;
}

#[tokio::test]
async fn a_model_without_usage_is_counted_by_the_relay_and_adds_up() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::text("x".repeat(30)).without_usage());
    let done = ana.generate(Uuid::now_v7(), "hola").await.all().await.done().clone();
    assert_eq!(done.usage.output_tokens, Tokens(10));
    assert_eq!(done.usage.input_tokens, Tokens(2 + 4 + 3));
    assert_eq!(done.charged, Tokens(19));
}

#[tokio::test]
async fn with_the_models_tokenizer_the_relay_counts_exactly() {
    let tokenizer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/relay/support/tokenizer.json");
    let stage = Stage::with(&[("JOXCODER_TOKENIZER", tokenizer)]).await;
    let ana = stage.person("ana@example.com");
    let shown = ana.validate("hola hola hola").await;
    assert_eq!(shown.estimated_tokens, Tokens(3 + 4 + 3));
    // Cut where the tokens are not.
    let reply = Reply::pieces(["ho", "la ho", "la"]).without_usage();
    stage.sandbox.joxcoder.script(reply);
    let done = ana.generate(Uuid::now_v7(), "hola hola hola").await.all().await.done().clone();
    assert_eq!(done.usage.input_tokens, shown.estimated_tokens);
    assert_eq!((done.usage.output_tokens, done.charged), (Tokens(2), Tokens(12)));
    stage.sandbox.joxcoder.script(Reply::pieces(["hola hola hola", " x"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut events = ana.generate(id, "hola").await;
    events.first_text().await;
    ana.stop(id).await;
    let stopped = events.all().await.done().clone();
    assert_eq!(stopped.finish_reason, FinishReason::Cancelled);
    assert_eq!(stopped.usage.output_tokens, Tokens(3));
}

#[tokio::test]
async fn usage_on_a_chunk_with_choices_counts_and_an_explicit_zero_is_a_zero() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    let mut reply = Reply::text("hola").usage(5, 6);
    reply.usage_on_choice = true;
    stage.sandbox.joxcoder.script(reply);
    let told = ana.generate(Uuid::now_v7(), "hola").await.all().await;
    assert_eq!(told.done().charged, Tokens(11));
    stage.sandbox.joxcoder.script(Reply::text("hola").usage(0, 0));
    let told = ana.generate(Uuid::now_v7(), "hola").await.all().await;
    assert_eq!((told.text().as_str(), told.done().charged), ("hola", Tokens(0)));
}

#[tokio::test]
async fn never_more_than_what_was_reserved_is_charged_and_usage_adds_up_to_it() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::text("hola").usage(1_000_000, 1_000_000));
    let id = Uuid::now_v7();
    let done = ana.generate(id, "hola").await.all().await.done().clone();
    let reserved = ana.ledger(id).await[0].tokens;
    assert_eq!(reserved, Tokens(1009));
    assert_eq!(done.charged, reserved);
    assert_eq!(done.usage.input_tokens + done.usage.output_tokens, reserved);
}

#[tokio::test]
async fn a_model_that_ignores_its_maximum_is_stopped_at_the_ceiling() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    let pause = Duration::from_millis(1);
    stage.sandbox.joxcoder.script(Reply::pieces(vec!["palabra "; 10_000]).every(pause));
    let id = Uuid::now_v7();
    let mut wish = request(id, "hola");
    wish["maxOutputTokens"] = 300.into();
    let told = Events::of(ana.post(&wish).send().await.unwrap()).all().await;
    let done = told.done();
    assert_eq!((done.finish_reason, done.usage.output_tokens), (FinishReason::Length, Tokens(300)));
    assert!(told.text().len() < "palabra ".len() * 1_000, "it was stopped soon");
    assert!(done.charged <= ana.ledger(id).await[0].tokens);
    assert_eq!(done.usage.input_tokens + done.usage.output_tokens, done.charged);
    let left = |requests: &[autocrea_sandbox::joxcoder::Recorded]| {
        requests[0].outcome == Outcome::ClientLeft
    };
    stage.sandbox.joxcoder.wait_for(left).await;
}

#[tokio::test]
async fn stopped_before_any_text_costs_nothing_and_reaches_the_model() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.next(Fault::HangAfter(0));
    let id = Uuid::now_v7();
    let events = ana.generate(id, "hola").await;
    stage.sandbox.joxcoder.wait_for(|requests| requests.len() == 1).await;
    assert_eq!(ana.stop(id).await, StatusCode::NO_CONTENT);
    let told = events.all().await;
    assert_eq!(
        (told.done().finish_reason, told.done().charged),
        (FinishReason::Cancelled, Tokens(0))
    );
    nothing_was_charged(&ana, id).await;
    stage.sandbox.joxcoder.wait_for(|requests| requests[0].outcome == Outcome::ClientLeft).await;
    assert_eq!(ana.stop(id).await, StatusCode::NO_CONTENT, "stopping twice is no fault");
}

#[tokio::test]
async fn stopped_later_it_costs_the_input_and_what_had_arrived() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["x".repeat(300), "y".repeat(300)]).hold_after(1));
    let id = Uuid::now_v7();
    let mut events = ana.generate(id, "hola").await;
    assert_eq!(events.first_text().await.len(), 300);
    assert_eq!(ana.stop(id).await, StatusCode::NO_CONTENT);
    let done = events.all().await.done().clone();
    assert_eq!(done.finish_reason, FinishReason::Cancelled);
    assert_eq!((done.usage.input_tokens, done.usage.output_tokens), (Tokens(9), Tokens(100)));
    assert_eq!(done.charged, Tokens(109));
    assert_eq!(ana.usage().await.tokens_used, Tokens(109));
    stage.sandbox.joxcoder.wait_for(|requests| requests[0].outcome == Outcome::ClientLeft).await;
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_stop_it_and_finds_all_of_it_later() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["uno", " dos", " tres"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut events = ana.generate(id, "hola").await;
    events.first_text().await;
    drop(events);
    stage.sandbox.joxcoder.release();
    let told = ana.attach(id, 0).await.all().await;
    assert_eq!(told.text(), "uno dos tres");
    assert_eq!(told.done().charged, Tokens(13));
    assert_eq!(stage.sandbox.joxcoder.requests()[0].outcome, Outcome::Finished);
}

#[tokio::test]
async fn stopped_while_the_model_wakes_up_costs_nothing() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.switch(Some(Fault::Waking(Duration::from_secs(3600))));
    let id = Uuid::now_v7();
    let mut events = ana.generate(id, "hola").await;
    events.next().await.expect("reserved");
    let waking = events.next().await;
    assert!(matches!(waking, Some(StreamEvent::Waking(_))), "{waking:?}");
    assert_eq!(ana.stop(id).await, StatusCode::NO_CONTENT);
    assert_eq!(events.all().await.done().finish_reason, FinishReason::Cancelled);
    nothing_was_charged(&ana, id).await;
}

#[tokio::test]
async fn an_answer_that_takes_too_long_in_all_costs_nothing() {
    let stage = Stage::with(&[("RELAY_GENERATION_TOTAL_TIMEOUT_SECS", "1")]).await;
    let ana = stage.person("ana@example.com");
    let pause = Duration::from_millis(100);
    stage.sandbox.joxcoder.script(Reply::pieces(vec!["más "; 100]).every(pause));
    let id = Uuid::now_v7();
    let told = ana.generate(id, "hola").await.all().await;
    assert_eq!(told.failed().code, StreamCode::UpstreamTimeout);
    assert!(told.text().starts_with("más "));
    nothing_was_charged(&ana, id).await;
}

#[tokio::test]
async fn whoever_watches_the_account_sees_tokens_held_and_then_spent() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    let account = stage.ask_as("ana@example.com", Method::GET, "/api/account/events");
    let mut account = crate::support::Events::of(account.send().await.unwrap());
    let before = account.data().await;
    stage.sandbox.joxcoder.script(Reply::text("ya").usage(3, 4));
    ana.generate(Uuid::now_v7(), "hola").await.all().await.done();
    let (mut held, mut after) = (false, before.clone());
    while after["tokens"]["used"] != 7 {
        after = account.data().await;
        held |= after["tokens"]["reserved"] == 1009;
    }
    assert!(after["version"].as_i64() > before["version"].as_i64());
    assert_eq!(after["tokens"]["remaining"], 19_993);
    assert!(held || after["version"].as_i64() == before["version"].as_i64().map(|it| it + 2));
}
