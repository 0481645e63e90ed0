//! The one window: how it looks before the page has painted, and where it may go.

use tauri::utils::config::Color;
use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Manager, WebviewUrl, WebviewWindowBuilder};

/// Slate 950, so that no white flashes before the first paint.
const GROUND: Color = Color(2, 6, 23, 255);

/// Opens the window. The page stays where it is: it can go nowhere but to itself and, in its
/// frame, to the preview scheme; no window can be opened from inside.
///
/// # Errors
/// When the system's webview cannot be started.
pub fn open(app: &AppHandle) -> tauri::Result<()> {
    WebviewWindowBuilder::new(app, "main", WebviewUrl::App("index.html".into()))
        .title("AUTOCREA")
        .inner_size(1280.0, 800.0)
        .min_inner_size(880.0, 600.0)
        .background_color(GROUND)
        .on_navigation(|url| {
            matches!(url.scheme(), "tauri" | super::preview::SCHEME | "about")
                || matches!(url.host_str(), Some("tauri.localhost" | "preview.localhost"))
        })
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    Ok(())
}

/// Brings the window before the others.
pub fn to_front(app: &AppHandle) {
    let Some(window) = app.get_webview_window("main") else { return };
    for step in [window.unminimize(), window.show(), window.set_focus()] {
        if let Err(error) = step {
            tracing::warn!(%error, "the window could not be brought to the front");
        }
    }
}
