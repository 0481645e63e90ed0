//! Signing in and out, against a provider and a relay that the test plays.

#![allow(clippy::expect_used, reason = "a test says what it expects")]

mod support;

use autocrea_studio::ipc::{ProblemCode, SecretPlace, Session};
use autocrea_studio::{Error, Studio};
use std::sync::Arc;
use support::{World, account_where, is_signed_in, notice, project};

fn code_of(studio: &Studio, error: &Error) -> ProblemCode {
    studio.problem(error).code
}

#[tokio::test]
async fn without_a_keyring_a_place_for_the_secret_is_asked_for_before_the_browser_opens() {
    let world = World::new();
    let studio = world.open().await;
    let error = studio.sign_in_start().await.expect_err("a place is needed");
    assert_eq!(code_of(&studio, &error), ProblemCode::SecretPlaceNeeded);
    assert!(world.opened.lock().is_empty());
    studio.secret_place_choose(SecretPlace::Memory).await.expect("a place");
    let state = studio.sign_in_start().await.expect("begun");
    assert!(matches!(state.session, Session::SigningIn { .. }));
    assert_eq!(world.opened.lock().len(), 1);
}

#[tokio::test]
async fn a_sign_in_by_deep_link_ends_signed_in_with_the_balance() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    let state = account_where(&studio, |state| state.snapshot.is_some()).await;
    let place = SecretPlace::File;
    let session = Session::SignedIn { user_id: "user_ana".into(), secret_place: place };
    assert_eq!(state.session, session);
    assert_eq!(state.snapshot.expect("known").tokens.remaining.get(), 20_000);
}

#[tokio::test]
async fn a_cold_start_by_deep_link_finishes_what_an_earlier_run_began() {
    let world = World::new();
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::File).await.expect("a place");
    studio.sign_in_start().await.expect("begun");
    let link = world.provider.consent(&world.last_opened(), "user_ana");
    drop(studio);
    let studio = world.open().await;
    studio.open_deep_link(&link).await.expect("signed in");
    assert!(is_signed_in(&studio.account_state().await.expect("a state")));
    // What was said before the page was there is said to it now.
    let mut events = studio.events();
    studio.boot().await;
    assert!(notice(&mut events).await.contains("iniciado sesión"));
}

#[tokio::test]
async fn a_sign_in_survives_a_restart_if_its_secret_is_in_a_file() {
    let world = World::new();
    drop(world.open_signed_in("user_ana").await);
    world.provider.end_access();
    let studio = world.open().await;
    assert!(is_signed_in(&studio.account_refresh().await.expect("fresh")));
}

#[tokio::test]
async fn a_secret_in_memory_is_gone_after_a_restart_and_the_projects_are_not() {
    let world = World::new();
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::Memory).await.expect("a place");
    world.sign_in(&studio, "user_ana").await;
    project(&studio).await;
    drop(studio);
    let studio = world.open().await;
    let state = studio.account_state().await.expect("a state");
    assert_eq!(state.session, Session::Expired { user_id: "user_ana".into() });
    assert_eq!(studio.projects_list().await.expect("listed").len(), 1);
}

#[tokio::test]
async fn a_state_works_once_and_a_second_callback_changes_nothing() {
    let world = World::new();
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::File).await.expect("a place");
    studio.sign_in_start().await.expect("begun");
    let url = world.last_opened();
    let first = world.provider.consent(&url, "user_ana");
    let second = world.provider.consent(&url, "user_eva");
    studio.open_deep_link(&first).await.expect("signed in");
    let error = studio.open_deep_link(&second).await.expect_err("used");
    assert_eq!(code_of(&studio, &error), ProblemCode::LinkRefused);
    let state = account_where(&studio, |state| state.snapshot.is_some()).await;
    assert_eq!(state.snapshot.expect("known").user.id.as_str(), "user_ana");
}

