//! What time alone changes: lots that end, months that begin. Written within a minute, so that
//! whoever watches is told although nobody did anything.

use crate::app::App;
use crate::clock::month_of;
use crate::db::{DbError, Tx};
use crate::ledger;
use autocrea_protocol::UserId;
use std::sync::Arc;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(30);
const OTHERS_EVERY: Duration = Duration::from_secs(2);
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

/// Wakes all watchers when another process has written, as `autocrea-relay grant` does.
pub(crate) async fn follow_others(app: Arc<App>) {
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

/// One pass, whole; also for tests that have moved the clock.
///
/// # Errors
/// If the database refuses.
pub async fn pass(app: &App) -> Result<(), DbError> {
    while app.db.write(|tx| ledger::expire_due_of_all(tx, AT_ONCE)).await? > 0 {}
    while app.db.write(roll_months).await? > 0 {}
    while crate::billing::refresh::sweep(&app.billing).await? > 0 {}
    Ok(())
}

fn roll_months(tx: &mut Tx<'_>) -> Result<usize, DbError> {
    let month = month_of(tx.now());
    let people = tx.query_all(
        "SELECT id FROM people WHERE month < ?1 LIMIT ?2",
        &[&month, &AT_ONCE],
        |row| row.get::<UserId>(0),
    )?;
    for user in &people {
        ledger::roll_month(tx, user)?;
    }
    Ok(people.len())
}
