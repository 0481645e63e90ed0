//! A person who leaves: what goes, what stays, and what is never given twice.

use crate::generate::stage::{Person, request};
use crate::support::gate::Gate;
use crate::support::shop::*;
use crate::support::{ANA, Events, World};
use autocrea_protocol::generation::StreamCode;
use autocrea_relay::billing::packed::unpack;
use autocrea_relay::billing::{commands, departed, inbox, reconcile, refresh};
use autocrea_relay::db::DbError;
use autocrea_sandbox::joxcoder::Reply;
use reqwest::{Method, StatusCode};
use rusqlite::types::ValueRef;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

async fn leave(world: &World) {
    let answer = world.ask_as(ANA, Method::DELETE, "/api/user/profile").send().await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.text().await.expect("a body"), "");
}

/// Every value of the database, whatever table it is in.
async fn everything_kept(world: &World) -> String {
    const TABLES: [&str; 2] = [
        "SELECT name FROM sqlite_master WHERE type = 'table'",
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
    ];
    let shared = world.relay.app.db.is_shared();
    let tables =
        world.relay.app.db.read(move |tx| {
            tx.query_all(TABLES[usize::from(shared)], &[], |row| row.get::<String>(0))
        });
    let tables: Result<_, DbError> = tables.await;
    let tables = tables.expect("tables");
    let rows = if shared { rows_of(world, tables).await } else { values_of(world, &tables) };
    format!("{rows}\n{}", bodies(world).await)
}

/// The bodies of the events that are kept, which are packed in their rows.
async fn bodies(world: &World) -> String {
    const KEPT: &str = "SELECT payload FROM stripe_events WHERE payload IS NOT NULL";
    let kept = world.relay.app.db.read(|tx| tx.query_all(KEPT, &[], |row| row.get::<Vec<u8>>(0)));
    let kept: Result<_, DbError> = kept.await;
    let bodies = kept.expect("rows").into_iter().map(|kept| unpack(&kept).expect("a body"));
    bodies.map(|body| String::from_utf8(body).expect("JSON") + "\n").collect()
}

async fn rows_of(world: &World, tables: Vec<String>) -> String {
    let rows = world.relay.app.db.read(move |tx| {
        let mut all = Vec::new();
        for table in tables {
            let sql: &'static str = format!("SELECT CAST(t AS TEXT) FROM {table} AS t").leak();
            all.extend(tx.query_all(sql, &[], |row| row.get::<String>(0))?);
        }
        Ok::<_, DbError>(all.join("\n"))
    });
    rows.await.expect("rows")
}

fn values_of(world: &World, tables: &[String]) -> String {
    let db = rusqlite::Connection::open(world.folder().join("relay.db")).expect("the database");
    let mut all = String::new();
    for table in tables {
        let mut rows = db.prepare(&format!("SELECT * FROM {table}")).expect("a statement");
        let columns = rows.column_count();
        let mut rows = rows.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            for column in 0..columns {
                match row.get_ref(column).expect("a value") {
                    ValueRef::Text(bytes) => all.push_str(&String::from_utf8_lossy(bytes)),
                    ValueRef::Blob(bytes) => all.push_str(&hex::encode(bytes)),
                    other => all.push_str(&format!("{other:?}")),
                }
                all.push('\n');
            }
        }
    }
    all
}

/// The lines that hold a name, as text or in bytes.
fn lines_with<'k>(kept: &'k str, name: &str) -> Vec<&'k str> {
    let in_bytes = hex::encode(name);
    kept.lines().filter(|line| line.contains(name) || line.contains(&in_bytes)).collect()
}

async fn totals(world: &World) -> [i64; 6] {
    let read = world.relay.app.db.read(|tx| {
        tx.query_one(
            "SELECT people, generations, granted, spent, expired, revoked FROM departed_totals",
            &[],
            |row| {
                Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?])
            },
        )
    });
    let totals: Result<_, DbError> = read.await;
    totals.expect("totals")
}

async fn cancellations(world: &World) -> i64 {
    let read = world.relay.app.db.read(|tx| {
        tx.query_one("SELECT COUNT(*) FROM cancellations", &[], |row| row.get::<i64>(0))
    });
    let count: Result<_, DbError> = read.await;
    count.expect("a count")
}

fn status_at_stripe(world: &World, subscription: &str) -> Value {
    call(world, "GET", &format!("subscriptions/{subscription}"), "")["status"].clone()
}

