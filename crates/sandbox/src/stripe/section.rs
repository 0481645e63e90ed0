//! Stripe's part of the sandbox's index page.

use std::sync::Arc;

use axum::Router;

use super::desk::Desk;

pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new()
}

pub(crate) fn html(_desk: &Desk) -> String {
    String::new()
}
