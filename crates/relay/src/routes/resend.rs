//! Resend's webhook: which addresses are not to be written to.

use super::Json;
use super::webhook::{self, Received};
use crate::app::App;
use crate::error::ApiError;
use crate::mail::suppression;
use crate::metrics::{self, Webhook};
use crate::resend::events;
use crate::svix;
use crate::upstream::Service;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use http::HeaderMap;
use std::sync::Arc;

const SIGNATURE: &str = "svix-signature";

/// `POST /api/resend/webhooks`: answers once what was said is durable. Without a secret there is
/// nobody who could have signed, so every body is refused.
pub(super) async fn webhooks(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Received>, ApiError> {
    let body = webhook::body(Service::Resend, body)?;
    svix::verify(&headers, &body, &app.config.resend.webhook_secrets).map_err(|error| {
        tracing::warn!(%error, "a webhook of Resend was refused");
        metrics::webhook(Service::Resend, Webhook::BadSignature);
        webhook::failed(SIGNATURE)
    })?;
    let word = events::read(&body).map_err(|_| {
        tracing::error!("a webhook that Resend signed cannot be read");
        metrics::webhook(Service::Resend, Webhook::Unreadable);
        webhook::failed(SIGNATURE)
    })?;
    let mail = Arc::clone(&app.mail);
    app.db.write(move |tx| suppression::heed(tx, &mail.keys, &word)).await?;
    metrics::webhook(Service::Resend, Webhook::Accepted);
    Ok(Json(Received::YES))
}
