//! What stands in the database and in this process now: read when somebody asks, and not again for
//! a few seconds, so that asking often costs nothing.

use super::METRICS;
use crate::app::App;
use crate::db::{DbError, Tx};
use autocrea_protocol::UnixMillis;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

type Float = Gauge<f64, AtomicU64>;

/// Rows, and since when the oldest waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    depth: i64,
    oldest: Option<UnixMillis>,
}

/// What the database says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    inbox: Queue,
    inbox_failed: i64,
    reservations: Queue,
    mails: Queue,
    mails_retrying: i64,
    mails_parked: i64,
    reconciled: Option<UnixMillis>,
    now: UnixMillis,
}

/// Reads them.
pub(super) fn figures(tx: &mut Tx<'_>) -> Result<Figures, DbError> {
    let now = tx.now();
    let queue = |tx: &mut Tx<'_>, sql| {
        tx.query_one(sql, &[], |row| Ok(Queue { depth: row.get(0)?, oldest: row.get(1)? }))
    };
    Ok(Figures {
        inbox: queue(
            tx,
            "SELECT COUNT(*), MIN(received_at) FROM stripe_events WHERE state = 'pending'",
        )?,
        inbox_failed: tx.query_one(
            "SELECT COUNT(*) FROM stripe_events WHERE state = 'failed'",
            &[],
            |row| row.get(0),
        )?,
        reservations: queue(tx, "SELECT COUNT(*), MIN(at) FROM reservations WHERE state = 'open'")?,
        mails: tx.query_one(
            "SELECT COUNT(*), MIN(due_at) FROM mails WHERE state = 'pending' AND due_at <= ?1",
            &[&now],
            |row| Ok(Queue { depth: row.get(0)?, oldest: row.get(1)? }),
        )?,
        mails_retrying: tx.query_one(
            "SELECT COUNT(*) FROM mails WHERE state = 'pending' AND attempts > 0",
            &[],
            |row| row.get(0),
        )?,
        mails_parked: tx.query_one(
            "SELECT COUNT(*) FROM mails WHERE state = 'parked'",
            &[],
            |row| row.get(0),
        )?,
        reconciled: tx.query_opt(
            "SELECT last_pass_at FROM reconciliation WHERE id = 1",
            &[],
            |row| row.get(0),
        )?,
        now,
    })
}

/// All gauges, in the exposition format. Without `figures` the database did not answer.
pub(super) fn registry(app: &App, figures: Option<Figures>) -> Registry {
    let mut registry = Registry::with_prefix("autocrea");
    let r = &mut registry;
    whole(r, "database_up", "Whether the database answers", i64::from(figures.is_some()));
    if let Some(figures) = figures {
        from_database(r, &figures);
    }
    let running = i64::try_from(app.generations.running_count()).unwrap_or(i64::MAX);
    whole(r, "generations_running", "Generations that this process runs", running);
    if let Some(since) = super::since_swept() {
        let what = "Since the last sweep of what time alone changes";
        fraction(r, "sweep_age_seconds", what, since.as_secs_f64());
    }
    fraction(
        r,
        "uptime_seconds",
        "Since this process started",
        METRICS.started.elapsed().as_secs_f64(),
    );
    if let Some(bytes) = resident_bytes() {
        whole(r, "resident_memory_bytes", "Memory of this process", bytes);
    }
    let build: Family<Vec<(&'static str, &'static str)>, Gauge> = Family::default();
    build.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))]).set(1);
    r.register("build_info", "The version that runs", build);
    registry
}

fn from_database(r: &mut Registry, figures: &Figures) {
    let age = |at: Option<UnixMillis>| at.map_or(0, |at| figures.now.millis_since(at).max(0));
    let seconds =
        |millis: i64| std::time::Duration::from_millis(millis.unsigned_abs()).as_secs_f64();
    whole(r, "inbox_depth", "Events of Stripe's that wait for the worker", figures.inbox.depth);
    let what = "Since the oldest of them came";
    fraction(r, "inbox_oldest_seconds", what, seconds(age(figures.inbox.oldest)));
    let what = "Events that were given up until somebody replays them";
    whole(r, "inbox_failed", what, figures.inbox_failed);
    let open = figures.reservations;
    whole(r, "reservations_open", "Reservations that have not ended", open.depth);
    let what = "Since the oldest of them was made";
    fraction(r, "reservations_oldest_seconds", what, seconds(age(open.oldest)));
    whole(r, "mail_due", "Mails that are to be sent now", figures.mails.depth);
    let what = "Since the oldest of them was to be sent";
    fraction(r, "mail_due_oldest_seconds", what, seconds(age(figures.mails.oldest)));
    whole(r, "mail_retrying", "Mails that Resend has not taken yet", figures.mails_retrying);
    whole(r, "mail_parked", "Mails that Resend refused", figures.mails_parked);
    if let Some(at) = figures.reconciled {
        let what = "Since Stripe's record was last read to its end";
        fraction(r, "reconcile_age_seconds", what, seconds(age(Some(at))));
    }
}

fn whole(registry: &mut Registry, name: &str, what: &str, value: i64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(value);
    registry.register(name, what, gauge);
}

fn fraction(registry: &mut Registry, name: &str, what: &str, value: f64) {
    let gauge = Float::default();
    gauge.set(value);
    registry.register(name, what, gauge);
}

/// The second number of `/proc/self/statm`, in pages of four KiB; not on every system.
fn resident_bytes() -> Option<i64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}
