//! The account as a stream of server-sent events: the snapshot at once, then again at every change.
//!
//! A watcher is registered before the snapshot is read, so that no change falls between the two.
//! What a stream keeps while nothing happens is small on purpose: there are thousands of them, and
//! almost all of them wait. When the relay stops, the stream ends after telling the client to
//! reconnect soon.

use crate::app::App;
use crate::auth::Person;
use crate::changes::{News, Watcher};
use crate::error::ApiError;
use crate::metrics::{self, OpenStream};
use crate::news;
use crate::places::Place;
use autocrea_protocol::UserId;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, header};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

const HEARTBEAT: Duration = Duration::from_secs(15);
const RETRY_AFTER_SECS: u64 = 15;

/// `GET /api/account/events`
pub(super) async fn events(
    State(app): State<Arc<App>>,
    person: Person,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let watcher = app
        .changes
        .watch(&person.id, app.config.limits.account_streams)
        .ok_or_else(|| ApiError::rate_limited(RETRY_AFTER_SECS))?;
    let place = app.places.take(&person.id).await;
    let place = place.ok_or_else(|| ApiError::rate_limited(RETRY_AFTER_SECS))?;
    let known = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok());
    let at = At::Beginning(Box::new(Beginning { person: person.id, known }));
    let events = Events { app, watcher, at, _place: place, _open: OpenStream::new() };
    let body = stream::unfold(events, |mut events| async move {
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
    watcher: Watcher,
    at: At,
    _place: Place,
    _open: OpenStream,
}

/// How far a stream has come.
enum At {
    /// The first look is still to be taken.
    Beginning(Box<Beginning>),
    /// The client has this version, or was told nothing because it had it already.
    Watching(i64),
    /// Nothing follows.
    End,
}

/// What only the first look needs.
struct Beginning {
    person: UserId,
    /// The version that the client says it has.
    known: Option<i64>,
}

impl Events {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let known = match &mut self.at {
                // In a box, because reading takes far more room than waiting.
                At::Beginning(beginning) => {
                    let (version, frame) = Box::pin(first(&self.app, beginning)).await?;
                    self.at = At::Watching(version);
                    match frame {
                        Some(frame) => return Some(frame),
                        None => continue,
                    }
                }
                At::Watching(known) => known,
                At::End => return None,
            };
            tokio::select! {
                news = self.watcher.next() => match news {
                    News::Snapshot(snapshot) if snapshot.version > *known => {
                        *known = snapshot.version;
                        metrics::pushed(snapshot.since.elapsed());
                        return Some(snapshot.frame);
                    }
                    News::Snapshot(_) | News::None => {}
                    News::End => return None,
                },
                () = self.app.stopping.cancelled() => {
                    self.at = At::End;
                    return Some(Bytes::from_static(b"retry: 1000\n: the relay is restarting\n\n"));
                }
                () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(b": \n\n")),
            }
        }
    }
}

/// The current version, and the snapshot unless the client has it; nothing if there is none, and
/// the client is to come back.
async fn first(app: &Arc<App>, beginning: &Beginning) -> Option<(i64, Option<Bytes>)> {
    match news::first(app, &beginning.person).await {
        Ok(Some((version, frame))) => {
            Some((version, (beginning.known != Some(version)).then_some(frame)))
        }
        Ok(None) => None,
        Err(error) => {
            tracing::error!(%error, "an account stream ended");
            None
        }
    }
}
