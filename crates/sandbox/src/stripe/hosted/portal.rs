//! The customer portal.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use super::layout::go;
use crate::stripe::desk::Desk;

pub(super) async fn show(State(desk): State<Arc<Desk>>, Path(key): Path<String>) -> Response {
    let back = desk.peek(|books| books.portal_session_by_key(&key)?.return_url.clone());
    go(back.as_deref().unwrap_or("/"))
}
pub(super) async fn task(
    State(_desk): State<Arc<Desk>>,
    Path(_key): Path<(String, String)>,
) -> Response {
    go("/")
}
pub(super) async fn act(
    State(_desk): State<Arc<Desk>>,
    Path(_key): Path<(String, String)>,
) -> Response {
    go("/")
}
