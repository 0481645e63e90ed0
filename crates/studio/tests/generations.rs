//! Generations, through everything that the network, the relay, the disk and people do to them.

#![allow(clippy::expect_used, clippy::cast_possible_wrap, reason = "a test says what it expects")]

mod support;

use autocrea_protocol::{GenerationId, Tokens};
use autocrea_studio::Studio;
use autocrea_studio::ipc::{
    Generation, GenerationDetail, GenerationStatus, GenerationUpdate, Piece, ProblemCode,
    ProjectStatus,
};
use axum::http::StatusCode;
use parking_lot::Mutex;
use std::sync::Arc;
use support::{PATIENCE, World, account_where, draft, generation_where, project, until};
use uuid::Uuid;

/// What is streamed in most tests: a file that the parser reads whatever its frame.
const PIECES: [&str; 4] = [
    "Aquí está.\n\n```html index.html\n<h1>¡Ho",
    "la, ñandú 🦀!</h1>\n",
    "<p>Ya.</p>\n",
    "```\nFin.",
];

/// Begins one and waits until the relay has it.
async fn begin(world: &World, studio: &Studio, project: Uuid, count: usize) -> GenerationId {
    let generation = studio.generation_start(draft(project, "Una página")).await.expect("begun");
    assert_eq!(world.relay.posted(count).await, generation.id);
    generation.id
}

/// Waits until this many pieces are stored and shown.
async fn arrived(studio: &Studio, id: GenerationId, seq: u64) -> GenerationDetail {
    let (sender, mut news) = tokio::sync::mpsc::unbounded_channel();
    studio.generation_watch(id, move |_| sender.send(()).is_ok()).await.expect("watched");
    let waiting = async {
        loop {
            let detail = studio.generation_get(id).await.expect("there");
            if detail.seq >= seq {
                return detail;
            }
            news.recv().await.expect("goes on");
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("arrived in time")
}

async fn ended(studio: &Studio, id: GenerationId) -> Generation {
    generation_where(studio, id, |generation| generation.completed_at.is_some()).await
}

fn output(world: &World, id: GenerationId) -> String {
    world
        .sql()
        .query_row("SELECT output FROM generations WHERE id = ?1", [id.to_string()], |row| {
            row.get(0)
        })
        .expect("an output")
}

async fn status_of(studio: &Studio, project: Uuid) -> ProjectStatus {
    studio.project_get(project).await.expect("there").project.status
}

#[tokio::test]
async fn a_generation_becomes_a_version_and_its_cost_the_projects() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    assert_eq!(status_of(&studio, project).await, ProjectStatus::Generating);
    for piece in PIECES {
        world.relay.say(id, piece);
    }
    world.relay.done(id, "stop");
    let generation = ended(&studio, id).await;
    assert_eq!(generation.status, GenerationStatus::Completed);
    assert_eq!(generation.version, Some(1));
    assert_eq!(generation.charged.map(Tokens::get), Some(150));
    assert_eq!(generation.reserved.map(Tokens::get), Some(5_000));
    assert_eq!(generation.model, "joxcoder-test");
    assert_eq!(output(&world, id), PIECES.concat());
    let detail = studio.project_get(project).await.expect("there");
    assert_eq!(detail.project.status, ProjectStatus::Completed);
    assert_eq!(detail.project.tokens_used.get(), 150);
    assert_eq!(detail.generations.len(), 1);
    let files = studio.version_files(project, 1).await.expect("files");
    assert_eq!(files[0].path, "index.html");
}

#[tokio::test]
async fn nothing_is_shown_that_is_not_on_disk() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    let (shown, faults) = (Arc::new(Mutex::new(String::new())), Arc::new(Mutex::new(Vec::new())));
    let (sees, complains, db) = (Arc::clone(&shown), Arc::clone(&faults), Mutex::new(world.sql()));
    let tell = move |update| {
        if let GenerationUpdate::Pieces { pieces, .. } = update {
            let mut shown = sees.lock();
            for piece in pieces {
                if let Piece::Explanation { text } = piece {
                    shown.push_str(&text);
                }
            }
            let stored: i64 = db
                .lock()
                .query_row(
                    "SELECT coalesce(sum(length(cast(text AS BLOB))), 0) FROM generation_pieces",
                    [],
                    |row| row.get(0),
                )
                .expect("counted");
            let output: i64 = db
                .lock()
                .query_row(
                    "SELECT coalesce(sum(length(cast(output AS BLOB))), 0) FROM generations",
                    [],
                    |row| row.get(0),
                )
                .expect("counted");
            if (stored + output) < shown.len() as i64 {
                complains.lock().push((stored, shown.len()));
            }
        }
        true
    };
    studio.generation_watch(id, tell).await.expect("watched");
    for number in 0..200 {
        world.relay.say(id, &format!("Frase {number}, con eñes y 🦀. "));
    }
    world.relay.done(id, "stop");
    ended(&studio, id).await;
    assert!(faults.lock().is_empty(), "{:?}", faults.lock());
    assert!(shown.lock().contains("Frase 199"));
}

