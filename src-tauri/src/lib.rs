//! The shell: a window, deep links, the preview scheme and the bridge to the page. Everything
//! that can be tested without a window is in `autocrea-studio`; nothing here decides anything.
//!
//! The way of a click: page → `invoke` → [`commands`] → `Studio` → answer. The way of news:
//! `Studio` → its event channel → [`forward_events`] → the page's `studio` event.

mod commands;
mod deep_link;
mod preview;
mod window;

pub use commands::bindings;

use autocrea_studio::ipc::StudioEvent;
use autocrea_studio::{Studio, StudioOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tauri::{AppHandle, Emitter, Manager};
use tauri_plugin_opener::OpenerExt;
use tokio::sync::broadcast::error::RecvError;

/// The hosted relay; `AUTOCREA_RELAY_URL` names another one.
const RELAY_URL: &str = "https://relay.autocrea.joxai.org";

/// Runs the app until its window is closed.
#[must_use]
pub fn run() -> ExitCode {
    let app = tauri::Builder::default()
        // First, so that a second start ends before anything of its own is opened.
        .plugin(deep_link::single_instance())
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_window_state::Builder::new().build())
        .plugin(tauri_plugin_opener::Builder::new().open_js_links_on_click(false).build())
        .register_asynchronous_uri_scheme_protocol(preview::SCHEME, |context, request, answer| {
            preview::serve(context.app_handle(), request, answer);
        })
        .invoke_handler(commands::handler())
        .setup(|app| {
            let studio = open_studio(app.handle())?;
            app.manage(Arc::clone(&studio));
            deep_link::listen(app.handle(), &studio);
            forward_events(app.handle().clone(), &studio);
            window::open(app.handle())?;
            let background = Arc::clone(&studio);
            tauri::async_runtime::spawn(async move { background.start_background().await });
            Ok(())
        })
        .build(tauri::generate_context!());
    match app {
        Ok(app) => {
            app.run(|_, _| {});
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(%error, "the app could not start");
            ExitCode::FAILURE
        }
    }
}

fn open_studio(app: &AppHandle) -> Result<Arc<Studio>, Box<dyn std::error::Error>> {
    let data_dir = match data_dir_override() {
        Some(dir) => dir,
        None => app.path().app_data_dir()?,
    };
    match autocrea_studio::logs::start(&data_dir) {
        // The guard lives as long as the app does.
        Ok(guard) => {
            app.manage(guard);
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "no logs: {error}");
        }
    }
    let scheme_registered = deep_link::register(app);
    let browser = app.clone();
    let options = StudioOptions {
        data_dir,
        relay_url: relay_url()?,
        app_version: app.package_info().version.to_string(),
        system_language: system_language(),
        scheme_registered,
        open_browser: Arc::new(move |url: &str| {
            browser.opener().open_url(url, None::<&str>).map_err(|error| error.to_string())
        }),
    };
    // The studio starts its workers where it is opened, so it is opened inside the runtime.
    Ok(tauri::async_runtime::block_on(async { Arc::new(Studio::open(options)) }))
}

/// `AUTOCREA_DATA_DIR`, where it is set to something.
fn data_dir_override() -> Option<PathBuf> {
    std::env::var_os("AUTOCREA_DATA_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// `AUTOCREA_RELAY_URL`, else the one built in.
fn relay_url() -> Result<url::Url, url::ParseError> {
    let set = std::env::var("AUTOCREA_RELAY_URL").ok().filter(|url| !url.is_empty());
    url::Url::parse(set.as_deref().unwrap_or(RELAY_URL))
}

/// The system's language as a tag (`es-ES`), from the variables that every desktop sets.
fn system_language() -> String {
    ["LC_ALL", "LC_MESSAGES", "LANGUAGE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .unwrap_or_default()
}

/// Hands the studio's news to the page. A page that is too slow to follow is told to read
/// everything again.
fn forward_events(app: AppHandle, studio: &Arc<Studio>) {
    let mut events = studio.events();
    let studio = Arc::clone(studio);
    tauri::async_runtime::spawn(async move {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if matches!(event, StudioEvent::Navigate { .. }) {
                        window::to_front(&app);
                    }
                    if let Err(error) = app.emit("studio", event) {
                        tracing::warn!(%error, "an event did not reach the page");
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "the page is behind; it is told to read again");
                    announce_everything(&app, &studio).await;
                }
                Err(RecvError::Closed) => break,
            }
        }
    });
}

async fn announce_everything(app: &AppHandle, studio: &Studio) {
    let mut events = vec![StudioEvent::Projects, StudioEvent::Ledger];
    if let Ok(account) = studio.account_state().await {
        events.push(StudioEvent::Account { account: Box::new(account) });
    }
    for event in events {
        if let Err(error) = app.emit("studio", event) {
            tracing::warn!(%error, "an event did not reach the page");
        }
    }
}