#[tokio::test]
async fn an_answer_that_was_not_asked_for_here_is_refused() {
    let world = World::new();
    let studio = world.open().await;
    let link = "autocrea://auth/callback?code=c0de&state=foreign";
    let error = studio.open_deep_link(link).await.expect_err("foreign");
    assert_eq!(code_of(&studio, &error), ProblemCode::LinkRefused);
    let state = studio.account_state().await.expect("a state");
    assert_eq!(state.session, Session::SignedOut);
}

#[tokio::test]
async fn an_attempt_ends_after_ten_minutes_and_when_the_clock_is_set_back() {
    for shift in [-11 * 60_000_i64, 24 * 60 * 60_000] {
        let world = World::new();
        let studio = world.open().await;
        studio.secret_place_choose(SecretPlace::File).await.expect("a place");
        studio.sign_in_start().await.expect("begun");
        let link = world.provider.consent(&world.last_opened(), "user_ana");
        let sql = "UPDATE sign_in_attempts SET created_at = created_at + ?1,
                       expires_at = expires_at + ?1";
        world.sql().execute(sql, [shift]).expect("moved");
        let error = studio.open_deep_link(&link).await.expect_err("expired");
        assert_eq!(code_of(&studio, &error), ProblemCode::LinkRefused);
        assert!(!is_signed_in(&studio.account_state().await.expect("a state")));
    }
}

#[tokio::test]
async fn five_attempts_are_kept_and_the_oldest_gives_way() {
    let world = World::new();
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::File).await.expect("a place");
    for _ in 0..6 {
        studio.sign_in_start().await.expect("begun");
    }
    let urls: Vec<url::Url> =
        world.opened.lock().iter().map(|url| url.parse().expect("an address")).collect();
    let oldest = world.provider.consent(&urls[0], "user_ana");
    studio.open_deep_link(&oldest).await.expect_err("given way");
    let second = world.provider.consent(&urls[1], "user_ana");
    studio.open_deep_link(&second).await.expect("kept");
}

#[tokio::test]
async fn a_person_who_says_no_is_told_and_nobody_is_signed_in() {
    let world = World::new();
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::File).await.expect("a place");
    studio.sign_in_start().await.expect("begun");
    let url = world.last_opened();
    let state = url.query_pairs().find(|(key, _)| key == "state").expect("a state").1.into_owned();
    let link = format!("autocrea://auth/callback?error=access_denied&state={state}");
    studio.open_deep_link(&link).await.expect_err("denied");
    let state = studio.account_state().await.expect("a state");
    assert_eq!(state.session, Session::SignedOut);
}

#[tokio::test]
async fn a_pasted_text_signs_in_and_a_bare_code_does_not() {
    let world = World::new();
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::File).await.expect("a place");
    studio.sign_in_start().await.expect("begun");
    let link = world.provider.consent(&world.last_opened(), "user_ana");
    let query = link.split_once('?').expect("a query").1.to_owned();
    studio.sign_in_paste("code-1".into()).await.expect_err("bare");
    let state = studio.sign_in_paste(query).await.expect("signed in");
    assert!(is_signed_in(&state));
}

#[tokio::test]
async fn where_the_scheme_cannot_be_registered_loopback_brings_the_answer() {
    let mut world = World::new();
    world.scheme_registered = false;
    world.relay.set_loopback_ports(vec![0]);
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::File).await.expect("a place");
    studio.sign_in_start().await.expect("begun");
    let link = world.provider.consent(&world.last_opened(), "user_ana");
    assert!(link.starts_with("http://127.0.0.1:"), "{link}");
    let page = reqwest::get(&link).await.expect("answered").text().await.expect("a page");
    assert!(page.contains("AUTOCREA"));
    account_where(&studio, is_signed_in).await;
}

#[tokio::test]
async fn a_cancelled_attempt_is_not_finished_by_a_late_answer() {
    let world = World::new();
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::File).await.expect("a place");
    studio.sign_in_start().await.expect("begun");
    let link = world.provider.consent(&world.last_opened(), "user_ana");
    let state = studio.sign_in_cancel().await.expect("cancelled");
    assert_eq!(state.session, Session::SignedOut);
    studio.open_deep_link(&link).await.expect_err("cancelled");
}