#[tokio::test]
async fn a_watcher_is_told_all_there_is_then_pieces_in_order_then_the_end() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, "uno ");
    arrived(&studio, id, 1).await;
    let (sender, mut updates) = tokio::sync::mpsc::unbounded_channel();
    studio.generation_watch(id, move |update| sender.send(update).is_ok()).await.expect("watched");
    for word in ["dos ", "tres ", "cuatro"] {
        world.relay.say(id, word);
    }
    world.relay.done(id, "stop");
    let mut text = String::new();
    let mut next = 1;
    let mut over = false;
    while let Some(update) = updates.recv().await {
        assert!(!over, "nothing after the end");
        match update {
            GenerationUpdate::Snapshot { detail } => text = detail.explanation,
            GenerationUpdate::Pieces { n, pieces } => {
                assert_eq!(n, next);
                next += 1;
                for piece in pieces {
                    if let Piece::Explanation { text: more } = piece {
                        text.push_str(&more);
                    }
                }
            }
            GenerationUpdate::Status { .. } => {}
            GenerationUpdate::Ended { generation } => {
                over = true;
                assert_eq!(generation.status, GenerationStatus::Completed);
            }
        }
    }
    assert!(over);
    assert_eq!(text, "uno dos tres cuatro");
    let detail = studio.generation_get(id).await.expect("there");
    assert_eq!((detail.explanation.as_str(), detail.seq), ("uno dos tres cuatro", 4));
}

#[tokio::test]
async fn an_app_that_dies_between_pieces_goes_on_from_the_last_one_with_identical_bytes() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, PIECES[0]);
    world.relay.say(id, PIECES[1]);
    arrived(&studio, id, 2).await;
    drop(studio);
    world.relay.say(id, PIECES[2]);
    world.relay.say(id, PIECES[3]);
    world.relay.done(id, "stop");
    let studio = world.open().await;
    let generation = ended(&studio, id).await;
    assert_eq!(generation.status, GenerationStatus::Completed);
    assert_eq!(output(&world, id), PIECES.concat());
    assert_eq!(world.relay.attached(1).await, (id.to_string(), 2));
    assert_eq!(world.relay.posts().len(), 1);
    assert_eq!(generation.version, Some(1));
}

#[tokio::test]
async fn a_connection_that_breaks_is_taken_up_again_without_a_second_request() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    for (at, piece) in PIECES.iter().enumerate() {
        world.relay.say(id, piece);
        arrived(&studio, id, at as u64 + 1).await;
        world.relay.cut();
        assert_eq!(world.relay.attached(at + 1).await, (id.to_string(), at as u64 + 1));
    }
    world.relay.done(id, "stop");
    ended(&studio, id).await;
    assert_eq!(output(&world, id), PIECES.concat());
    assert_eq!(world.relay.posts().len(), 1);
}

#[tokio::test]
async fn while_the_relay_is_gone_it_waits_and_says_so_and_goes_on_by_itself() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, "antes ");
    arrived(&studio, id, 1).await;
    world.relay.kill();
    let waiting = generation_where(&studio, id, |generation| generation.problem.is_some()).await;
    assert_eq!(waiting.status, GenerationStatus::Pending);
    assert_eq!(waiting.problem.expect("said").code, ProblemCode::Offline);
    world.relay.say(id, "después");
    world.relay.done(id, "stop");
    world.relay.revive();
    let generation = ended(&studio, id).await;
    assert_eq!((generation.status, generation.problem), (GenerationStatus::Completed, None));
    assert_eq!(output(&world, id), "antes después");
}

