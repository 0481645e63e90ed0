//! The account as a stream of server-sent events: the snapshot at once, then again at every change.
//!
//! A watcher is registered before the snapshot is read, so that no change falls between the two.
//! When the relay stops, the stream ends after telling the client to reconnect soon.

use crate::account;
use crate::app::App;
use crate::auth::Person;
use crate::changes::Watcher;
use crate::db::{DbError, Tx};
use crate::error::ApiError;
use crate::lang::Lang;
use crate::metrics::{self, OpenStream};
use crate::snapshots::Shown;
use autocrea_protocol::{AccountSnapshot, UserId};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

const HEARTBEAT: Duration = Duration::from_secs(15);
const AT_ONCE: usize = 10;

/// `GET /api/account/events`
pub(super) async fn events(
    State(app): State<Arc<App>>,
    person: Person,
    lang: Lang,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let watcher =
        app.changes.watch(&person.id, AT_ONCE).ok_or_else(|| ApiError::rate_limited(15))?;
    let known = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
    let stream = Events {
        app,
        user: person.id,
        lang,
        watcher,
        known,
        look: true,
        ended: false,
        signalled: None,
        _open: OpenStream::new(),
    };
    let body = stream::unfold(stream, |mut events| async move {
        let bytes = events.next().await?;
        Some((Ok::<_, Infallible>(bytes), events))
    });
    let mut response = Response::new(Body::from_stream(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

struct Events {
    app: Arc<App>,
    user: UserId,
    lang: Lang,
    watcher: Watcher,
    /// The version that the client has.
    known: Option<i64>,
    /// Whether there may be a newer one.
    look: bool,
    ended: bool,
    /// When the change was that made it look.
    signalled: Option<Instant>,
    _open: OpenStream,
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        loop {
            if self.look {
                self.look = false;
                match self.snapshot().await {
                    Ok(Some(snapshot)) if self.known != Some(snapshot.version) => {
                        self.known = Some(snapshot.version);
                        if let Some(at) = self.signalled.take() {
                            metrics::pushed(at.elapsed());
                        }
                        return frame(&snapshot);
                    }
                    Ok(Some(_)) => {}
                    // The person has left, or the database does not answer: the client comes back.
                    Ok(None) => return None,
                    Err(error) => {
                        tracing::error!(%error, "an account stream ended");
                        return None;
                    }
                }
            }
            tokio::select! {
                at = self.watcher.changed() => {
                    self.look = true;
                    self.signalled = Some(at);
                }
                () = self.app.stopping.cancelled() => {
                    self.ended = true;
                    return Some(Bytes::from_static(b"retry: 1000\n: the relay is restarting\n\n"));
                }
                () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(b": \n\n")),
            }
        }
    }

    async fn snapshot(&self) -> Result<Option<AccountSnapshot>, DbError> {
        match self.app.snapshots.of(&self.app.db, &self.user).await {
            Ok(Shown { seen: true, snapshot }) => Ok(Some(snapshot)),
            // A new month has begun while they watch: being connected is being seen.
            Ok(_) => {
                let (user, lang) = (self.user.clone(), self.lang);
                let config = Arc::clone(&self.app.config);
                let again =
                    move |tx: &mut Tx<'_>| account::see_again(tx, &user, lang, &config.plans);
                self.app.db.write(again).await
            }
            Err(DbError::NoRow) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn frame(snapshot: &AccountSnapshot) -> Option<Bytes> {
    let data = serde_json::to_string(snapshot).ok()?;
    Some(Bytes::from(format!("event: account\nid: {}\ndata: {data}\n\n", snapshot.version)))
}
