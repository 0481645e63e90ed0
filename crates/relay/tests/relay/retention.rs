//! What is kept only for a while.

use crate::mail::post::sent;
use crate::support::shop::*;
use crate::support::{ANA, World};
use autocrea_relay::billing::inbox;
use autocrea_relay::db::DbError;
use autocrea_relay::sweep::let_go;
use reqwest::Method;
use serde_json::json;

async fn count(world: &World, sql: &'static str) -> i64 {
    let counted = world.relay.app.db.read(move |tx| tx.query_one(sql, &[], |row| row.get(0)));
    let counted: Result<_, DbError> = counted.await;
    counted.expect("a count")
}

const PAYLOADS: &str = "SELECT COUNT(*) FROM stripe_events WHERE payload IS NOT NULL";
const RENDERED: &str = "SELECT COUNT(*) FROM mails WHERE payload IS NOT NULL";

#[tokio::test]
async fn raw_events_and_rendered_mails_are_let_go_of_and_the_ledger_is_not() {
    let world = open_with(&[("RELAY_RETENTION_DAYS", "10")]).await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let (before, listed) = (account(&world).await, entries(&world).await);
    // Without the tips of the first days, which become due as time passes.
    let patch = json!({"marketingEmails": false});
    let request = world.ask_as(ANA, Method::PATCH, "/api/user/profile").json(&patch);
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    sent(&world).await;
    world.clock.advance(9 * DAY);
    let_go(&world.relay.app).await.expect("a database");
    assert!(count(&world, PAYLOADS).await > 0 && count(&world, RENDERED).await > 0);
    world.clock.advance(2 * DAY);
    let_go(&world.relay.app).await.expect("a database");
    assert_eq!((count(&world, PAYLOADS).await, count(&world, RENDERED).await), (0, 0));
    // Their ids are still known for as long as Stripe may send them again.
    let kept = world.relay.app.db.read(|tx| inbox::list(tx, 1_000)).await.expect("a database");
    assert!(!kept.is_empty());
    world.clock.advance(30 * DAY);
    let_go(&world.relay.app).await.expect("a database");
    assert_eq!(count(&world, "SELECT COUNT(*) FROM stripe_events").await, 0);
    assert!(entries(&world).await.starts_with(&listed));
    assert_eq!(account(&world).await["user"]["id"], before["user"]["id"]);
    verify(&world).await;
}