#[tokio::test]
async fn many_callers_cost_one_renewal_and_the_new_refresh_token_is_kept() {
    let world = World::new();
    let studio = Arc::new(world.open_signed_in("user_ana").await);
    world.relay.streamed(1).await;
    world.provider.end_access();
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let studio = Arc::clone(&studio);
            tokio::spawn(async move { studio.account_refresh().await.map(drop) })
        })
        .collect();
    for call in calls {
        call.await.expect("ran").expect("renewed");
    }
    assert_eq!(world.provider.refreshes(), 1);
    // The provider rotates: only the token that came back is good for the next one.
    drop(studio);
    world.provider.end_access();
    let studio = world.open().await;
    assert!(is_signed_in(&studio.account_refresh().await.expect("renewed again")));
}

#[tokio::test]
async fn a_sign_in_that_the_provider_has_ended_is_expired_and_keeps_its_data() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    account_where(&studio, |state| state.snapshot.is_some()).await;
    world.provider.end_access();
    world.provider.end_refresh();
    // Whoever asks first is told; it may be the account stream.
    if let Err(error) = studio.account_refresh().await {
        assert_eq!(code_of(&studio, &error), ProblemCode::SignedOut);
    }
    let state = studio.account_state().await.expect("a state");
    assert_eq!(state.session, Session::Expired { user_id: "user_ana".into() });
    assert!(state.snapshot.is_some());
    world.sign_in(&studio, "user_ana").await;
    assert!(is_signed_in(&studio.account_state().await.expect("a state")));
}

#[tokio::test]
async fn a_provider_that_is_away_ends_no_sign_in() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    world.relay.streamed(1).await;
    world.provider.end_access();
    world.provider.kill();
    let error = studio.account_refresh().await.expect_err("away");
    assert_eq!(code_of(&studio, &error), ProblemCode::Offline);
    assert!(is_signed_in(&studio.account_state().await.expect("a state")));
}

#[tokio::test]
async fn signing_out_revokes_and_forgets_and_keeps_projects() {
    let world = World::new();
    let studio = world.open_signed_in("user_ana").await;
    account_where(&studio, |state| state.snapshot.is_some()).await;
    project(&studio).await;
    let state = studio.sign_out().await.expect("signed out");
    assert_eq!(state.session, Session::SignedOut);
    assert!(state.snapshot.is_none());
    assert_eq!(world.provider.revoked(), 1);
    assert!(!world.dir.path().join("secrets.json").exists());
    assert_eq!(studio.projects_list().await.expect("listed").len(), 1);
    let left: i64 = world
        .sql()
        .query_row(
            "SELECT (SELECT count(*) FROM accounts) + (SELECT count(*) FROM ledger_entries)",
            [],
            |row| row.get(0),
        )
        .expect("counted");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_secret_moves_to_where_the_person_says() {
    let world = World::new();
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::Memory).await.expect("a place");
    world.sign_in(&studio, "user_ana").await;
    assert!(!world.dir.path().join("secrets.json").exists());
    studio.secret_place_choose(SecretPlace::File).await.expect("moved");
    drop(studio);
    world.provider.end_access();
    let studio = world.open().await;
    assert!(is_signed_in(&studio.account_refresh().await.expect("fresh")));
}

#[tokio::test]
async fn a_callback_while_the_network_is_away_does_not_use_the_state_up() {
    let world = World::new();
    let studio = world.open().await;
    studio.secret_place_choose(SecretPlace::File).await.expect("a place");
    studio.sign_in_start().await.expect("begun");
    let link = world.provider.consent(&world.last_opened(), "user_ana");
    drop(studio);
    world.relay.kill();
    world.provider.kill();
    let studio = world.open().await;
    let error = studio.open_deep_link(&link).await.expect_err("away");
    assert_eq!(code_of(&studio, &error), ProblemCode::Offline);
    world.relay.revive();
    world.provider.revive();
    studio.open_deep_link(&link).await.expect("signed in");
    assert!(is_signed_in(&studio.account_state().await.expect("a state")));
}
