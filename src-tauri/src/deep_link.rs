//! `autocrea://…`: from the system to the studio, on a cold start and while running.
//!
//! On Linux and Windows the system starts the program again with the link as its argument; the
//! single-instance plugin hands it to the copy that runs and ends the new one. What a link means,
//! and whether it means anything, is the studio's business.

use autocrea_studio::Studio;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Wry};
use tauri_plugin_deep_link::DeepLinkExt;

/// One running copy per data folder: two copies on different folders are different apps.
pub fn single_instance() -> TauriPlugin<Wry> {
    let mut builder = tauri_plugin_single_instance::Builder::new()
        .callback(|app, _arguments, _folder| crate::window::to_front(app));
    if let Some(dir) = super::data_dir_override() {
        let mut hasher = DefaultHasher::new();
        dir.hash(&mut hasher);
        builder = builder.dbus_id(format!("org.joxai.autocrea.d{:016x}", hasher.finish()));
    }
    builder.build()
}

/// Makes this program the one that `autocrea://` opens, where no package has done so. False if
/// the system would not have it: sign-in then comes back by loopback.
pub fn register(app: &AppHandle) -> bool {
    if cfg!(target_os = "macos") {
        return true;
    }
    if let Err(error) = app.deep_link().register_all() {
        tracing::warn!(%error, "the autocrea scheme could not be registered");
        return false;
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = linux::carry_environment(app) {
        tracing::warn!(%error, "links will open the app with its default folder");
    }
    true
}

/// Hands every link to the studio: the one that started the app, and those that come later.
pub fn listen(app: &AppHandle, studio: &Arc<Studio>) {
    let first = app.deep_link().get_current().ok().flatten().unwrap_or_default();
    open(studio, first);
    let studio = Arc::clone(studio);
    app.deep_link().on_open_url(move |event| open(&studio, event.urls()));
}

fn open(studio: &Arc<Studio>, links: Vec<url::Url>) {
    for link in links {
        let studio = Arc::clone(studio);
        tauri::async_runtime::spawn(async move { studio.open_deep_link(link.as_str()).await });
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::path::PathBuf;
    use std::{fs, io};
    use tauri::{AppHandle, Manager};

    /// Variables that say which copy of the app a link belongs to.
    const CARRIED: [&str; 2] = ["AUTOCREA_DATA_DIR", "AUTOCREA_RELAY_URL"];

    /// A development copy runs on another folder and another relay. A link that starts it anew
    /// has to start it in the same way, so the handler that was just registered is told.
    pub fn carry_environment(app: &AppHandle) -> io::Result<()> {
        let carried: Vec<String> = CARRIED
            .iter()
            .filter_map(|name| std::env::var(name).ok().map(|value| format!("\"{name}={value}\"")))
            .collect();
        if carried.is_empty() {
            return Ok(());
        }
        let file = handler_file(app)?;
        let text: String = fs::read_to_string(&file)?
            .lines()
            .map(|line| match line.strip_prefix("Exec=") {
                Some(command) => format!("Exec=env {} {command}\n", carried.join(" ")),
                None => format!("{line}\n"),
            })
            .collect();
        fs::write(file, text)
    }

    fn handler_file(app: &AppHandle) -> io::Result<PathBuf> {
        let program = std::env::current_exe()?;
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = app.path().data_dir().map_err(io::Error::other)?;
        Ok(folder.join("applications").join(format!("{name}-handler.desktop")))
    }
}
