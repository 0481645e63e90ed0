//! Whether the relay is alive, and whether it can work.

use crate::app::App;
use crate::error::ApiError;
use autocrea_protocol::ErrorCode;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

use super::Json;

/// The answer of a relay that is well.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    /// `ok`
    status: &'static str,
}

const WELL: Health = Health { status: "ok" };

/// `GET /healthz`
pub(super) async fn alive() -> Json<Health> {
    Json(WELL)
}

/// `GET /readyz`: the database answers and is migrated, and the relay is not stopping.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    let stopping = app.stopping.is_cancelled();
    if stopping || app.db.ready().await.is_err() {
        return Err(ApiError::new(ErrorCode::UpstreamUnavailable));
    }
    Ok(Json(WELL))
}