#[tokio::test]
async fn one_that_is_begun_offline_is_sent_when_the_network_is_back() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    account_where(&studio, |state| state.snapshot.is_some()).await;
    let project = project(&studio).await;
    world.relay.kill();
    let begun = studio.generation_start(draft(project, "Una página")).await.expect("begun");
    generation_where(&studio, begun.id, |generation| generation.problem.is_some()).await;
    world.relay.revive();
    let id = world.relay.posted(1).await;
    assert_eq!(id, begun.id);
    world.relay.done(id, "stop");
    ended(&studio, id).await;
}

#[tokio::test]
async fn a_failure_keeps_what_arrived_costs_nothing_and_can_be_used_retried_and_continued() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, PIECES[0]);
    world.relay.fail(id, "upstream_failed");
    let generation = ended(&studio, id).await;
    assert_eq!(generation.status, GenerationStatus::Failed);
    assert_eq!(generation.problem.expect("said").code, ProblemCode::ModelFailed);
    assert_eq!(generation.charged.map(Tokens::get), Some(0));
    assert_eq!(generation.version, None);
    assert_eq!(output(&world, id), PIECES[0]);
    assert_eq!(status_of(&studio, project).await, ProjectStatus::Failed);

    let version = studio.generation_use_partial(id).await.expect("used");
    assert_eq!(version.number, 1);
    studio.generation_use_partial(id).await.expect_err("only once");

    let next = studio.generation_continue(id).await.expect("goes on");
    assert_ne!(next.id, id);
    assert_eq!(world.relay.posted(2).await, next.id);
    let messages = world.relay.posts()[1]["messages"].as_array().expect("messages").clone();
    assert_eq!(messages[messages.len() - 2]["role"], "assistant");
    assert_eq!(messages[messages.len() - 2]["content"], PIECES[0]);
    for piece in &PIECES[1..] {
        world.relay.say(next.id, piece);
    }
    world.relay.done(next.id, "stop");
    let whole = ended(&studio, next.id).await;
    assert_eq!(whole.version, Some(2));
    assert_eq!(output(&world, next.id), PIECES[1..].concat());
    let detail = studio.generation_get(next.id).await.expect("there");
    assert_eq!(detail.files[0].text, "<h1>¡Hola, ñandú 🦀!</h1>\n<p>Ya.</p>\n");

    let again = studio.generation_retry(id).await.expect("again");
    assert!(again.id != id && again.id != next.id);
    assert_eq!(world.relay.posted(3).await, again.id);
    let posts = world.relay.posts();
    assert_eq!(posts[0]["messages"], posts[2]["messages"]);
    world.relay.done(again.id, "stop");
    ended(&studio, again.id).await;
}

#[tokio::test]
async fn a_relay_that_died_leaves_it_interrupted_with_what_arrived() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, PIECES[0]);
    world.relay.fail(id, "interrupted");
    let generation = ended(&studio, id).await;
    assert_eq!(generation.status, GenerationStatus::Interrupted);
    assert_eq!(generation.charged.map(Tokens::get), Some(0));
    assert_eq!(output(&world, id), PIECES[0]);
}

#[tokio::test]
async fn stop_reaches_the_relay_and_what_arrived_is_kept() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, "algo");
    arrived(&studio, id, 1).await;
    studio.generation_stop(id).await.expect("asked");
    world.relay.stopped(id).await;
    world.relay.done(id, "cancelled");
    let generation = ended(&studio, id).await;
    assert_eq!(generation.status, GenerationStatus::Cancelled);
    assert_eq!(generation.version, None);
    assert_eq!(output(&world, id), "algo");
    assert_eq!(status_of(&studio, project).await, ProjectStatus::Draft);
    studio.generation_stop(id).await.expect("stopping what has ended is fine");
}

#[tokio::test]
async fn one_that_was_never_sent_is_stopped_here() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    world.relay.kill();
    let begun = studio.generation_start(draft(project, "Una página")).await.expect("begun");
    studio.generation_stop(begun.id).await.expect("stopped");
    let generation = ended(&studio, begun.id).await;
    assert_eq!(generation.status, GenerationStatus::Cancelled);
    assert_eq!(generation.charged.map(Tokens::get), Some(0));
    world.relay.revive();
    assert!(world.relay.posts().is_empty());
}

#[tokio::test]
async fn in_one_project_they_run_one_after_the_other_and_elsewhere_at_once() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let (here, there) = (project(&studio).await, project(&studio).await);
    let first = begin(&world, &studio, here, 1).await;
    let second = studio.generation_start(draft(here, "Otra")).await.expect("begun");
    assert_eq!(second.status, GenerationStatus::Queued);
    let third = begin(&world, &studio, there, 2).await;
    assert_eq!(world.relay.posts().len(), 2);
    world.relay.done(first, "stop");
    assert_eq!(world.relay.posted(3).await, second.id);
    world.relay.done(second.id, "stop");
    world.relay.done(third, "stop");
    ended(&studio, second.id).await;
    ended(&studio, third).await;
}

