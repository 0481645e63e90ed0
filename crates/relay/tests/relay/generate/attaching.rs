//! One id, one generation: repeating, attaching again, other people's.

use super::stage::{Events, Stage, refusal, request};
use autocrea_protocol::generation::{FinishReason, StreamEvent};
use autocrea_protocol::ledger::EntryKind;
use autocrea_protocol::{ErrorCode, Tokens};
use autocrea_sandbox::joxcoder::Reply;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn the_same_request_again_attaches_and_the_model_is_asked_once() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let id = Uuid::now_v7();
    let together = join_all((0..8).map(|_| ana.generate(id, "hola"))).await;
    stage.sandbox.joxcoder.release();
    for told in join_all(together.into_iter().map(Events::all)).await {
        assert_eq!(told.text(), "uno dos");
        assert_eq!(told.done().charged, Tokens(12));
    }
    let later = ana.generate(id, "hola").await.all().await;
    assert_eq!((later.text().as_str(), later.done().charged), ("uno dos", Tokens(12)));
    assert_eq!(stage.calls(), 1);
    let kinds: Vec<_> = ana.ledger(id).await.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::Reserve, EntryKind::Settle]);
    assert_eq!(ana.usage().await.tokens_used, Tokens(12));
}

#[tokio::test]
async fn the_same_id_with_another_payload_is_a_conflict() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::text("ya"));
    let id = Uuid::now_v7();
    ana.generate(id, "hola").await.all().await.done();
    for (field, value) in [
        ("role", "qa".into()),
        ("maxOutputTokens", 999.into()),
        ("maxOutputTokens", serde_json::Value::Null),
    ] {
        let mut body = request(id, "hola");
        body[field] = value;
        let (code, _) = refusal(ana.post(&body).send().await.unwrap()).await;
        assert_eq!(code, ErrorCode::GenerationConflict, "{field}");
    }
    let other = ana.post(&request(id, "adiós")).send().await.unwrap();
    assert_eq!(refusal(other).await.0, ErrorCode::GenerationConflict);
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn whoever_attaches_again_gets_what_is_missing_from_any_number_on() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    let pause = Duration::from_millis(2);
    stage.sandbox.joxcoder.script(Reply::pieces(["a", "b", "ñ", "🦀", "e"]).every(pause));
    let id = Uuid::now_v7();
    let whole = ana.generate(id, "hola").await.all().await;
    let pieces = whole.pieces();
    let last = pieces.len() as u64;
    for after in 0..last + 3 {
        let told = ana.attach(id, after).await.all().await;
        let missing: Vec<_> = pieces.iter().filter(|(seq, _)| *seq > after).copied().collect();
        assert_eq!(told.pieces(), missing, "after {after}");
        assert_eq!(told.0.first(), whole.0.first());
        assert_eq!(told.done(), whole.done());
        assert!(matches!(told.0[0], StreamEvent::Reserved(_)));
    }
    let again = ana.post(&request(id, "hola")).header("last-event-id", "2").send().await.unwrap();
    assert_eq!(Events::of(again).all().await.pieces(), pieces[2..]);
}

#[tokio::test]
async fn whoever_lost_the_connection_goes_on_in_the_middle_while_it_runs() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    let model = &stage.sandbox.joxcoder;
    let reply = Reply::pieces(["uno", " dos", " tres"]).every(Duration::from_millis(20));
    model.script(reply.hold_after(2));
    let id = Uuid::now_v7();
    let mut first = ana.generate(id, "hola").await;
    assert_eq!(first.first_text().await, "uno");
    drop(first);
    let mut second = ana.attach(id, 1).await;
    assert_eq!(second.first_text().await, " dos");
    model.release();
    let rest = second.all().await;
    assert_eq!((rest.text().as_str(), rest.done().charged), (" tres", Tokens(13)));
}

#[tokio::test]
async fn an_id_is_the_same_in_every_way_of_writing_it() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::text("ya"));
    let id = Uuid::from_u128(0xabcd_ef01_2345_4678_9abc_def0_1234_5678);
    let whole = ana.generate(id, "hola").await.all().await;
    let ways = [
        id.hyphenated().to_string().to_uppercase(),
        id.simple().to_string(),
        id.urn().to_string(),
        id.braced().to_string(),
    ];
    for way in &ways {
        let mut again = request(id, "hola");
        again["generationId"] = way.as_str().into();
        again["unknown"] = true.into();
        let again = Events::of(ana.post(&again).send().await.unwrap()).all().await;
        assert_eq!((again.0.first(), again.done()), (whole.0.first(), whole.done()), "{way}");
        let attached = Events::of(ana.ask(Method::GET, way).send().await.unwrap()).all().await;
        assert_eq!(attached.text(), "ya", "{way}");
        let stopped = ana.ask(Method::DELETE, way).send().await.unwrap();
        assert_eq!(stopped.status(), StatusCode::NO_CONTENT, "{way}");
    }
    // Any UUID will do, even the one of nothing.
    stage.sandbox.joxcoder.script(Reply::text("nada"));
    assert_eq!(ana.generate(Uuid::nil(), "hola").await.all().await.text(), "nada");
    assert_eq!(stage.calls(), 2);
}

