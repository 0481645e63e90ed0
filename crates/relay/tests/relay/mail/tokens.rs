//! Mails about tokens that run out.

use super::post::{arrived, kinds, one, sent, states, until};
use crate::support::shop::{self, DAY, spend, sweep};
use crate::support::{ANA, World};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

/// A relay that has seen Ana, whose month gives her 20,000 tokens.
async fn world() -> World {
    let world = World::start().await;
    world.get("/api/account").await;
    world
}

/// The kinds of mails about tokens that have arrived, in order.
async fn told(world: &World) -> Vec<String> {
    sent(world).await;
    kinds(world).into_iter().filter(|kind| kind.starts_with("tokens_")).collect()
}

#[tokio::test]
async fn each_share_of_the_tokens_is_told_once() {
    let world = world().await;
    spend(&world, 9_999).await;
    assert!(told(&world).await.is_empty());
    spend(&world, 1).await;
    assert_eq!(told(&world).await, ["tokens_50"]);
    let mail = one(&world, "tokens_50").await;
    assert!(mail.text.contains("10.000 de 20.000"), "{}", mail.text);
    assert!(mail.headers.is_empty());
    spend(&world, 5_000).await;
    spend(&world, 1_000).await;
    spend(&world, 1_000).await;
    assert_eq!(told(&world).await, ["tokens_50", "tokens_80"]);
    spend(&world, 3_000).await;
    assert_eq!(told(&world).await, ["tokens_50", "tokens_80", "tokens_100"]);
}

#[tokio::test]
async fn of_several_shares_at_once_the_highest_alone_is_told() {
    let world = world().await;
    spend(&world, 17_000).await;
    assert_eq!(told(&world).await, ["tokens_80"]);
    spend(&world, 3_000).await;
    assert_eq!(told(&world).await, ["tokens_80", "tokens_100"]);
}

#[tokio::test]
async fn whoever_has_too_few_left_for_another_answer_has_used_them_all() {
    let world = world().await;
    spend(&world, 19_744).await;
    assert_eq!(told(&world).await, ["tokens_80"], "with 256 one can still begin");
    spend(&world, 100).await;
    assert_eq!(told(&world).await, ["tokens_80", "tokens_100"]);
    let mail = one(&world, "tokens_100").await;
    assert!(mail.text.contains("Los 156 que quedan no bastan"), "{}", mail.text);
    world.clock.advance(DAY + Duration::from_secs(60));
    one(&world, "upgrade").await;
}

#[tokio::test]
async fn a_new_lot_is_told_of_anew() {
    let world = world().await;
    spend(&world, 10_000).await;
    assert_eq!(told(&world).await, ["tokens_50"]);
    world.clock.advance(DAY * 32);
    sweep(&world).await;
    world.get("/api/account").await;
    spend(&world, 12_000).await;
    assert_eq!(told(&world).await, ["tokens_50", "tokens_50"]);
}

#[tokio::test]
async fn a_generation_that_costs_nothing_tells_nothing() {
    let world = world().await;
    spend(&world, 10_000).await;
    spend(&world, 0).await;
    assert_eq!(told(&world).await, ["tokens_50"]);
}

#[tokio::test]
async fn a_plan_is_shown_a_day_after_the_free_tokens_ran_out_and_once_a_month() {
    let world = world().await;
    spend(&world, 20_000).await;
    sent(&world).await;
    world.clock.advance(DAY - Duration::from_secs(60));
    sent(&world).await;
    assert!(arrived(&world, "upgrade").is_empty());
    world.clock.advance(Duration::from_secs(120));
    let mail = one(&world, "upgrade").await;
    let names: Vec<&str> = mail.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["List-Unsubscribe", "List-Unsubscribe-Post"]);
    assert!(mail.text.contains("500.000 tokens"));
    world.clock.advance(DAY * 2);
    sent(&world).await;
    assert_eq!(arrived(&world, "upgrade").len(), 1);
}

#[tokio::test]
async fn whoever_has_bought_a_plan_meanwhile_or_wants_no_promotion_is_shown_none() {
    let world = shop::open().await;
    spend(&world, 20_000).await;
    shop::buy(&world, "creator", "month").await;
    world.clock.advance(DAY + DAY / 2);
    until(&world, "upgrade", "dropped").await;
    assert!(arrived(&world, "upgrade").is_empty());

    let world = self::world().await;
    let wish = json!({"marketingEmails": false});
    let request = world.ask_as(ANA, Method::PATCH, "/api/user/profile").json(&wish);
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    spend(&world, 20_000).await;
    world.clock.advance(DAY + DAY / 2);
    sent(&world).await;
    assert_eq!(states(&world, "upgrade").await, ["dropped"]);
    assert_eq!(arrived(&world, "tokens_100").len(), 1, "that is no promotion");
}