#[tokio::test]
async fn a_queued_one_survives_a_restart_and_waits_for_a_person() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let first = begin(&world, &studio, project, 1).await;
    let second = studio.generation_start(draft(project, "Otra")).await.expect("begun").id;
    let dropped = studio.generation_start(draft(project, "Otra más")).await.expect("begun").id;
    drop(studio);
    world.relay.done(first, "stop");
    let studio = world.open().await;
    ended(&studio, first).await;
    let waiting = studio.generation_get(second).await.expect("there").generation;
    assert_eq!(waiting.status, GenerationStatus::Queued);
    assert_eq!(waiting.problem.expect("said").code, ProblemCode::Busy);
    assert_eq!(world.relay.posts().len(), 1);
    studio.generation_stop(dropped).await.expect("discarded");
    assert_eq!(ended(&studio, dropped).await.status, GenerationStatus::Cancelled);
    let resumed = studio.generation_retry(second).await.expect("goes on");
    assert_eq!(resumed.id, second);
    assert_eq!(world.relay.posted(2).await, second);
    world.relay.done(second, "stop");
    assert_eq!(ended(&studio, second).await.status, GenerationStatus::Completed);
}

#[tokio::test]
async fn one_that_the_plan_has_no_room_for_stays_queued_until_it_has() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let (here, there) = (project(&studio).await, project(&studio).await);
    let first = begin(&world, &studio, here, 1).await;
    world.relay.refuse_next(StatusCode::TOO_MANY_REQUESTS, "too_many_generations");
    let second = studio.generation_start(draft(there, "Otra")).await.expect("begun").id;
    let waiting = generation_where(&studio, second, |generation| {
        generation.status == GenerationStatus::Queued && generation.problem.is_some()
    })
    .await;
    assert_eq!(waiting.problem.expect("said").code, ProblemCode::Busy);
    world.relay.done(first, "stop");
    assert_eq!(world.relay.posted(2).await, second);
    world.relay.done(second, "stop");
    assert_eq!(ended(&studio, second).await.status, GenerationStatus::Completed);
}

#[tokio::test]
async fn what_the_relay_refuses_fails_at_once_with_its_reason_and_costs_nothing() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    world.relay.refuse_next(StatusCode::TOO_MANY_REQUESTS, "token_limit");
    let begun = studio.generation_start(draft(project, "Una página")).await.expect("begun");
    let generation = ended(&studio, begun.id).await;
    assert_eq!(generation.status, GenerationStatus::Failed);
    assert_eq!(generation.problem.expect("said").code, ProblemCode::TokenLimit);
    assert_eq!(generation.charged.map(Tokens::get), Some(0));
}

#[tokio::test]
async fn one_whose_spool_has_expired_is_interrupted_and_the_ledger_says_its_cost() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, "algo");
    arrived(&studio, id, 1).await;
    drop(studio);
    world.relay.forget(id);
    world.relay.add_ledger("settle", 77, Some(id));
    let studio = world.open().await;
    assert_eq!(ended(&studio, id).await.status, GenerationStatus::Interrupted);
    let cost = until(&studio, || async {
        studio.generation_get(id).await.expect("there").generation.charged
    });
    assert_eq!(cost.await.get(), 77);
    assert_eq!(output(&world, id), "algo");
    let used = studio.project_get(project).await.expect("there").project.tokens_used;
    assert_eq!(used.get(), 77);
}

#[tokio::test]
async fn under_another_account_it_waits_and_is_never_asked_for() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, "algo");
    arrived(&studio, id, 1).await;
    studio.sign_out().await.expect("signed out");
    drop(studio);
    let studio = world.open().await;
    world.sign_in(&studio, "user_eva").await;
    let waiting = generation_where(&studio, id, |generation| generation.problem.is_some()).await;
    assert_eq!(waiting.status, GenerationStatus::Pending);
    assert_eq!(waiting.problem.expect("said").code, ProblemCode::SignedOut);
    studio.sign_out().await.expect("signed out");
    world.sign_in(&studio, "user_ana").await;
    assert_eq!(world.relay.attached(1).await, (id.to_string(), 1));
    world.relay.done(id, "stop");
    assert_eq!(ended(&studio, id).await.status, GenerationStatus::Completed);
}

