//! What must not be lost when the database's connections are.

use super::pair::{LONG, Pair, attach};
use crate::generate::stage::Events;
use autocrea_sandbox::joxcoder::Reply;
use std::time::Duration;
use uuid::Uuid;

#[tokio::test]
async fn connections_that_are_cut_are_made_again_and_no_text_is_lost() {
    let pair = Pair::start().await;
    let (here, there) = pair.ana();
    let pieces: Vec<String> = (0..60).map(|n| format!("{n} ")).collect();
    pair.model().script(Reply::pieces(pieces.clone()).every(Duration::from_millis(25)));
    let id = Uuid::now_v7();
    let mut running = here.generate(id, "hola").await;
    running.first_text().await;
    drop(running);
    for _ in 0..5 {
        pair.world.place.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    // A stream may be broken off meanwhile; whoever attaches again gets the rest.
    let (mut text, mut after, mut done) = (String::new(), 0, false);
    let following = async {
        while !done {
            let answer = there.get(id).header("last-event-id", after.to_string()).send().await;
            let answer = answer.unwrap();
            if answer.status() != 200 {
                continue;
            }
            let told = Events::of(answer).all().await;
            for (seq, piece) in told.pieces() {
                text.push_str(piece);
                after = seq;
            }
            done =
                matches!(told.0.last(), Some(autocrea_protocol::generation::StreamEvent::Done(_)));
        }
    };
    tokio::time::timeout(LONG, following).await.expect("it ends");
    assert_eq!(text, pieces.concat());
    assert_eq!(attach(&here, id, 0).await.all().await.text(), pieces.concat());
}
