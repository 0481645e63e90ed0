//! Waiting for mails, for the tests of mails.

use crate::support::World;
use autocrea_relay::db::DbError;
use autocrea_relay::mail::worker;
use autocrea_sandbox::resend::Mail;
use std::time::Duration;

/// The mails of a kind that have arrived.
pub fn arrived(world: &World, kind: &str) -> Vec<Mail> {
    let mails = world.sandbox.resend.mails();
    mails.into_iter().filter(|mail| mail.tag("kind") == Some(kind)).collect()
}

/// Waits for the one mail of a kind.
pub async fn one(world: &World, kind: &str) -> Mail {
    sent(world).await;
    let mut mails = arrived(world, kind);
    assert_eq!(mails.len(), 1, "{kind}: {:?}", kinds(world));
    mails.remove(0)
}

/// The kinds of all mails that have arrived, in order.
pub fn kinds(world: &World) -> Vec<String> {
    let mails = world.sandbox.resend.mails();
    mails.iter().filter_map(|mail| mail.tag("kind")).map(str::to_owned).collect()
}

/// Sends what is due, and waits until nothing is under way.
pub async fn sent(world: &World) {
    const BUSY: &str = "SELECT COUNT(*) FROM mails WHERE state = 'pending'
        AND (due_at <= ?1 OR tried_at IS NOT NULL)";
    let all = async {
        loop {
            worker::pass(&world.relay.app.mail).await.expect("a database");
            let busy = world.relay.app.db.read(|tx| {
                let now = tx.now();
                tx.query_one(BUSY, &[&now], |row| row.get::<i64>(0))
            });
            let busy: Result<i64, DbError> = busy.await;
            if busy.expect("a database") == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), all).await.expect("it is sent");
}

/// The states of the mails of a kind.
pub async fn states(world: &World, kind: &'static str) -> Vec<String> {
    let found: Result<Vec<String>, DbError> = world
        .relay
        .app
        .db
        .read(move |tx| {
            let sql = "SELECT state FROM mails WHERE kind = ?1 ORDER BY created_at, id";
            tx.query_all(sql, &[&kind], |row| row.get(0))
        })
        .await;
    found.expect("a database")
}

/// Waits until the one mail of a kind is in a state.
pub async fn until(world: &World, kind: &'static str, state: &str) {
    let wanted = async {
        while states(world, kind).await != [state] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(30), wanted).await;
    assert!(waited.is_ok(), "{kind} is {:?}", states(world, kind).await);
}
