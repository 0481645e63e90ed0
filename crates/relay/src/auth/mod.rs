//! Who is asking: the `Authorization` header of a request becomes a [`Person`].
//!
//! A handler that takes a [`Person`] is only called for somebody whose token Clerk vouches for. On
//! first sight the person is made, with this month's free lot, and their profile is fetched; when
//! Clerk's userinfo fails they are let in all the same and the profile comes later.

mod clerk;
mod jwks;
pub mod token;
pub mod user_events;
mod verified;

pub use clerk::{Clerk, TokenError};

use crate::account::{self, Seen};
use crate::app::App;
use crate::db::DbError;
use crate::error::ApiError;
use crate::lang::Lang;
use crate::server::Peer;
use autocrea_protocol::{ErrorCode, UserId};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, header};
use std::net::IpAddr;
use std::sync::Arc;

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Clerk's id.
    pub id: UserId,
}

const PROFILE_EVERY_MILLIS: i64 = 24 * 3_600_000;

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.trim())
}

/// What [`identify`] found out, for the extractor.
#[derive(Clone)]
struct Identity(Result<UserId, TokenError>);

/// The layer that reads the token of every request, once, and counts the request: one with a good
/// token against its person, any other against its address.
pub async fn identify(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().map(|Peer(peer)| peer.ip());
    match counted(&app, peer, request.headers()).await {
        Ok(identity) => request.extensions_mut().insert(identity),
        Err(refused) => return refused.into_response(),
    };
    next.run(request).await
}

async fn counted(
    app: &App,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
) -> Result<Identity, ApiError> {
    let count = async || match peer {
        Some(peer) => app.limits.address(peer, headers).await,
        None => Ok(()),
    };
    let Some(token) = bearer(headers) else {
        count().await?;
        return Ok(Identity(Err(TokenError::Refused("there is none"))));
    };
    // A token that Clerk must be asked about counts before it is asked: whoever invents tokens
    // would make us flood Clerk otherwise. If it was a good one, the address gets it back.
    let asking = app.clerk.would_be_asked(token);
    if asking {
        count().await?;
    }
    let identity = app.clerk.verify(token).await;
    match &identity {
        Ok(user) => {
            if let Some(peer) = peer.filter(|_| asking) {
                app.limits.forgive(peer, headers).await;
            }
            app.limits.person(user).await?;
        }
        Err(_) if asking => {}
        Err(_) => count().await?,
    }
    Ok(Identity(identity))
}

/// Only behind [`identify`]; without that layer nobody is let in.
impl FromRequestParts<Arc<App>> for Person {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let identity = parts.extensions.get::<Identity>();
        let id = match identity {
            Some(Identity(identity)) => identity.clone().map_err(refused)?,
            None => return Err(ApiError::new(ErrorCode::Unauthenticated)),
        };
        let seen = sight(app, &id, Lang::of(&parts.headers)).await?;
        if let Some(token) = bearer(&parts.headers) {
            refresh_profile(app, &id, token, seen).await;
        }
        Ok(Self { id })
    }
}

fn refused(error: TokenError) -> ApiError {
    match error {
        TokenError::Refused(reason) => {
            tracing::debug!(reason, "a token was refused");
            ApiError::new(ErrorCode::Unauthenticated)
        }
        TokenError::Unreachable => ApiError::new(ErrorCode::UpstreamUnavailable),
    }
}

/// Makes the person and the month's free lot where they are missing.
///
/// # Errors
/// If the database refuses.
pub async fn sight(app: &Arc<App>, user: &UserId, lang: Lang) -> Result<Seen, DbError> {
    let id = user.clone();
    if let Some(seen) = app.db.glance(move |tx| account::seen(tx, &id)).await? {
        return Ok(seen);
    }
    let (id, config) = (user.clone(), Arc::clone(&app.config));
    app.db.jot(move |tx| account::see(tx, &id, lang, &config.plans)).await
}

/// On first sight the profile is waited for; later it is fetched beside the request, once a day.
async fn refresh_profile(app: &Arc<App>, user: &UserId, token: &str, seen: Seen) {
    let fresh =
        seen.profile_at.is_some_and(|at| app.clock.now().millis_since(at) < PROFILE_EVERY_MILLIS);
    if fresh || !app.clerk.may_ask_profile(user, seen.new, app.clock.now()) {
        return;
    }
    let (app, user, token) = (Arc::clone(app), user.clone(), token.to_owned());
    let fetch = {
        let app = Arc::clone(&app);
        async move {
            let Some(profile) = app.clerk.profile(&user, &token).await else { return };
            let stored: Result<(), DbError> =
                app.db.write(move |tx| account::store_clerk_profile(tx, &user, &profile)).await;
            if let Err(error) = stored {
                tracing::warn!(%error, "a profile could not be stored");
            }
        }
    };
    let task = app.tasks.spawn(fetch);
    if seen.profile_at.is_none() && task.await.is_err() {
        tracing::warn!("fetching a profile failed");
    }
}
