//! What an operator can do with billing from the command line.

use super::packed::unpack;
use super::{Billing, BillingError, inbox, reconcile, worker};
use crate::db::{Db, DbError};
use std::fmt::Write as _;
use std::sync::Arc;

/// `events list`: a line each with id, type, state, newest first.
///
/// # Errors
/// If the database refuses.
pub async fn list_events(db: &Db, most: u32) -> Result<String, DbError> {
    let events = db.read(move |tx| inbox::list(tx, most)).await?;
    let mut text = String::new();
    for event in events {
        let _ = write!(text, "{}\t{}\t{}", event.id, event.kind, event.state);
        if let Some(why) = &event.error {
            let _ = write!(text, "\t{why}");
        }
        text.push('\n');
    }
    Ok(text)
}

/// `events show <id>`; `None` if there is no such event.
///
/// # Errors
/// If the database refuses.
pub async fn show_event(db: &Db, id: String) -> Result<Option<String>, DbError> {
    let Some(inbox::Shown { event, payload }) = db.read(move |tx| inbox::show(tx, &id)).await?
    else {
        return Ok(None);
    };
    let mut text = String::new();
    let _ = writeln!(text, "id\t{}\ntype\t{}\nstate\t{}", event.id, event.kind, event.state);
    let _ = writeln!(text, "attempts\t{}\nreceived\t{}", event.attempts, event.received_at.0);
    if let Some(why) = &event.error {
        let _ = writeln!(text, "error\t{why}");
    }
    match payload {
        Some(payload) => match unpack(&payload) {
            Ok(body) => text.push_str(&String::from_utf8_lossy(&body)),
            Err(damaged) => {
                let _ = write!(text, "({damaged})");
            }
        },
        None => text.push_str("(the body is no longer kept)"),
    }
    text.push('\n');
    Ok(Some(text))
}

/// An event that was worked on again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// What became of it, as `list` says it.
    pub line: String,
    /// Why it is still to be worked on, if it is.
    pub unfinished: Option<String>,
}

/// `events replay <id>`: puts it back and works on it now. `None` if there is no such event.
///
/// # Errors
/// If the database refuses, or the event cannot be worked on.
pub async fn replay_event(
    billing: &Arc<Billing>,
    id: String,
) -> Result<Option<Replayed>, BillingError> {
    let name = id.clone();
    if !billing.db.write(move |tx| inbox::replay(tx, &name)).await? {
        return Ok(None);
    }
    worker::pass(billing).await?;
    let shown = billing.db.read(move |tx| inbox::show(tx, &id)).await?;
    Ok(shown.map(|inbox::Shown { event, .. }| Replayed {
        line: format!("{}\t{}\t{}", event.id, event.kind, event.state),
        unfinished: (event.state == "pending").then(|| event.error.unwrap_or_default()),
    }))
}

/// `reconcile`: one whole pass, and the inbox worked empty.
///
/// # Errors
/// If Stripe does not answer or the database refuses.
pub async fn reconcile(billing: &Arc<Billing>) -> Result<(), BillingError> {
    reconcile::pass(billing, true).await?;
    worker::pass(billing).await?;
    Ok(())
}
