//! What an operator does with Stripe's events from the command line, beside a relay that runs.

use crate::support::World;
use crate::support::shop::*;
use std::process::Command;

/// Runs the program on the world's database; its exit code and what it printed.
async fn relay(world: &World, arguments: &[&str]) -> (i32, String) {
    let url = world.relay.app.config.public_url.clone();
    let environment = crate::support::environment(&world.sandbox, &url, &world.place, &[]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_autocrea-relay"));
    command.env_clear().envs(environment).args(arguments);
    // The sandbox runs on this thread: the program must not hold it up.
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("a thread").expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (output.status.code().expect("an exit code"), text)
}

#[tokio::test]
async fn events_are_listed_shown_and_replayed() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let (code, list) = relay(&world, &["events", "list"]).await;
    assert_eq!(code, 0);
    let line = list.lines().find(|line| line.contains("invoice.paid")).expect("a line");
    let parts: Vec<&str> = line.split_whitespace().collect();
    assert!(parts[0].starts_with("evt_"), "{line}");
    assert_eq!(&parts[1..], ["invoice.paid", "done"]);
    let (code, shown) = relay(&world, &["events", "show", parts[0]]).await;
    assert_eq!(code, 0);
    assert!(shown.contains("invoice.paid") && shown.contains("\"data\""), "{shown}");
    let before = account(&world).await;
    let (code, replayed) = relay(&world, &["events", "replay", parts[0]]).await;
    assert_eq!(code, 0);
    assert!(replayed.contains(parts[0]), "{replayed}");
    settle(&world).await;
    assert_eq!(account(&world).await, before, "replaying changes nothing");
    for command in ["show", "replay"] {
        assert_ne!(relay(&world, &["events", command, "evt_none"]).await.0, 0);
    }
}

#[tokio::test]
async fn reconcile_finds_what_was_missed_and_says_when_stripe_is_away() {
    let world = open().await;
    stripe(&world).hold(true);
    let session = checkout(&world, "pro", "month").await;
    pay(&world, text(&session, "sessionId"));
    assert_eq!(relay(&world, &["reconcile"]).await.0, 0);
    let account = account(&world).await;
    assert_eq!(account["subscription"]["planId"], "pro");
    assert_eq!(account["tokens"]["remaining"], 1_520_000);
    stripe(&world).set_down(true);
    assert_eq!(relay(&world, &["reconcile"]).await.0, 69);
}
