//! What the webhooks have in common: how their body is read, and what they answer.

use super::json::unreadable;
use crate::error::ApiError;
use crate::metrics::{self, Webhook};
use crate::upstream::Service;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

/// The sentence is the contract's, in every language: nobody but a sender's log reads it.
const FAILED: &str = "Webhook handler failed";

/// What is answered once an event is durable.
#[derive(Serialize, JsonSchema)]
pub(super) struct Received {
    received: bool,
}

impl Received {
    /// It is.
    pub(super) const YES: Self = Self { received: true };
}

/// The raw body, if it came whole.
pub(super) fn body(from: Service, body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| {
        tracing::warn!(%rejection, "a webhook did not arrive whole");
        metrics::webhook(from, Webhook::Unreadable);
        unreadable(rejection.status()).saying(FAILED, FAILED)
    })
}

/// An event that is not taken: for the header that should have vouched for it, or its body.
pub(super) fn failed(field: &str) -> ApiError {
    ApiError::invalid(field, FAILED, FAILED)
}