#[tokio::test]
async fn nothing_that_names_somebody_who_has_left_is_kept_and_the_sums_stay() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    settle(&world).await;
    spend(&world, 1_000).await;
    let told = world.get("/api/account").await;
    let customer = customer(&world).await.expect("a customer");
    let named = [world.user(ANA).0, ANA.to_owned(), customer.clone(), "Ana".to_owned()];
    for name in &named {
        assert!(!lines_with(&everything_kept(&world).await, name).is_empty(), "{name}");
    }
    leave(&world).await;
    assert_eq!(status_at_stripe(&world, &subscription), "canceled");
    stripe(&world).settled().await;
    let kept = everything_kept(&world).await;
    for name in &named {
        assert_eq!(lines_with(&kept, name), [] as [&str; 0], "{name}");
    }
    verify(&world).await;
    let [people, generations, granted, spent, expired, revoked] = totals(&world).await;
    let limit = told["tokens"]["limit"].as_i64().expect("a number");
    assert_eq!((people, generations, granted), (1, 0, limit));
    assert_eq!((spent, expired, revoked), (1_000, limit - 1_000, 0));
}

#[tokio::test]
async fn whoever_comes_back_is_somebody_new_above_the_old_version_with_no_second_free_lot() {
    let world = open().await;
    spend(&world, 500).await;
    let name = json!({"name": "Otra", "locale": "en"});
    let edited = world.ask_as(ANA, Method::PATCH, "/api/user/profile").json(&name).send().await;
    assert_eq!(edited.expect("an answer").status(), 200);
    let before = account(&world).await;
    leave(&world).await;
    let after = account(&world).await;
    assert!(after["version"].as_i64() > before["version"].as_i64(), "{after} {before}");
    assert_ne!(after["user"]["name"], "Otra");
    assert_eq!(after["user"]["email"], ANA, "at once, and not when Clerk is next asked");
    assert_eq!(after["tokens"]["limit"], 0);
    assert_eq!(after["tokens"]["resetsAt"], Value::Null);
    assert_eq!(entries(&world).await, [] as [Value; 0]);
    let mails = world
        .relay
        .app
        .db
        .read(|tx| tx.query_one("SELECT COUNT(*) FROM mails", &[], |row| row.get::<i64>(0)));
    let mails: Result<_, DbError> = mails.await;
    assert_eq!(mails.expect("a count"), 0, "nor a second welcome");
    // Once more, in the same month.
    leave(&world).await;
    let again = account(&world).await;
    assert!(again["version"].as_i64() > after["version"].as_i64());
    assert_eq!(again["tokens"]["limit"], 0);
    // The next month is theirs as anybody's.
    world.clock.advance(32 * DAY);
    sweep(&world).await;
    assert_eq!(account(&world).await["tokens"]["limit"], 20_000);
    verify(&world).await;
}

#[tokio::test]
async fn streams_of_the_account_end_and_a_running_generation_is_interrupted_for_nothing() {
    let world = World::start().await;
    world.get("/api/account").await;
    let watching = world.ask_as(ANA, Method::GET, "/api/account/events").send().await;
    let mut watching = Events::of(watching.expect("an answer"));
    watching.data().await;
    world.sandbox.joxcoder.script(Reply::pieces(["uno", " dos"]).hold_after(1));
    let ana = Person::new(&world.relay.url(), world.token(ANA));
    let id = Uuid::now_v7();
    let mut running = ana.generate(id, "hola").await;
    running.first_text().await;
    leave(&world).await;
    let told = running.all().await;
    assert_eq!((told.failed().code, told.failed().charged.get()), (StreamCode::Interrupted, 0));
    let ended = async { while watching.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(5), ended).await.expect("the stream ends");
    // To somebody new the id is as unknown as anybody else's.
    assert_eq!(ana.get(id).send().await.expect("an answer").status(), 404);
    verify(&world).await;
    assert_eq!(totals(&world).await[..4], [1, 1, 20_000, 0]);
    let spool = world.folder().join("relay.db-spool");
    if !world.relay.app.db.is_shared() {
        let spool = rusqlite::Connection::open(spool).expect("a spool");
        let pieces = spool.query_row("SELECT COUNT(*) FROM chunks", [], |row| row.get::<_, i64>(0));
        assert_eq!(pieces.expect("a count"), 0);
    }
}

#[tokio::test]
async fn leaving_does_not_wait_for_stripe_and_the_cancellation_is_done_when_it_is_back() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    let subscription = buy(&world, "pro", "month").await;
    settle(&world).await;
    gate.instead("/v1/", 503, "{}");
    leave(&world).await;
    assert_eq!(status_at_stripe(&world, &subscription), "active");
    assert_eq!(cancellations(&world).await, 1);
    // Not even a restart loses it.
    let world = world.restart().await;
    gate.mend();
    // What the relay itself has in hand since it started is put off again before it is due.
    let done = async {
        while cancellations(&world).await > 0 {
            world.clock.advance(Duration::from_secs(3_600));
            departed::pass(&world.relay.app.billing).await.expect("a database");
        }
    };
    tokio::time::timeout(Duration::from_secs(60), done).await.expect("it is cancelled");
    assert_eq!(status_at_stripe(&world, &subscription), "canceled");
}

