//! The relay is killed at random moments, while people buy, change their plans, are refunded and
//! generate, and is started again, many times. Then everything must add up.

use super::audit;
use super::form::{Chances, in_form};
use super::postman;
use super::shop;
use super::stage::Stage;
use super::twin;
use super::writers::{self, Seen};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

/// What the load has left to be looked at.
struct Left {
    seen: Vec<Seen>,
    acknowledged: Vec<String>,
}

/// Everybody does what they do until `killing` is over.
async fn under_load(stage: &Stage, chances: &Chances, killing: impl Future<Output = ()>) -> Left {
    let stop = CancellationToken::new();
    let shoppers = stage.people.iter().map(|person| {
        let chances = chances.part();
        shop::go_shopping(stage, person, chances, &stop)
    });
    let writers = (0..stage.people.len()).flat_map(|person| [person, person]).map(|person| {
        let chances = chances.part();
        writers::write(stage, person, chances, &stop)
    });
    let months = in_form(6, 24);
    let time = shop::pass_time(&stage.sandbox.stripe, months, chances.part(), &stop);
    let postman = postman::deliver(stage, chances.part(), &stop);
    let killing = async {
        killing.await;
        stop.cancel();
    };
    let (_, seen, (), acknowledged, ()) =
        tokio::join!(join_all(shoppers), join_all(writers), time, postman, killing);
    Left { seen: seen.into_iter().flatten().collect(), acknowledged }
}

/// Kills it `times`: while it works, and now and then before it is up.
async fn kill_often(stage: &Stage, times: u32, chances: &Chances) {
    let relay = stage.relay();
    for _ in 0..times {
        if chances.once_in(6) {
            chances.pause(1, 120).await;
        } else {
            relay.ready().await;
            chances.pause(20, 700).await;
        }
        relay.kill().await;
        relay.start();
    }
    relay.ready().await;
}

/// Everything that must be so, whatever happened.
async fn assert_all_is_right(stage: &Stage, left: &Left) {
    audit::settle(stage).await;
    audit::assert_inbox(stage, &left.acknowledged).await;
    audit::assert_verified(stage).await;
    audit::assert_mails(stage);
    for (number, person) in stage.people.iter().enumerate() {
        let entries = audit::ledger(stage, person).await;
        audit::assert_balances(stage, person, &entries).await;
        audit::assert_granted(stage, person, &entries);
        for seen in left.seen.iter().filter(|seen| seen.person == number) {
            audit::assert_generation(stage, seen, &entries).await;
        }
    }
    twin::assert_same(stage).await;
    audit::assert_never_panicked(stage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_survives_a_relay_that_is_killed_at_any_moment() {
    let chances = Chances::of("crashes");
    let kills = in_form(15, 300);
    let stage = Stage::set(in_form(4, 6), 1).await;
    stage.relay().start();
    stage.introduce().await;
    let left = under_load(&stage, &chances, kill_often(&stage, kills, &chances)).await;
    // The last death finds nothing to do, and makes what had been put off due at once.
    stage.relay().kill().await;
    stage.relay().start();
    assert_all_is_right(&stage, &left).await;
    println!(
        "{kills} kills, {} generations, {} events of Stripe and {} of the postman",
        left.seen.len(),
        stage.sandbox.stripe.events().len(),
        left.acknowledged.len()
    );
}