#[tokio::test]
async fn without_its_account_it_is_interrupted_once_its_spool_must_have_expired() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    studio.sign_out().await.expect("signed out");
    drop(studio);
    world
        .sql()
        .execute("UPDATE generations SET sent_at = sent_at - 2 * 3600000", [])
        .expect("aged");
    let studio = world.open().await;
    assert_eq!(ended(&studio, id).await.status, GenerationStatus::Interrupted);
    assert_eq!(status_of(&studio, project).await, ProjectStatus::Failed);
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_shown_and_comes_again_when_it_can() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, "uno ");
    arrived(&studio, id, 1).await;
    let db = world.sql();
    db.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON generation_pieces
         BEGIN SELECT RAISE(ABORT, 'full'); END;",
    )
    .expect("in the way");
    world.relay.say(id, "dos ");
    let waiting = generation_where(&studio, id, |generation| generation.problem.is_some()).await;
    assert_eq!(waiting.problem.expect("said").code, ProblemCode::Store);
    let detail = studio.generation_get(id).await.expect("there");
    assert_eq!((detail.seq, detail.explanation.as_str()), (1, "uno "));
    world.relay.say(id, "tres");
    db.execute_batch("DROP TRIGGER full;").expect("out of the way");
    world.relay.done(id, "stop");
    assert_eq!(ended(&studio, id).await.status, GenerationStatus::Completed);
    assert_eq!(output(&world, id), "uno dos tres");
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_end_it_early_nor_keep_it_for_ever() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    drop(studio);
    // As if it had been sent tomorrow.
    world
        .sql()
        .execute("UPDATE generations SET sent_at = sent_at + 24 * 3600000", [])
        .expect("moved");
    let studio = world.open().await;
    world.relay.attached(1).await;
    world.relay.say(id, "algo");
    world.relay.done(id, "stop");
    assert_eq!(ended(&studio, id).await.status, GenerationStatus::Completed);
}

#[tokio::test]
async fn a_waking_model_is_shown_as_waking_until_it_speaks() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.wake(id);
    generation_where(&studio, id, |generation| generation.waking).await;
    world.relay.say(id, "ya");
    generation_where(&studio, id, |generation| !generation.waking).await;
    world.relay.done(id, "length");
    let generation = ended(&studio, id).await;
    assert_eq!(generation.status, GenerationStatus::Completed);
    assert_eq!(generation.finish_reason, Some(autocrea_protocol::generation::FinishReason::Length));
}

#[tokio::test]
async fn an_access_token_that_ends_in_the_middle_is_renewed() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    let id = begin(&world, &studio, project, 1).await;
    world.relay.say(id, "uno ");
    arrived(&studio, id, 1).await;
    world.provider.end_access();
    world.relay.cut();
    world.relay.attached(1).await;
    world.relay.say(id, "dos");
    world.relay.done(id, "stop");
    ended(&studio, id).await;
    assert_eq!(output(&world, id), "uno dos");
}

#[tokio::test]
async fn nothing_can_be_sent_without_an_account_and_everything_else_works() {
    let world = World::new();
    let studio = world.open().await;
    let project = project(&studio).await;
    let error = studio.generation_start(draft(project, "Una página")).await.expect_err("nobody");
    assert_eq!(studio.problem(&error).code, ProblemCode::SignedOut);
    assert_eq!(status_of(&studio, project).await, ProjectStatus::Draft);
    let gone = GenerationId(Uuid::now_v7());
    let error = studio.generation_get(gone).await.expect_err("gone");
    assert_eq!(studio.problem(&error).code, ProblemCode::NotFound);
}

#[tokio::test]
async fn one_that_the_relay_never_got_before_the_app_died_is_interrupted_and_can_be_retried() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let project = project(&studio).await;
    world.relay.kill();
    let id = studio.generation_start(draft(project, "Una página")).await.expect("begun").id;
    drop(studio);
    world.relay.revive();
    let studio = world.open().await;
    let generation = ended(&studio, id).await;
    assert_eq!(generation.status, GenerationStatus::Interrupted);
    assert_eq!(generation.charged, Some(Tokens::ZERO));
    assert!(world.relay.posts().is_empty());
    let again = studio.generation_retry(id).await.expect("again").id;
    assert_eq!(world.relay.posted(1).await, again);
    world.relay.done(again, "stop");
    ended(&studio, again).await;
}
