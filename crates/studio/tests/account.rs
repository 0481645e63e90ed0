//! The account stream, the ledger's copy, checkout and links, against a relay that the test plays.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod support;

use autocrea_protocol::PlanId;
use autocrea_protocol::account::Interval;
use autocrea_studio::ipc::{
    CheckoutChoice, Destination, Language, ProblemCode, RelayStatus, SettingsPatch, StudioEvent,
};
use autocrea_studio::{Error, Studio};
use support::{PATIENCE, World, account_where, is_signed_in, notice, project, until};

fn code_of(studio: &Studio, error: &Error) -> ProblemCode {
    studio.problem(error).code
}

fn remaining(state: &autocrea_studio::ipc::AccountState) -> Option<i64> {
    state.snapshot.as_ref().map(|snapshot| snapshot.tokens.remaining.get())
}

async fn navigated(events: &mut tokio::sync::broadcast::Receiver<StudioEvent>) -> Destination {
    let waiting = async {
        loop {
            if let Ok(StudioEvent::Navigate { to }) = events.recv().await {
                return to;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("led somewhere in time")
}

fn creator() -> CheckoutChoice {
    CheckoutChoice { plan_id: PlanId::from("creator"), interval: Interval::Month }
}

#[tokio::test]
async fn what_changes_at_the_relay_is_shown_without_asking() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    account_where(&studio, |state| remaining(state) == Some(20_000)).await;
    world.relay.set_account("user_ana", 2, "free", 12_345);
    let state = account_where(&studio, |state| remaining(state) == Some(12_345)).await;
    assert_eq!(state.relay, RelayStatus::Online);
}

#[tokio::test]
async fn the_last_balance_is_shown_offline_with_its_age_and_goes_on_by_itself() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let before = account_where(&studio, |state| remaining(state) == Some(20_000)).await;
    drop(studio);
    world.relay.kill();
    let studio = world.open().await;
    let state = account_where(&studio, |state| state.relay == RelayStatus::Offline).await;
    assert!(is_signed_in(&state));
    assert_eq!(remaining(&state), Some(20_000));
    assert_eq!(state.config, before.config);
    let age = state.snapshot_at.expect("known");
    assert!(age >= before.snapshot_at.expect("known"));
    world.relay.set_account("user_ana", 2, "free", 7);
    world.relay.revive();
    let state = account_where(&studio, |state| remaining(state) == Some(7)).await;
    assert_eq!(state.relay, RelayStatus::Online);
}

#[tokio::test]
async fn a_relay_that_goes_away_is_noticed_and_found_again() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    account_where(&studio, |state| remaining(state) == Some(20_000)).await;
    world.relay.kill();
    account_where(&studio, |state| state.relay == RelayStatus::Offline).await;
    world.relay.set_account("user_ana", 5, "free", 5);
    world.relay.revive();
    account_where(&studio, |state| remaining(state) == Some(5)).await;
}

#[tokio::test]
async fn a_stream_that_breaks_is_taken_up_from_the_known_version() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    account_where(&studio, |state| remaining(state) == Some(20_000)).await;
    world.relay.streamed(1).await;
    world.relay.cut();
    world.relay.streamed(2).await;
    world.relay.set_account("user_ana", 3, "free", 3);
    account_where(&studio, |state| remaining(state) == Some(3)).await;
}

#[tokio::test]
async fn an_older_snapshot_changes_nothing() {
    let world = World::new();
    world.relay.set_account("user_ana", 9, "free", 9);
    let studio = world.open_signed_in("user_ana").await;
    account_where(&studio, |state| remaining(state) == Some(9)).await;
    world.relay.set_account("user_ana", 8, "free", 8);
    let state = studio.account_refresh().await.expect("asked");
    assert_eq!(remaining(&state), Some(9));
}

#[tokio::test]
async fn a_relay_that_wants_a_newer_app_says_so_and_local_work_goes_on() {
    let world = World::new();
    world.relay.set_min_app_version("2.1.0");
    let studio = world.open().await;
    let state = account_where(&studio, |state| state.relay == RelayStatus::UpdateNeeded).await;
    assert!(state.config.is_some());
    let error = studio.sign_in_start().await.expect_err("too old");
    assert_eq!(code_of(&studio, &error), ProblemCode::UpdateNeeded);
    assert!(studio.problem(&error).message.contains("2.1.0"));
    project(&studio).await;
}

#[tokio::test]
async fn the_relay_is_asked_in_the_language_in_force() {
    let world = World::new();
    let studio = world.open().await;
    account_where(&studio, |state| state.config.is_some()).await;
    let english = SettingsPatch { language: Some(Language::En), ..SettingsPatch::default() };
    assert_eq!(world.relay.languages(), ["es"]);
    studio.settings_update(english).await.expect("changed");
    world.relay.asked_in("en").await;
}

#[tokio::test]
async fn the_ledger_is_copied_page_by_page_once_and_read_offline_newest_first() {
    let world = World::new();
    for tokens in 1..=5 {
        world.relay.add_ledger("grant", tokens, None);
    }
    let studio = world.open_signed_in("user_ana").await;
    let rows = |count: usize| {
        let studio = &studio;
        until(studio, move || async move {
            let page = studio.ledger_page(None, 50).await.expect("a page");
            (page.rows.len() == count).then_some(page)
        })
    };
    rows(5).await;
    world.relay.add_ledger("expire", 6, None);
    world.relay.set_account("user_ana", 2, "free", 1);
    let page = rows(6).await;
    let tokens: Vec<i64> = page.rows.iter().map(|row| row.entry.tokens.get()).collect();
    assert_eq!(tokens, [6, 5, 4, 3, 2, 1]);
    world.relay.kill();
    let first = studio.ledger_page(None, 4).await.expect("a page");
    let rest = studio.ledger_page(first.next, 4).await.expect("a page");
    assert_eq!((first.rows.len(), rest.rows.len(), rest.next), (4, 2, None));
}

