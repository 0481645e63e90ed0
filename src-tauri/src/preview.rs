//! The preview scheme: hands requests of the sandboxed frame to the studio, and its answers back.

use autocrea_studio::Studio;
use std::sync::Arc;
use tauri::http::{Request, Response};
use tauri::{AppHandle, Manager, UriSchemeResponder};

/// `preview://<version>/path`.
pub const SCHEME: &str = "preview";

/// Serves one request.
pub fn serve(app: &AppHandle, request: Request<Vec<u8>>, responder: UriSchemeResponder) {
    let studio = Arc::clone(&app.state::<Arc<Studio>>());
    tauri::async_runtime::spawn(async move {
        let uri = request.uri();
        let host = uri.host().unwrap_or_default().to_owned();
        let answer = studio.preview_serve(&host, uri.path()).await;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        match response.body(answer.body) {
            Ok(response) => responder.respond(response),
            Err(error) => tracing::error!(%error, "a preview answer was malformed"),
        }
    });
}
