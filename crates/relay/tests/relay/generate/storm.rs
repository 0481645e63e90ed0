//! Many at once: nothing is overspent, nothing is lost, everything adds up.

use super::stage::{Events, Person, Stage, refusal, request};
use autocrea_protocol::account::Subscription;
use autocrea_protocol::generation::{FinishReason, StreamEvent};
use autocrea_protocol::{ErrorCode, PlanId, Tokens};
use autocrea_relay::{account, ledger};
use autocrea_sandbox::joxcoder::{Fault, Reply};
use futures_util::future::join_all;
use uuid::Uuid;

/// Puts a person on a plan, without the tokens that it would bring.
async fn on_plan(stage: &Stage, person: &Person, email: &str, plan: &str) {
    person.usage().await;
    let user = stage.user(email);
    let subscription = Subscription { plan_id: PlanId::from(plan), ..Subscription::none() };
    let write = stage
        .relay
        .app
        .db
        .write(move |tx| account::set_subscription(tx, &user, &subscription).map(drop));
    write.await.unwrap();
}

async fn assert_ledger_adds_up(stage: &Stage) {
    let differences = stage.relay.app.db.read(ledger::verify).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}");
}

#[tokio::test]
async fn of_many_begun_at_once_only_as_many_run_as_the_plan_allows() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    stage.sandbox.joxcoder.script(Reply::pieces(["uno"]).hold_after(1));
    let wishes = (0..12).map(|_| ana.post(&request(Uuid::now_v7(), "hola")).send());
    let (mut begun, mut refused) = (Vec::new(), 0);
    for answer in join_all(wishes).await {
        let answer = answer.unwrap();
        if answer.status() == 200 {
            begun.push(Events::of(answer));
        } else {
            assert_eq!(refusal(answer).await.0, ErrorCode::TooManyGenerations);
            refused += 1;
        }
    }
    assert_eq!((begun.len(), refused), (1, 11));
    let mut running = begun.remove(0);
    running.first_text().await;
    assert_eq!(stage.calls(), 1);
    stage.sandbox.joxcoder.release();
    running.all().await.done();
}

#[tokio::test]
async fn many_at_once_never_hold_more_than_there_is() {
    let stage = Stage::new().await;
    let ana = stage.person("ana@example.com");
    on_plan(&stage, &ana, "ana@example.com", "business").await;
    stage.sandbox.joxcoder.switch(Some(Fault::HangAfter(1)));
    let mut wish = request(Uuid::nil(), "hola");
    wish["maxOutputTokens"] = 6_000.into();
    let wishes = (0..8).map(|_| {
        wish["generationId"] = Uuid::now_v7().to_string().into();
        ana.post(&wish).send()
    });
    let wishes: Vec<_> = wishes.collect();
    let (mut held, mut streams) = (Tokens::ZERO, Vec::new());
    for answer in join_all(wishes).await {
        let answer = answer.unwrap();
        if answer.status() != 200 {
            assert_eq!(refusal(answer).await.0, ErrorCode::TokenLimit);
            continue;
        }
        let mut events = Events::of(answer);
        let Some(StreamEvent::Reserved(reserved)) = events.next().await else {
            panic!("no reserve")
        };
        held += reserved.reserved;
        streams.push((reserved.generation_id.0, events));
    }
    let usage = ana.usage().await;
    assert_eq!((usage.tokens_reserved, usage.remaining), (held, Tokens(20_000) - held));
    assert!(streams.len() >= 3 && held <= Tokens(20_000));
    for (id, events) in streams {
        ana.stop(id).await;
        assert_eq!(events.all().await.done().finish_reason, FinishReason::Cancelled);
    }
    assert_eq!(ana.usage().await.tokens_reserved, Tokens::ZERO);
    assert_ledger_adds_up(&stage).await;
}

#[tokio::test]
async fn after_a_storm_of_every_kind_of_end_the_ledger_adds_up() {
    let stage = Stage::with(&[("RELAY_GENERATION_IDLE_TIMEOUT_SECS", "1")]).await;
    let faults = [
        "",
        "#error",
        "#drop",
        "#cut-short",
        "#no-usage",
        "#empty",
        "#usage-on-choice",
        "#split",
        "#endless",
        "#hang",
    ];
    let people = (0..6).map(|index| format!("person{index}@example.com"));
    let runs = people.map(|email| {
        let (stage, person) = (&stage, stage.person(&email));
        async move {
            on_plan(stage, &person, &email, "pro").await;
            let wishes = faults.map(|fault| {
                let prompt = format!("una lista de tareas {fault}");
                let mut wish = request(Uuid::now_v7(), &prompt);
                wish["maxOutputTokens"] = 300.into();
                wish
            });
            let mut charged = Tokens::ZERO;
            // Three at a time, one of them stopped somewhere on its way.
            for (round, wishes) in wishes.chunks(3).enumerate() {
                let begun = join_all(wishes.iter().map(|wish| person.post(wish).send())).await;
                let stopped = wishes[round % wishes.len()]["generationId"].as_str();
                person.stop(stopped.unwrap().parse().unwrap()).await;
                let told = begun.into_iter().map(|answer| Events::of(answer.unwrap()).all());
                for told in join_all(told).await {
                    charged += match told.0.last() {
                        Some(StreamEvent::Done(done)) => done.charged,
                        Some(StreamEvent::Failed(failed)) => failed.charged,
                        other => panic!("a stream without an end: {other:?}"),
                    };
                }
            }
            let usage = person.usage().await;
            assert_eq!((usage.tokens_used, usage.tokens_reserved), (charged, Tokens::ZERO));
            assert_eq!(usage.generations_count, 10);
        }
    });
    join_all(runs).await;
    assert_ledger_adds_up(&stage).await;
}
