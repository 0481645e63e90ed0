//! What a stream carries.

use super::stage::{Events, Stage, refusal, request};
use autocrea_protocol::generation::{FinishReason, StreamEvent};
use autocrea_protocol::ledger::EntryKind;
use autocrea_protocol::{ErrorCode, Tokens};
use autocrea_sandbox::joxcoder::{Fault, Reply};
use serde_json::json;
use uuid::Uuid;

const HARD: [&str; 6] =
    ["¿Qué", " tal,\r\n", "\n\n\"mundo\"", " 🦀\u{200d}", "\u{0}\\n", "data: x\n\n"];

#[tokio::test]
async fn a_generation_streams_exactly_what_the_model_said_and_costs_what_it_reported() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(HARD).usage(12, 34));
    let id = Uuid::now_v7();
    let told = ana.generate(id, "hola").await.all().await;

    let StreamEvent::Reserved(reserved) = &told.0[0] else { panic!("{:?}", told.0[0]) };
    assert_eq!(reserved.generation_id.0, id);
    assert_eq!(reserved.reserved + reserved.remaining, Tokens(20_000));
    assert_eq!(told.text(), HARD.concat());
    let numbers: Vec<u64> = told.pieces().iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());

    let done = told.done();
    assert_eq!(done.finish_reason, FinishReason::Stop);
    assert_eq!((done.usage.input_tokens, done.usage.output_tokens), (Tokens(12), Tokens(34)));
    assert_eq!((done.charged, done.remaining), (Tokens(46), Tokens(19_954)));
    let usage = ana.usage().await;
    assert_eq!((usage.tokens_used, usage.tokens_reserved), (Tokens(46), Tokens(0)));
    let kinds: Vec<_> =
        ana.ledger(id).await.iter().map(|entry| (entry.kind, entry.tokens)).collect();
    assert_eq!(kinds, [(EntryKind::Reserve, reserved.reserved), (EntryKind::Settle, Tokens(46))]);
}

#[tokio::test]
async fn however_the_bytes_are_cut_the_text_is_the_same() {
    let stage = Stage::with(&[]).await;
    for (index, cut) in [1, 2, 3, 5, 7, 64].into_iter().enumerate() {
        let person = stage.person(&format!("person{index}@example.com"));
        let mut reply = Reply::pieces(HARD);
        reply.cut_bytes = Some(cut);
        stage.sandbox.joxcoder.script(reply);
        let told = person.generate(Uuid::now_v7(), "hola").await.all().await;
        assert_eq!(told.text(), HARD.concat(), "cut into {cut}");
        assert_eq!(told.done().finish_reason, FinishReason::Stop);
    }
}

#[tokio::test]
async fn text_is_passed_on_as_it_comes_and_not_at_the_end() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let mut events = ana.generate(Uuid::now_v7(), "hola").await;
    assert_eq!(events.first_text().await, "uno");
    stage.sandbox.joxcoder.release();
    let rest = events.all().await;
    assert_eq!(rest.text(), " dos");
    rest.done();
}

#[tokio::test]
async fn the_model_is_told_its_ceiling_and_nothing_about_the_person() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::text("ya"));
    let mut body = request(Uuid::now_v7(), "hola");
    body["maxOutputTokens"] = 9_000.into();
    Events::of(ana.post(&body).send().await.unwrap()).all().await.done();
    let asked = &stage.sandbox.joxcoder.requests()[0];
    assert_eq!(asked.body["max_tokens"], 4_096, "the free plan's ceiling");
    assert_eq!(asked.body["stream_options"]["include_usage"], true);
    assert_eq!(asked.authorization.as_deref(), Some("Bearer hf_sandbox"));
    assert!(!asked.body.to_string().contains("user_"));
}

#[tokio::test]
async fn a_sleeping_model_is_waited_for_and_the_client_is_told() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.next(Fault::WakingTimes(2));
    let told = ana.generate(Uuid::now_v7(), "una lista de tareas").await.all().await;
    assert_eq!(told.wakings(), 2);
    told.done();
    let asked = stage.sandbox.joxcoder.requests();
    assert_eq!(asked.len(), 3);
    assert_eq!(asked[0].scale_up_timeout, None);
    assert!(asked[1..].iter().all(|it| it.scale_up_timeout.is_some()));
    assert_eq!(ana.usage().await.generations_count, 1);
}

#[tokio::test]
async fn an_image_goes_along_to_a_model_that_takes_them() {
    let stage = Stage::with(&[("JOXCODER_IMAGES", "true")]).await;
    assert_eq!(stage.get("/api/config").await["generation"]["images"], true);
    let ana = stage.person("ana@example.com");
    let parts = |url: &str| {
        json!([
            { "type": "text", "text": "¿Qué es?" },
            { "type": "image_url", "image_url": { "url": url, "detail": "low" } },
        ])
    };
    let asked = async |url: &str| {
        let mut body = request(Uuid::now_v7(), "");
        body["messages"] = json!([{ "role": "user", "content": parts(url) }]);
        ana.post(&body).send().await.unwrap()
    };
    stage.sandbox.joxcoder.script(Reply::text("una casa"));
    let carried = "data:image/png;base64,iVBORw0KGgo=";
    Events::of(asked(carried).await).all().await.done();
    let sent = &stage.sandbox.joxcoder.requests()[0].body["messages"];
    assert_eq!(*sent, json!([{ "role": "user", "content": parts(carried) }]));
    for fetched in ["https://example.com/a.png", "file:///etc/passwd", "data:text/html,x", ""] {
        let (code, body) = refusal(asked(fetched).await).await;
        assert_eq!((code, body.field.as_deref()), (ErrorCode::InvalidRequest, Some("messages")));
    }
}

#[tokio::test]
async fn how_it_failed_is_told_in_the_language_of_whoever_attaches() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.next(Fault::Status(500));
    let id = Uuid::now_v7();
    let spanish = ana.generate(id, "hola").await.all().await.failed().clone();
    assert!(spanish.error.starts_with("El modelo falló"), "{}", spanish.error);
    let again = ana.get(id).header("accept-language", "en").send().await.unwrap();
    let english = Events::of(again).all().await.failed().clone();
    assert!(english.error.starts_with("The model failed"), "{}", english.error);
    assert_eq!((english.code, english.remaining), (spanish.code, spanish.remaining));
}
