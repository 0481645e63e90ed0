//! Whether the relay is alive, and whether it can work.

use crate::app::App;
use crate::error::ApiError;
use autocrea_protocol::ErrorCode;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

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

/// Whoever asks will ask again soon.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /readyz`: the database answers and is migrated, and the relay is not stopping.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>, ApiError> {
    let asked = tokio::time::timeout(PATIENCE, app.db.ready());
    if app.stopping.is_cancelled() || !matches!(asked.await, Ok(Ok(()))) {
        return Err(ApiError::new(ErrorCode::UpstreamUnavailable));
    }
    Ok(Json(WELL))
}
