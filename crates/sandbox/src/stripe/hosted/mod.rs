//! The pages that Stripe hosts: Checkout, the customer portal, invoices and receipts.
//!
//! Everything is plain HTML with plain forms and no script, so that a journey can be driven by a
//! browser and by `curl` alike: the fields are named after what they hold (`card`, `name`, `price`).

mod checkout;
mod invoice;
mod layout;
mod portal;
mod portal_pages;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use super::desk::Desk;

pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/c/pay/{session}", get(checkout::show).post(checkout::pay))
        .route("/c/pay/{session}/authenticate", get(checkout::ask).post(checkout::authenticate))
        .route("/p/session/{key}", get(portal::show))
        .route("/p/session/{key}/{task}", get(portal::task).post(portal::act))
        .route("/i/{invoice}", get(invoice::show))
        .route("/i/{invoice}/pdf", get(invoice::pdf))
        .route("/receipts/{charge}", get(invoice::receipt))
}