#[tokio::test]
async fn whatever_stripe_says_of_the_checkouts_of_whoever_leaves_the_subscription_ends() {
    let (world, gate) = Gate::before_stripe(&[]).await;
    let subscription = buy(&world, "pro", "month").await;
    settle(&world).await;
    let unknown = json!({"error": {"type": "invalid_request_error", "message": "?"}});
    gate.instead("/v1/checkout/sessions", 404, &unknown.to_string());
    leave(&world).await;
    assert_eq!(status_at_stripe(&world, &subscription), "canceled");
    assert_eq!(cancellations(&world).await, 1, "what may still be open is tried again");
}

#[tokio::test]
async fn a_checkout_that_was_open_cannot_be_paid_by_somebody_who_has_left() {
    let world = open().await;
    let session = checkout(&world, "creator", "month").await;
    leave(&world).await;
    let path = format!("checkout/sessions/{}", text(&session, "sessionId"));
    assert_eq!(call(&world, "GET", &path, "")["status"], "expired");
    // Nor is it anybody's to sync with.
    account(&world).await;
    let body = json!({"sessionId": session["sessionId"]});
    let (status, refused) = post(&world, ANA, "/api/stripe/sync", &body).await;
    assert_eq!((status.as_u16(), &refused["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn later_events_of_their_customer_keep_no_payload_and_change_nothing() {
    let world = open().await;
    let subscription = buy(&world, "creator", "month").await;
    settle(&world).await;
    let customer = customer(&world).await.expect("a customer");
    stripe(&world).hold(true);
    leave(&world).await;
    let back = account(&world).await;
    // They come back, and then everything is delivered again, what came before and what came since.
    for event in stripe(&world).events() {
        assert_eq!(stripe(&world).deliver(&event.id).await, [200]);
    }
    let billing = &world.relay.app.billing;
    reconcile::pass(billing, true).await.expect("Stripe answers");
    refresh::refresh(billing, &customer).await.expect("Stripe answers");
    departed::pass(billing).await.expect("a database");
    let events = billing.db.read(|tx| inbox::list(tx, 1_000)).await.expect("a database");
    assert!(events.len() > 3);
    for event in events {
        let id = event.id.clone();
        let shown = billing.db.read(move |tx| inbox::show(tx, &id)).await.expect("a database");
        assert_eq!(shown.expect("the event").payload, None, "{event:?}");
        assert!(matches!(event.state.as_str(), "done" | "ignored"), "{event:?}");
        commands::replay_event(billing, event.id).await.expect("Stripe answers");
    }
    assert_eq!(account(&world).await, back);
    assert_eq!(status_at_stripe(&world, &subscription), "canceled");
    assert_eq!(lines_with(&everything_kept(&world).await, &customer), [] as [&str; 0]);
    verify(&world).await;
}

#[tokio::test]
async fn whoever_comes_back_and_buys_is_a_new_customer() {
    let world = open().await;
    buy(&world, "creator", "month").await;
    settle(&world).await;
    let before = customer(&world).await.expect("a customer");
    leave(&world).await;
    account(&world).await;
    assert_eq!(account(&world).await["subscription"]["planId"], "free");
    buy(&world, "pro", "month").await;
    settle(&world).await;
    assert_ne!(customer(&world).await.expect("a customer"), before);
    assert_eq!(account(&world).await["tokens"]["limit"], 1_500_000);
    verify(&world).await;
}

#[tokio::test]
async fn calls_that_race_with_a_departure_leave_nothing_behind() {
    let world = open().await;
    let ana = Person::new(&world.relay.url(), world.token(ANA));
    for round in 0..3 {
        world.get("/api/account").await;
        let calls = (0..12).map(|n| {
            let (world, ana) = (&world, &ana);
            async move {
                let status = match n % 4 {
                    0 => ana.post(&request(Uuid::now_v7(), "hola")).send().await,
                    1 => world.ask_as(ANA, Method::DELETE, "/api/user/profile").send().await,
                    2 => {
                        let body = json!({"planId": "creator"});
                        let path = "/api/stripe/create-checkout";
                        world.ask_as(ANA, Method::POST, path).json(&body).send().await
                    }
                    _ => {
                        let body = json!({"marketingEmails": false});
                        let path = "/api/user/profile";
                        world.ask_as(ANA, Method::PATCH, path).json(&body).send().await
                    }
                };
                let answer = status.expect("an answer");
                let status = answer.status();
                // To its end, so that what runs has ended.
                answer.bytes().await.ok();
                status
            }
        });
        let statuses = futures_util::future::join_all(calls).await;
        let odd = statuses.iter().filter(|it| it.is_server_error() && it.as_u16() == 500);
        assert_eq!(odd.count(), 0, "round {round}: {statuses:?}");
        leave(&world).await;
        stripe(&world).settled().await;
        departed::pass(&world.relay.app.billing).await.expect("a database");
        verify(&world).await;
        let (kept, id) = (everything_kept(&world).await, world.user(ANA));
        let left = lines_with(&kept, id.as_str());
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
}
