//! What time alone changes: lots that end, months that begin. Written within a minute, so that
//! whoever watches is told although nobody did anything.

use crate::account;
use crate::app::App;
use crate::clock::month_of;
use crate::db::{DbError, Tx};
use crate::ledger;
use autocrea_protocol::UserId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(30);
const OTHERS_EVERY: Duration = Duration::from_secs(2);
const VERSIONS_EVERY: Duration = Duration::from_secs(4);
/// People whose versions are asked for in one go.
const VERSIONS_AT_ONCE: usize = 1_000;
/// Rows that one transaction takes on, so that nobody waits long for the writer.
const AT_ONCE: u32 = 200;

pub(crate) async fn run(app: Arc<App>) {
    loop {
        if let Err(error) = pass(&app).await {
            tracing::error!(%error, "the sweep failed; it will be tried again");
        }
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Wakes watchers when another process has written: a command such as `autocrea-relay grant`, or
/// another replica whose word was lost.
pub(crate) async fn follow_others(app: Arc<App>) {
    if app.db.is_shared() {
        return follow_versions(&app).await;
    }
    let mut known = app.db.foreign_version().await.ok();
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = tokio::time::sleep(OTHERS_EVERY) => {}
        }
        let version = app.db.foreign_version().await.ok();
        if version.is_some() && version != known {
            known = version;
            app.changes.signal_all();
        }
    }
}

/// Compares the versions of the watched people with those last seen. That costs the ledger nothing,
/// and a change that is overtaken by no later one is seen whatever the order of the commits.
async fn follow_versions(app: &App) {
    let mut known: HashMap<UserId, i64> = HashMap::new();
    loop {
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = tokio::time::sleep(VERSIONS_EVERY) => {}
        }
        let watched = app.changes.watched();
        let mut seen = HashMap::with_capacity(watched.len());
        for some in watched.chunks(VERSIONS_AT_ONCE) {
            let users = some.to_vec();
            match app.db.read(move |tx| account::versions(tx, &users)).await {
                Ok(versions) => seen.extend(versions),
                Err(error) => tracing::warn!(%error, "versions could not be compared"),
            }
        }
        // Whoever is new here is signalled for nothing at worst.
        let changed = seen.iter().filter(|(user, version)| known.get(*user) != Some(*version));
        app.changes.signal(changed.map(|(user, _)| user));
        known = seen;
    }
}

/// One pass, whole; also for tests that have moved the clock.
///
/// # Errors
/// If the database refuses.
pub async fn pass(app: &App) -> Result<(), DbError> {
    while app.db.write(|tx| ledger::expire_due_of_all(tx, AT_ONCE)).await? > 0 {}
    while app.db.write(roll_months).await? > 0 {}
    while crate::billing::refresh::sweep(&app.billing).await? > 0 {}
    crate::metrics::swept();
    Ok(())
}

fn roll_months(tx: &mut Tx<'_>) -> Result<usize, DbError> {
    let month = month_of(tx.now());
    let people = tx.query_all(
        "SELECT id FROM people WHERE month < ?1 LIMIT ?2 /*pg: FOR UPDATE SKIP LOCKED */",
        &[&month, &AT_ONCE],
        |row| row.get::<UserId>(0),
    )?;
    for user in &people {
        ledger::roll_month(tx, user)?;
    }
    Ok(people.len())
}
