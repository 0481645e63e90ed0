//! Watching a generation: the one command that answers through a channel.

use autocrea_protocol::GenerationId;
use autocrea_studio::Studio;
use autocrea_studio::ipc::{GenerationUpdate, Problem};
use std::sync::Arc;
use tauri::State;
use tauri::ipc::Channel;

/// Follows a generation until it ends or the page is gone.
#[tauri::command]
pub async fn generation_watch(
    studio: State<'_, Arc<Studio>>,
    id: GenerationId,
    updates: Channel<GenerationUpdate>,
) -> Result<(), Problem> {
    let watching = studio.generation_watch(id, move |update| updates.send(update).is_ok()).await;
    watching.map_err(|error| studio.problem(&error))
}
