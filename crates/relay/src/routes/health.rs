//! Whether the relay is alive, and whether it can work.

use crate::app::App;
use crate::error::ApiError;
use autocrea_protocol::ErrorCode;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::Arc;

use super::Json;

/// `GET /healthz`
pub(super) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /readyz`: the database answers and is migrated, and the relay is not stopping.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let stopping = app.stopping.is_cancelled();
    if stopping || app.db.ready().await.is_err() {
        return Err(ApiError::new(ErrorCode::UpstreamUnavailable));
    }
    Ok(Json(json!({"status": "ok"})))
}
