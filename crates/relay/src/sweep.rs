//! What time alone changes: lots that end, months that begin, mails of the first days. Written
//! within a minute, so that whoever watches is told although nobody did anything. What replicas count
//! together is tidied here as well.

use crate::account;
use crate::app::App;
use crate::billing::inbox;
use crate::clock::month_of;
use crate::db::{DbError, Tx};
use crate::ledger;
use crate::limits::Limits;
use crate::mail::outbox;
use autocrea_protocol::{UnixMillis, UserId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const EVERY: Duration = Duration::from_secs(30);
const LET_GO_EVERY: Duration = Duration::from_secs(3600);
const OTHERS_EVERY: Duration = Duration::from_secs(2);
const VERSIONS_EVERY: Duration = Duration::from_secs(3);
/// People whose versions are asked for in one go.
const VERSIONS_AT_ONCE: usize = 1_000;
/// Rows that one transaction takes on, so that nobody waits long for the writer.
const AT_ONCE: u32 = 200;

pub(crate) async fn run(app: Arc<App>) {
    let mut let_go_at = None;
    loop {
        if let Err(error) = pass(&app).await {
            tracing::error!(%error, "the sweep failed; it will be tried again");
        }
        if let Err(error) = app.db.clean().await {
            tracing::warn!(%error, "what was erased is still in the database's log");
        }
        if let_go_at.is_none_or(|at: Instant| at.elapsed() >= LET_GO_EVERY) {
            match let_go(&app).await {
                Ok(()) => let_go_at = Some(Instant::now()),
                Err(error) => tracing::error!(%error, "what is old could not be let go of"),
            }
        }
        app.clerk.renew().await;
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
        let gone = known.keys().filter(|user| !seen.contains_key(*user));
        app.changes.signal(changed.map(|(user, _)| user).chain(gone));
        known = seen;
    }
}

/// Stripe sends for three days and lists for thirty: after that an event's id is worth nothing.
const EVENTS_AT_LEAST: Duration = Duration::from_secs(35 * 24 * 3600);
/// A checkout that has ended is not looked at again.
const CHECKOUTS_FOR: Duration = Duration::from_secs(2 * 24 * 3600);

/// Lets go of what has been kept for long enough: raw events, rendered mails, and rows that only
/// they needed.
///
/// What a generation, a reservation or an entry says is kept for as long as its person stays: an id
/// never runs twice, and the ledger adds up from its first entry on. None of them holds any text.
///
/// # Errors
/// If the database refuses.
pub async fn let_go(app: &App) -> Result<(), DbError> {
    let before = |kept: Duration| {
        let millis = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
        app.clock.now().plus_millis(-millis)
    };
    let payloads = before(app.config.retention);
    while app.db.write(move |tx| inbox::forget_payloads(tx, payloads, AT_ONCE)).await? > 0 {}
    while app.db.write(move |tx| outbox::forget_payloads(tx, payloads, AT_ONCE)).await? > 0 {}
    let events = before(app.config.retention.max(EVENTS_AT_LEAST));
    while app.db.write(move |tx| inbox::forget_ended(tx, events, AT_ONCE)).await? > 0 {}
    let checkouts = before(CHECKOUTS_FOR);
    while app.db.write(move |tx| forget_checkouts(tx, checkouts)).await? > 0 {}
    Ok(())
}

fn forget_checkouts(tx: &mut Tx<'_>, before: UnixMillis) -> Result<usize, DbError> {
    tx.execute(
        "DELETE FROM checkouts WHERE session IN (
             SELECT session FROM checkouts WHERE expires_at < ?1 LIMIT ?2)",
        &[&before.as_secs(), &AT_ONCE],
    )
}

/// One pass, whole; also for tests that have moved the clock.
///
/// # Errors
/// If the database refuses.
pub async fn pass(app: &App) -> Result<(), DbError> {
    while app.db.write(|tx| ledger::expire_due_of_all(tx, AT_ONCE)).await? > 0 {}
    while app.db.write(roll_months).await? > 0 {}
    while crate::billing::refresh::sweep(&app.billing).await? > 0 {}
    crate::mail::onboarding::sweep(&app.mail).await?;
    crate::metrics::swept();
    Limits::sweep(&app.db).await?;
    app.places.agree(&app.db).await
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