#[tokio::test]
async fn whoever_attaches_to_a_stopped_one_hears_how_it_was_stopped() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut first = ana.generate(id, "hola").await;
    first.first_text().await;
    assert_eq!(ana.stop(id).await, StatusCode::NO_CONTENT);
    let done = first.all().await.done().clone();
    assert_eq!(done.finish_reason, FinishReason::Cancelled);
    for after in [0, 1, 2] {
        let again = ana.attach(id, after).await.all().await;
        assert_eq!(again.done(), &done);
        assert_eq!(again.text(), if after == 0 { "uno" } else { "" });
    }
    let posted = Events::of(ana.post(&request(id, "hola")).send().await.unwrap()).all().await;
    assert_eq!((posted.text().as_str(), posted.done()), ("uno", &done));
    assert_eq!(stage.calls(), 1);
}

#[tokio::test]
async fn a_malformed_last_event_id_is_refused_and_names_itself() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::text("ya"));
    let id = Uuid::now_v7();
    ana.generate(id, "hola").await.all().await;
    let fresh = Uuid::now_v7();
    for bad in ["x", "-1", "+1", "1.5", "1,2", ""] {
        for asked in [ana.get(id), ana.post(&request(id, "hola")), ana.post(&request(fresh, "x"))] {
            let response = asked.header("last-event-id", bad).send().await.unwrap();
            let (code, body) = refusal(response).await;
            assert_eq!(
                (code, body.field.as_deref()),
                (ErrorCode::InvalidRequest, Some("Last-Event-ID"))
            );
        }
    }
    assert_eq!(stage.calls(), 1, "nothing was begun");
    let past = ana.get(id).header("last-event-id", "99999999999999999999999").send().await.unwrap();
    let told = Events::of(past).all().await;
    assert!(told.pieces().is_empty());
    told.done();
}

#[tokio::test]
async fn somebody_elses_generation_is_as_unknown_as_one_that_never_was() {
    let stage = Stage::new().await;
    let (ana, luis) = (stage.person("ana@example.com"), stage.person("luis@example.com"));
    stage.sandbox.joxcoder.script(Reply::pieces(["de ana"]).hold_after(1));
    let id = Uuid::now_v7();
    let mut events = ana.generate(id, "hola").await;
    events.first_text().await;
    for unknown in [id, Uuid::now_v7()] {
        assert_eq!(refusal(luis.get(unknown).send().await.unwrap()).await.0, ErrorCode::NotFound);
        assert_eq!(luis.stop(unknown).await, StatusCode::NOT_FOUND);
    }
    // The same id under another person is another generation, whatever its payload.
    stage.sandbox.joxcoder.script(Reply::text("de luis"));
    assert_eq!(luis.generate(id, "otra cosa").await.all().await.text(), "de luis");
    stage.sandbox.joxcoder.release();
    assert_eq!(events.all().await.done().charged, Tokens(11));
}

#[tokio::test]
async fn after_its_time_a_generation_is_gone_and_its_id_stays_used() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::text("una palabra secreta"));
    let id = Uuid::now_v7();
    ana.generate(id, "hola").await.all().await.done();
    stage.clock.advance(Duration::from_secs(14 * 60));
    assert_eq!(ana.attach(id, 0).await.all().await.text(), "una palabra secreta");
    stage.clock.advance(Duration::from_secs(61));
    assert_eq!(refusal(ana.get(id).send().await.unwrap()).await.0, ErrorCode::NotFound);
    let again = ana.post(&request(id, "hola")).send().await.unwrap();
    assert_eq!(refusal(again).await.0, ErrorCode::GenerationConflict);
    assert_eq!(ana.stop(id).await, StatusCode::NO_CONTENT);
    assert_eq!(stage.calls(), 1);
    stage.relay.app.generations.sweep().await.unwrap();
    for file in std::fs::read_dir(stage.folder()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let secret = "una palabra secreta".as_bytes();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    }
}
