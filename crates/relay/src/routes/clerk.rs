//! Clerk's webhook.

use super::Json;
use super::webhook::{self, Received};
use crate::app::App;
use crate::auth::user_events::{self, UserEvent};
use crate::departure::{self, Told};
use crate::error::ApiError;
use crate::metrics::{self, Webhook};
use crate::svix;
use crate::upstream::Service;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use http::HeaderMap;
use std::sync::{Arc, Once};

const SIGNATURE: &str = "svix-signature";
static UNSIGNED: Once = Once::new();

/// `POST /api/clerk/webhooks`: answers once what it says is durable.
pub(super) async fn webhooks(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Received>, ApiError> {
    let body = webhook::body(Service::Clerk, body)?;
    let secrets = &app.config.clerk.webhook_secrets;
    if secrets.is_empty() {
        UNSIGNED.call_once(|| {
            tracing::error!("Clerk's webhooks are refused: CLERK_WEBHOOK_SECRET is not set");
        });
        return Err(webhook::failed(SIGNATURE));
    }
    svix::verify(&headers, &body, secrets).map_err(|error| {
        tracing::warn!(%error, "a webhook of Clerk was refused");
        metrics::webhook(Service::Clerk, Webhook::BadSignature);
        webhook::failed(SIGNATURE)
    })?;
    let event = user_events::read(&body).map_err(|error| {
        tracing::error!(%error, "a webhook that Clerk signed was refused");
        metrics::webhook(Service::Clerk, Webhook::Unreadable);
        webhook::failed(SIGNATURE)
    })?;
    match event {
        Some(UserEvent::Present { user, profile, lang, updated_at }) => {
            let config = Arc::clone(&app.config);
            app.db
                .write(move |tx| {
                    user_events::store(tx, &config.plans, &user, &profile, lang, updated_at)
                })
                .await?;
        }
        Some(UserEvent::Gone(user)) => {
            departure::erase(&app, &user, Told::ByClerk)
                .await
                .map_err(|error| ApiError::internal(&error))?;
        }
        None => {}
    }
    metrics::webhook(Service::Clerk, Webhook::Accepted);
    Ok(Json(Received::YES))
}
