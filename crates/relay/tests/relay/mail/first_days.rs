//! The series of the first days.

use super::post::{arrived, kinds, one, sent, states};
use crate::support::shop::{self, DAY, spend, sweep};
use crate::support::{ANA, World};
use reqwest::Method;
use serde_json::json;

/// A day goes by, and what is due goes out.
async fn days(world: &World, count: u32) {
    world.clock.advance(DAY * count);
    sweep(world).await;
    sent(world).await;
}

async fn world() -> World {
    let world = World::start().await;
    world.get("/api/account").await;
    sent(&world).await;
    world
}

fn series(world: &World) -> Vec<String> {
    kinds(world).into_iter().filter(|kind| kind.starts_with("onboarding_")).collect()
}

#[tokio::test]
async fn each_mail_of_the_first_days_comes_on_its_day_and_once() {
    let world = world().await;
    let mut expected = Vec::new();
    for day in 1..=8 {
        days(&world, 1).await;
        sweep(&world).await;
        if matches!(day, 1 | 2 | 3 | 5 | 7) {
            expected.push(format!("onboarding_{day}"));
        }
        assert_eq!(series(&world), expected, "day {day}");
    }
    let mail = one(&world, "onboarding_1").await;
    assert!(mail.headers.iter().any(|(name, _)| name == "List-Unsubscribe"));
    // The years go by, also over a restart.
    let world = world.restart().await;
    days(&world, 30).await;
    assert_eq!(series(&world), expected);
}

#[tokio::test]
async fn the_fifth_day_helps_whoever_has_not_begun_and_teaches_whoever_has() {
    let world = world().await;
    days(&world, 5).await;
    assert_eq!(one(&world, "onboarding_5").await.subject, "¿Te ayudamos a empezar?");

    let world = self::world().await;
    spend(&world, 10).await;
    days(&world, 5).await;
    let mail = one(&world, "onboarding_5").await;
    assert_eq!(mail.subject, "Cuatro frases que mejoran cualquier encargo");
}

#[tokio::test]
async fn after_an_outage_the_latest_alone_is_sent() {
    let world = world().await;
    days(&world, 3).await;
    assert_eq!(series(&world), ["onboarding_3"]);
    days(&world, 20).await;
    assert_eq!(series(&world), ["onboarding_3"], "a week is over, and nothing is due any more");
}

#[tokio::test]
async fn what_waited_for_an_address_too_long_is_not_sent() {
    let world = World::start().await;
    let switches = autocrea_sandbox::clerk::Switches { userinfo_down: true, ..Default::default() };
    world.sandbox.clerk.set_switches(switches);
    world.get("/api/account").await;
    days(&world, 1).await;
    assert_eq!(states(&world, "onboarding_1").await, ["waiting"]);
    days(&world, 2).await;
    world.sandbox.clerk.set_switches(autocrea_sandbox::clerk::Switches::default());
    world.get("/api/account").await;
    sent(&world).await;
    assert_eq!(series(&world), ["onboarding_3"]);
    assert_eq!(states(&world, "onboarding_1").await, ["dropped"]);
}

#[tokio::test]
async fn whoever_wants_no_promotion_gets_none_of_it() {
    let world = world().await;
    let wish = json!({"marketingEmails": false});
    let request = world.ask_as(ANA, Method::PATCH, "/api/user/profile").json(&wish);
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    for _ in 0..8 {
        days(&world, 1).await;
    }
    assert!(series(&world).is_empty());
}

#[tokio::test]
async fn whoever_pays_is_not_told_what_a_plan_would_add() {
    let world = shop::open().await;
    shop::buy(&world, "creator", "month").await;
    world.clock.advance(DAY * 7);
    sweep(&world).await;
    sent(&world).await;
    assert!(arrived(&world, "onboarding_7").is_empty());
}
