//! Two relays on one database: either does for the other, also when that one dies.

use super::crashes::{assert_all_is_right, kill_often, say, under_load};
use super::form::{Chances, in_form};
use super::stage::Stage;
use crate::support::place::Place;

/// Whether there is a database that several relays can share.
fn can_be_shared() -> bool {
    Place::bare().is_shared()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_survives_two_relays_of_which_now_one_dies_and_now_the_other() {
    if !can_be_shared() {
        return;
    }
    let chances = Chances::of("replicas");
    let kills = in_form(12, 200);
    let stage = Stage::set(in_form(4, 6), 2).await;
    stage.open().await;
    let left = under_load(&stage, &chances, kill_often(&stage, kills, &chances)).await;
    assert_all_is_right(&stage, &left).await;
    say(&stage, kills, &left);
}