#[tokio::test]
async fn a_plan_that_is_paid_is_shown_by_the_stream_alone() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    studio.boot().await;
    let state = studio.checkout_start(creator()).await.expect("opened");
    assert_eq!(world.last_opened().as_str(), "https://checkout.example/cs_test_1");
    assert_eq!(state.checkout.expect("waited for").plan_id.as_str(), "creator");
    let mut events = studio.events();
    world.relay.set_account("user_ana", 2, "creator", 520_000);
    let state = account_where(&studio, |state| state.checkout.is_none()).await;
    assert_eq!(remaining(&state), Some(520_000));
    assert!(notice(&mut events).await.contains("Creator"));
}

#[tokio::test]
async fn a_checkout_that_was_open_when_the_app_closed_is_still_waited_for() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    studio.checkout_start(creator()).await.expect("opened");
    drop(studio);
    let studio = world.open().await;
    let state = studio.account_state().await.expect("a state");
    assert!(state.checkout.is_some());
    world.relay.set_account("user_ana", 2, "creator", 520_000);
    account_where(&studio, |state| state.checkout.is_none()).await;
}

#[tokio::test]
async fn coming_back_from_checkout_lands_on_the_dashboard_with_the_balance() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    studio.checkout_start(creator()).await.expect("opened");
    world.relay.set_account("user_ana", 2, "creator", 520_000);
    let mut events = studio.events();
    let link = "autocrea://checkout/return?session_id=cs_test_1";
    studio.open_deep_link(link).await.expect("back");
    let state = studio.account_state().await.expect("a state");
    assert_eq!((remaining(&state), state.checkout), (Some(520_000), None));
    assert_eq!(navigated(&mut events).await, Destination::Dashboard);
    // Coming back twice does no harm.
    studio.open_deep_link(link).await.expect("back again");
}

#[tokio::test]
async fn turning_back_from_checkout_lands_on_plans_and_nothing_is_waited_for() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let link = "autocrea://checkout/return?session_id=cs_test_1&cancelled=1";
    studio.open_deep_link(link).await.expect_err("nothing was waited for");
    studio.checkout_start(creator()).await.expect("opened");
    let mut events = studio.events();
    studio.open_deep_link(link).await.expect("back");
    assert_eq!(navigated(&mut events).await, Destination::Plans);
    assert!(studio.account_state().await.expect("a state").checkout.is_none());
}

#[tokio::test]
async fn somebody_elses_checkout_is_refused_and_changes_nothing() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    studio.checkout_start(creator()).await.expect("opened");
    world.relay.set_session("cs_test_eva", "user_eva");
    let link = "autocrea://checkout/return?session_id=cs_test_eva";
    let error = studio.open_deep_link(link).await.expect_err("foreign");
    assert_eq!(code_of(&studio, &error), ProblemCode::LinkRefused);
    assert!(studio.account_state().await.expect("a state").checkout.is_some());
}

#[tokio::test]
async fn what_the_relay_refuses_is_said_in_its_words() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let error = studio.portal_open().await.expect_err("never paid");
    let problem = studio.problem(&error);
    assert_eq!(problem.code, ProblemCode::NotFound);
    assert_eq!(problem.message, "No hay suscripción activa.");
    let choice = CheckoutChoice { plan_id: PlanId::from("gold"), interval: Interval::Year };
    let error = studio.checkout_start(choice).await.expect_err("no such plan");
    assert_eq!(code_of(&studio, &error), ProblemCode::Invalid);
    assert!(studio.account_state().await.expect("a state").checkout.is_none());
}

#[tokio::test]
async fn a_refused_link_is_said_and_has_no_effect() {
    let world = World::new();
    let studio = world.open().await;
    studio.boot().await;
    let mut events = studio.events();
    for link in
        ["https://example.com", "autocrea://nowhere/at-all", "autocrea://project/x", "\u{7}"]
    {
        let error = studio.open_deep_link(link).await.expect_err("refused");
        assert_eq!(code_of(&studio, &error), ProblemCode::LinkRefused);
        assert!(!notice(&mut events).await.is_empty());
    }
    let gone = format!("autocrea://project/{}", uuid::Uuid::now_v7());
    let error = studio.open_deep_link(&gone).await.expect_err("gone");
    assert_eq!(code_of(&studio, &error), ProblemCode::NotFound);
}

#[tokio::test]
async fn a_project_link_on_a_cold_start_is_where_the_page_begins() {
    let world = World::new();
    let studio = world.open().await;
    let id = project(&studio).await;
    studio.open_deep_link(&format!("autocrea://project/{id}")).await.expect("followed");
    assert_eq!(studio.boot().await.destination, Some(Destination::Project { id }));
    assert_eq!(studio.boot().await.destination, None);
}

#[tokio::test]
async fn only_secure_addresses_and_the_relays_own_are_opened() {
    let world = World::new();
    let studio = world.open().await;
    let own = world.relay.url().join("terms").expect("an address").to_string();
    for url in ["https://example.com/help", &own] {
        studio.open_external(url.to_owned()).await.expect("opened");
    }
    for url in ["http://example.com", "http://127.0.0.1:1/x", "file:///etc/passwd", "javascript:1"]
    {
        studio.open_external(url.to_owned()).await.expect_err("refused");
    }
    assert_eq!(world.opened.lock().len(), 2);
}
