//! Telling people's watchers: whoever was signalled is read from the database once, and the
//! snapshot written for the wire once, however many streams a person has.
//!
//! Signals that come while a read is under way are answered together by the next.

use crate::account;
use crate::app::App;
use crate::changes::{News, Snapshot};
use crate::db::{DbError, Tx};
use crate::lang::Lang;
use crate::snapshots::Shown;
use autocrea_protocol::{AccountSnapshot, UserId};
use bytes::Bytes;
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::Instant;

/// People whom one read answers for.
const TOGETHER: usize = 32;

/// Runs until the relay stops.
pub(crate) async fn run(app: Arc<App>) {
    loop {
        let touched = tokio::select! {
            () = app.stopping.cancelled() => return,
            touched = app.changes.touched() => touched,
        };
        join_all(touched.chunks(TOGETHER).map(|some| tell(&app, some))).await;
    }
}

async fn tell(app: &Arc<App>, touched: &[(UserId, Instant)]) {
    let people: Vec<UserId> = touched.iter().map(|(user, _)| user.clone()).collect();
    let found = match app.snapshots.of_all(&app.db, &people).await {
        Ok(found) => found,
        Err(error) => {
            // Their clients come back, and are told by whatever answers then.
            tracing::error!(%error, "changes could not be read; those who wait for them are let go");
            people.iter().for_each(|user| app.changes.tell(user, News::End));
            return;
        }
    };
    for ((user, since), found) in touched.iter().zip(found) {
        let Some(Shown { seen, snapshot }) = found else {
            app.changes.tell(user, News::End);
            continue;
        };
        let (version, frame) = (snapshot.version, frame(&snapshot));
        app.changes.tell(user, News::Snapshot(Snapshot { version, frame, since: *since }));
        if !seen {
            begin_month(app, user, &snapshot).await;
        }
    }
}

/// A new month has begun while somebody is watched: being connected is being seen. That is a change,
/// of which there is news by itself.
async fn begin_month(app: &Arc<App>, user: &UserId, snapshot: &AccountSnapshot) {
    let (user, lang, config) = (user.clone(), lang(snapshot), Arc::clone(&app.config));
    let again = move |tx: &mut Tx<'_>| account::see_again(tx, &user, lang, &config.plans);
    if let Err(error) = app.db.write(again).await {
        tracing::error!(%error, "a month could not be begun for somebody");
    }
}

/// The first look of somebody who begins to watch; `None` if the person is not there any more.
///
/// # Errors
/// If the database refuses.
pub(crate) async fn first(app: &Arc<App>, user: &UserId) -> Result<Option<(i64, Bytes)>, DbError> {
    match app.snapshots.of(&app.db, user).await {
        Ok(Shown { snapshot, .. }) => Ok(Some((snapshot.version, frame(&snapshot)))),
        Err(DbError::NoRow) => Ok(None),
        Err(error) => Err(error),
    }
}

fn lang(snapshot: &AccountSnapshot) -> Lang {
    Lang::from_tag(&snapshot.user.locale).unwrap_or_default()
}

/// A snapshot as an event.
fn frame(snapshot: &AccountSnapshot) -> Bytes {
    let mut bytes = format!("event: account\nid: {}\ndata: ", snapshot.version).into_bytes();
    // Text and numbers only, into memory: this has no way to fail, and JSON escapes line feeds.
    serde_json::to_writer(&mut bytes, snapshot).ok();
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}
