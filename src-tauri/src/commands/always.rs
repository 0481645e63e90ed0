//! Commands that cannot fail.

use autocrea_studio::Studio;
use autocrea_studio::ipc::{Boot, Role};
use std::sync::Arc;
use tauri::State;

/// Everything for the first paint.
///
/// # Errors
/// Never: Tauri wants a result of commands that borrow.
#[tauri::command]
pub async fn boot(studio: State<'_, Arc<Studio>>) -> Result<Boot, ()> {
    Ok(studio.boot().await)
}

/// The roles, in the person's language.
///
/// # Errors
/// Never, as above.
#[tauri::command]
pub async fn roles_list(studio: State<'_, Arc<Studio>>) -> Result<Vec<Role>, ()> {
    Ok(studio.roles_list())
}
