//! Stripe: pages to pay on, the return from them, and the webhook.

use super::Json;
use super::json::{is_object, malformed, unreadable};
use super::webhook::{self, Received};
use crate::account;
use crate::app::App;
use crate::auth::Person;
use crate::billing::BillingError;
use crate::billing::checkout::{self, CheckoutError};
use crate::billing::inbox::Arrival;
use crate::billing::packed::Packed;
use crate::db::DbError;
use crate::error::ApiError;
use crate::lang::Lang;
use crate::metrics::{self, Webhook};
use crate::stripe::envelope::Envelope;
use crate::stripe::invoices::InvoiceLine;
use crate::stripe::{StripeFault, signature};
use crate::upstream::Service;
use autocrea_protocol::billing::{CheckoutRequest, CheckoutResponse, PortalResponse, SyncRequest};
use autocrea_protocol::{AccountSnapshot, ErrorCode};
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Serialize;
use std::sync::Arc;

/// `POST /api/stripe/create-checkout`
pub(super) async fn create_checkout(
    State(app): State<Arc<App>>,
    person: Person,
    lang: Lang,
    Json(request): Json<CheckoutRequest>,
) -> Result<Json<CheckoutResponse>, ApiError> {
    checkout::create(&app.billing, &person.id, &request, lang).await.map(Json).map_err(|error| {
        refused(&error, "Error al crear sesión de pago", "The payment page could not be opened")
    })
}

/// `POST /api/stripe/create-portal`
pub(super) async fn create_portal(
    State(app): State<Arc<App>>,
    person: Person,
    lang: Lang,
) -> Result<Json<PortalResponse>, ApiError> {
    let url = checkout::portal(&app.billing, &person.id, lang).await.map_err(|error| {
        refused(&error, "Error al crear sesión del portal", "The portal could not be opened")
    })?;
    Ok(Json(PortalResponse { url }))
}

/// `POST /api/stripe/sync`; the body may be left out.
pub(super) async fn sync(
    State(app): State<Arc<App>>,
    person: Person,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<AccountSnapshot>, ApiError> {
    let body = body.map_err(|rejection| unreadable(rejection.status()))?;
    let request: SyncRequest = if body.is_empty() {
        SyncRequest::default()
    } else if !is_object(&body) {
        return Err(malformed());
    } else {
        serde_json::from_slice(&body).map_err(|_| {
            ApiError::invalid(
                "sessionId",
                "La petición no es válida: sessionId debe ser texto.",
                "The request is not valid: sessionId must be text.",
            )
        })?
    };
    checkout::sync(&app.billing, &person.id, request.session_id.as_deref()).await.map_err(
        |error| refused(&error, "No se ha podido consultar a Stripe", "Stripe could not be asked"),
    )?;
    let snapshot = app.db.read(move |tx| account::snapshot(tx, &person.id)).await?;
    Ok(Json(snapshot))
}

/// The answer of `GET /api/user/invoices`.
#[derive(Serialize, JsonSchema)]
pub(super) struct Invoices {
    invoices: Vec<InvoiceLine>,
}

/// `GET /api/user/invoices`
pub(super) async fn invoices(
    State(app): State<Arc<App>>,
    person: Person,
) -> Result<Json<Invoices>, ApiError> {
    let Some(customer) = checkout::customer_of(&app.billing, &person.id).await? else {
        return Ok(Json(Invoices { invoices: Vec::new() }));
    };
    match app.billing.stripe.invoices(&customer).await {
        Ok(invoices) => Ok(Json(Invoices { invoices })),
        Err(StripeFault::NotFound(_)) => Ok(Json(Invoices { invoices: Vec::new() })),
        Err(fault) => Err(refused(
            &fault.into(),
            "No se han podido leer las facturas",
            "The invoices could not be read",
        )),
    }
}

fn refused(error: &CheckoutError, es: &str, en: &str) -> ApiError {
    let status = match error {
        CheckoutError::InvalidPlan => return ApiError::new(ErrorCode::InvalidPlan),
        CheckoutError::NoCustomer => return ApiError::new(ErrorCode::NoSubscription),
        CheckoutError::NoSession => return ApiError::new(ErrorCode::NotFound),
        CheckoutError::Billing(BillingError::Stripe(fault)) if fault.is_passing() => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        CheckoutError::Billing(BillingError::Stripe(_)) => StatusCode::BAD_GATEWAY,
        CheckoutError::Billing(BillingError::Db(error @ DbError::NoRow)) => {
            return error.clone().into();
        }
        CheckoutError::Billing(error @ (BillingError::Db(_) | BillingError::Fold(_))) => {
            return ApiError::internal(error).saying(
                &format!("{es}: vuelve a intentarlo en un momento."),
                &format!("{en}: please try again in a moment."),
            );
        }
    };
    tracing::warn!(%error, "Stripe could not be used for a request");
    ApiError::upstream(status).saying(
        &format!("{es}: Stripe no responde. Vuelve a intentarlo en un momento."),
        &format!("{en}: Stripe does not answer. Please try again in a moment."),
    )
}

const SIGNATURE: &str = "Stripe-Signature";

/// `POST /api/stripe/webhooks`: answers once the raw event is durable, and does nothing else.
pub(super) async fn webhooks(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Received>, ApiError> {
    let body = webhook::body(Service::Stripe, body)?;
    let header = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let secrets: Vec<&str> =
        app.config.stripe.webhook_secrets.iter().map(ExposeSecret::expose_secret).collect();
    signature::verify(header, &body, &secrets, app.clock.now().as_secs()).map_err(|error| {
        tracing::warn!(%error, "a webhook of Stripe was refused");
        metrics::webhook(Service::Stripe, Webhook::BadSignature);
        webhook::failed(SIGNATURE)
    })?;
    let event = Envelope::read(&body).map_err(|error| {
        tracing::error!(%error, "a webhook that Stripe signed was refused");
        metrics::webhook(Service::Stripe, Webhook::Unreadable);
        webhook::failed("body")
    })?;
    let handled = event.is_handled();
    let kept = app.intake.receive(Arrival { event, payload: Packed::of(&body) }).await?;
    let outcome = if kept { Webhook::Accepted } else { Webhook::Duplicate };
    metrics::webhook(Service::Stripe, outcome);
    if handled {
        app.billing.wake.notify_one();
    }
    Ok(Json(Received::YES))
}
