//! The worker: takes mails that are due, writes them and hands them to Resend.
//!
//! A mail is rendered in the transaction that takes it. Once it may have arrived it is sent byte for
//! byte the same, under the same key. So a relay that dies between the sending and the mark sends it again,
//! and Resend, which knows the key for a day, does not. What may have arrived longer ago than that
//! is parked: better once too few than twice.

use super::outbox::{self, Due, Ending};
use super::reader::Reader;
use super::{Mail, letter, suppression};
use crate::config::Config;
use crate::db::{DbError, Tx};
use crate::resend::{Resend, ResendFault};
use autocrea_protocol::UnixMillis;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often the outbox is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// Mails sent side by side.
const SIDE_BY_SIDE: u32 = 4;
/// How long Resend knows a key, with something to spare.
const KEY_KNOWN_MILLIS: i64 = 23 * 3_600_000;

/// Runs until the relay stops. A mail that is under way then is under way no more than its time-out.
pub async fn run(mail: Arc<Mail>) {
    loop {
        if let Err(error) = pass(&mail).await {
            tracing::error!(%error, "the outbox could not be worked on; it will be tried again");
        }
        tokio::select! {
            () = mail.stopping.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Sends until nothing is due, or Resend asks for patience; answers how many mails were taken.
///
/// # Errors
/// If the database refuses.
pub async fn pass(mail: &Arc<Mail>) -> Result<usize, DbError> {
    let mut taken = 0;
    while !mail.stopping.is_cancelled() && mail.clock.now() >= *mail.patience.lock() {
        if !mail.db.read(outbox::any_due).await? {
            break;
        }
        let due = take(mail).await?;
        if due.is_empty() {
            break;
        }
        let mut under_way = JoinSet::new();
        for (due, step) in due {
            taken += 1;
            let mail = Arc::clone(mail);
            if let (Step::Send(body), Some(resend)) = (step, mail.resend.clone()) {
                under_way.spawn(async move { send(&mail, &resend, due, body).await });
            }
        }
        while let Some(ended) = under_way.join_next().await {
            match ended {
                Ok(written) => written?,
                // It is still pending and comes again.
                Err(error) => tracing::error!(%error, "the sending of a mail did not end well"),
            }
        }
    }
    Ok(taken)
}

/// What is to be done with a mail.
enum Step {
    /// This body is to be sent.
    Send(String),
    /// It has ended, or waits.
    Nothing,
}

async fn take(mail: &Arc<Mail>) -> Result<Vec<(Due, Step)>, DbError> {
    let mail = Arc::clone(mail);
    let db = mail.db.clone();
    db.write(move |tx| {
        let due = outbox::take(tx, SIDE_BY_SIDE)?;
        due.into_iter()
            .map(|due| {
                let step = prepare(tx, &mail, &due)?;
                Ok((due, step))
            })
            .collect()
    })
    .await
}

/// Decides what becomes of a mail, and renders it if it is the first time.
fn prepare(tx: &mut Tx<'_>, mail: &Mail, due: &Due) -> Result<Step, DbError> {
    let now = tx.now();
    if due.tried_at.is_some_and(|tried| now.millis_since(tried) > KEY_KNOWN_MILLIS) {
        tracing::error!(
            mail = due.id,
            kind = due.news.kind(),
            "nobody can say whether a mail was sent"
        );
        return ended(tx, due, Ending::Parked, Some("its fate is not known"));
    }
    let Some(reader) = Reader::of(tx, &due.user)? else {
        return ended(tx, due, Ending::Dropped, Some("the person is gone"));
    };
    if let Err(why) = reader.wants(&due.news, due.created_at, now) {
        return ended(tx, due, Ending::Dropped, Some(why));
    }
    let Some(address) = &reader.address else {
        return ended(tx, due, Ending::Dropped, Some("the address is known no more"));
    };
    if suppression::is_suppressed(tx, &mail.keys, address)? {
        return ended(tx, due, Ending::Suppressed, None);
    }
    let body = match &due.payload {
        Some(body) if due.tried_at.is_some() => body.clone(),
        // Nobody has seen it yet: it is written anew, as things are now.
        _ => {
            let body = body(mail, due, &reader, address)?;
            outbox::rendered(tx, &due.id, &body)?;
            body
        }
    };
    if mail.resend.is_none() {
        return ended(tx, due, Ending::Skipped, None);
    }
    outbox::trying(tx, &due.id)?;
    Ok(Step::Send(body))
}

fn ended(tx: &mut Tx<'_>, due: &Due, ending: Ending, why: Option<&str>) -> Result<Step, DbError> {
    outbox::end(tx, &due.id, ending, why)?;
    Ok(Step::Nothing)
}

/// The request's body, as Resend takes it.
fn body(mail: &Mail, due: &Due, reader: &Reader, address: &str) -> Result<String, DbError> {
    let unrendered = |_| DbError::Column { index: 0, expected: "a mail that can be rendered" };
    let rendered = letter::write(&mail.config, &mail.keys, &due.user, &due.news, reader)
        .map_err(unrendered)?;
    let mut body = serde_json::json!({
        "from": sender(&mail.config),
        "to": [address],
        "subject": rendered.subject,
        "html": rendered.html,
        "text": rendered.text,
        "tags": [{"name": "kind", "value": due.news.kind()}],
    });
    if let Some(link) = rendered.unsubscribe {
        body["headers"] = serde_json::json!({
            "List-Unsubscribe": format!("<{link}>"),
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        });
    }
    Ok(body.to_string())
}

/// A bare address is given the product's name.
fn sender(config: &Config) -> String {
    let from = &config.resend.from;
    if from.contains('<') { from.clone() } else { format!("AUTOCREA <{from}>") }
}

async fn send(mail: &Mail, resend: &Resend, due: Due, body: String) -> Result<(), DbError> {
    let kind = due.news.kind();
    let outcome = resend.send(&due.id, body).await;
    let fault = match outcome {
        Ok(id) => {
            tracing::debug!(mail = due.id, kind, "a mail was sent");
            return mail.db.write(move |tx| outbox::sent(tx, &due.id, id.as_deref())).await;
        }
        Err(fault) => fault,
    };
    let (why, now) = (fault.to_string(), mail.clock.now());
    match fault {
        ResendFault::Refused { .. } => {
            tracing::error!(mail = due.id, kind, why, "Resend refused a mail; it is parked");
            mail.db.write(move |tx| outbox::end(tx, &due.id, Ending::Parked, Some(&why))).await
        }
        ResendFault::Patience { wait } => {
            be_patient(mail, now, wait);
            put_off(mail, due, wait, None, why).await
        }
        ResendFault::NotLetIn { .. } => {
            tracing::error!(why, "no mail goes out: Resend wants another RESEND_API_KEY");
            let wait = outbox::pause(due.attempts);
            be_patient(mail, now, Some(wait));
            put_off(mail, due, Some(wait), None, why).await
        }
        ResendFault::Unreachable => put_off(mail, due, None, None, why).await,
        ResendFault::Unsure { wait, .. } => put_off(mail, due, wait, Some(now), why).await,
    }
}

/// Patience is with the account, not with one mail: all wait.
fn be_patient(mail: &Mail, now: UnixMillis, wait: Option<Duration>) {
    let Some(wait) = wait else { return };
    let until = now.plus_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
    let mut patience = mail.patience.lock();
    *patience = until.max(*patience);
}

/// `unsure_at` is when this attempt may have arrived; an earlier one that may have stays.
async fn put_off(
    mail: &Mail,
    due: Due,
    wait: Option<Duration>,
    unsure_at: Option<UnixMillis>,
    why: String,
) -> Result<(), DbError> {
    tracing::warn!(
        mail = due.id,
        kind = due.news.kind(),
        attempts = due.attempts,
        why,
        "a mail was not taken; it will be tried again"
    );
    let tried_at = due.tried_at.or(unsure_at);
    mail.db.write(move |tx| outbox::put_off(tx, &due, wait, tried_at, &why)).await
}
