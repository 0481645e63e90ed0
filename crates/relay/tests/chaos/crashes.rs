//! The relay is killed at random moments, while people buy, change their plans, are refunded and
//! generate, and is started again, many times. Then everything must add up.

use super::audit;
use super::form::{Chances, in_form};
use super::postman;
use super::shop;
use super::stage::Stage;
use super::twin;
use super::writers::{self, End, Seen};
use autocrea_protocol::generation::StreamCode;
use futures_util::future::join_all;
use std::ops::Range;
use tokio_util::sync::CancellationToken;

/// What the load has left to be looked at.
#[derive(Default)]
pub struct Left {
    pub seen: Vec<Seen>,
    pub acknowledged: Vec<String>,
}

/// Who does what they do, and how far Stripe's time goes on with it.
pub struct Load {
    pub people: Range<usize>,
    pub months: u64,
}

impl Load {
    /// Of everybody there is.
    pub fn of_all(stage: &Stage) -> Self {
        Self { people: 0..stage.people.len(), months: in_form(6, 24) }
    }
}

/// These do what they do until `meanwhile` is over.
pub async fn under_load(
    stage: &Stage,
    load: Load,
    chances: &Chances,
    meanwhile: impl Future<Output = ()>,
) -> Left {
    let stop = CancellationToken::new();
    let shoppers = stage.people[load.people.clone()].iter().map(|person| {
        let chances = chances.part();
        shop::go_shopping(stage, person, chances, &stop)
    });
    let writers = load.people.flat_map(|person| [person, person]).map(|person| {
        let chances = chances.part();
        writers::write(stage, person, chances, &stop)
    });
    let time = shop::pass_time(stage, load.months, chances.part(), &stop);
    let postman = postman::deliver(stage, chances.part(), &stop);
    let meanwhile = async {
        meanwhile.await;
        stop.cancel();
    };
    let (_, seen, (), acknowledged, ()) =
        tokio::join!(join_all(shoppers), join_all(writers), time, postman, meanwhile);
    Left { seen: seen.into_iter().flatten().collect(), acknowledged }
}

/// Kills `times`, one at a time: while it works, and now and then before it is up.
pub async fn kill_often(stage: &Stage, times: u32, chances: &Chances) {
    for _ in 0..times {
        let relay = chances.of_these(&stage.relays);
        if chances.once_in(6) {
            chances.pause(1, 120).await;
        } else {
            relay.ready().await;
            chances.pause(20, 700).await;
        }
        relay.kill().await;
        relay.start();
    }
    for relay in &stage.relays {
        relay.ready().await;
    }
}

/// Everything that must be so, whatever happened.
pub async fn assert_all_is_right(stage: &Stage, left: &Left) {
    // A death with nothing to do makes what had been put off due at once.
    stage.relay().kill().await;
    stage.relay().start();
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
    stage.open().await;
    let load = Load::of_all(&stage);
    let left = under_load(&stage, load, &chances, kill_often(&stage, kills, &chances)).await;
    assert_all_is_right(&stage, &left).await;
    say(&stage, kills, &left);
}

/// What the load was, and that it was one.
pub fn say(stage: &Stage, kills: u32, left: &Left) {
    let ended = |wanted: fn(&End) -> bool| {
        left.seen.iter().filter(|seen| seen.end.as_ref().is_some_and(wanted)).count()
    };
    let done = ended(|end| matches!(end, End::Done(_)));
    let interrupted =
        ended(|end| matches!(end, End::Failed(failed) if failed.code == StreamCode::Interrupted));
    println!(
        "{kills} kills; {} generations, of which {done} ended well and {interrupted} were \
         interrupted; {} events of Stripe and {} of the postman",
        left.seen.len(),
        stage.sandbox.stripe.events().len(),
        left.acknowledged.len()
    );
    assert!(interrupted > 0, "a load that shows nothing");
}
