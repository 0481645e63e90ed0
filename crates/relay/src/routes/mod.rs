//! The routes. A handler extracts, calls, answers; the work is elsewhere.

mod account;
mod clerk;
mod config;
mod events;
mod generate;
mod health;
mod json;
mod mail;
mod openapi;
mod resend;
mod return_pages;
mod stripe;
mod tokens;
mod user;
mod webhook;

pub use json::Json;

use crate::app::App;
use crate::auth;
use crate::error::{self, ApiError};
use autocrea_protocol::ErrorCode;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use std::sync::Arc;

/// All routes, with the layers around them.
pub fn router(app: &Arc<App>) -> Router {
    let limited = Router::new()
        .route("/api/config", get(config::config))
        .route("/api/plans", get(config::plans))
        .route("/openapi.json", get(openapi::openapi))
        .route("/api/account", get(account::account))
        .route("/api/account/events", get(events::events))
        .route(
            "/api/user/profile",
            get(user::profile).patch(user::edit_profile).delete(user::leave),
        )
        .route("/api/user/subscription", get(user::subscription))
        .route("/api/tokens/usage", get(tokens::usage))
        .route("/api/tokens/validate", post(tokens::validate))
        .route("/api/tokens/ledger", get(tokens::ledger))
        .route("/api/user/invoices", get(stripe::invoices))
        .route("/api/stripe/create-checkout", post(stripe::create_checkout))
        .route("/api/stripe/create-portal", post(stripe::create_portal))
        .route("/api/stripe/sync", post(stripe::sync))
        .merge(generate::routes())
        .merge(return_pages::routes())
        .fallback(async || ApiError::new(ErrorCode::NotFound))
        .method_not_allowed_fallback(not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(app), auth::identify));
    // What no limit touches.
    let exempt = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/api/mail/unsubscribe", get(mail::ask).post(mail::end))
        .route("/api/clerk/webhooks", post(clerk::webhooks))
        .route("/api/resend/webhooks", post(resend::webhooks))
        .route("/api/stripe/webhooks", post(stripe::webhooks))
        .method_not_allowed_fallback(not_allowed);
    let most = usize::try_from(app.config.generation.max_body_bytes).unwrap_or(usize::MAX);
    limited
        .merge(exempt)
        .layer(DefaultBodyLimit::max(most))
        .layer(middleware::from_fn(error::render))
        .with_state(Arc::clone(app))
}

async fn not_allowed() -> ApiError {
    ApiError::new(ErrorCode::MethodNotAllowed)
}
