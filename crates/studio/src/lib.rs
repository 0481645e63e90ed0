//! The AUTOCREA app without a window.
//!
//! [`Studio`] is the one door: the shell opens it at start, calls its methods and passes its
//! events on to the page. Nothing here knows of Tauri or of a window. A use case checks what it
//! was given, does its work in one transaction of the [`store`], and announces what changed; it
//! fails with an [`Error`], which [`Studio::problem`] puts into the person's language.

pub mod clock;
pub mod compose;
pub mod deep_link;
mod error;
pub mod ipc;
pub mod messages;
pub mod parser;
pub mod paths;
mod projects;
pub mod relay;
pub mod roles;
mod settings;
pub mod store;
#[cfg(test)]
mod tests;
pub mod vault;
pub mod versions;

pub use error::{Error, Thing};

use ipc::{AccountState, Boot, Language, Problem, RelayStatus, Session, Settings, StudioEvent};
use parking_lot::RwLock;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use store::{Store, StoreError};
use tokio::sync::broadcast;
use url::Url;

/// Announcements that a slow listener may be behind by before it has to read everything again.
const EVENTS_KEPT: usize = 256;

/// Opens an address in the system's browser; an error says why it could not.
pub type OpenBrowser = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// What a studio is opened with.
#[derive(Clone)]
pub struct StudioOptions {
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The relay.
    pub relay_url: Url,
    /// The app's version, `2.0.0`.
    pub app_version: String,
    /// The system's locale, `es_MX.UTF-8`.
    pub system_language: String,
    /// The system's browser.
    pub open_browser: OpenBrowser,
}

impl fmt::Debug for StudioOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StudioOptions")
            .field("data_dir", &self.data_dir)
            .field("relay_url", &self.relay_url.as_str())
            .field("app_version", &self.app_version)
            .field("system_language", &self.system_language)
            .finish_non_exhaustive()
    }
}

/// The app without a window.
#[derive(Debug)]
pub struct Studio {
    options: StudioOptions,
    store: Result<Store, Arc<StoreError>>,
    settings: RwLock<Settings>,
    events: broadcast::Sender<StudioEvent>,
}

impl Studio {
    /// Opens the studio. It never fails: when the store cannot be opened, [`Studio::boot`] says
    /// why, and so does every call that needs it.
    #[must_use]
    pub fn open(options: StudioOptions) -> Self {
        let store = Store::open(&options.data_dir).map_err(|error| {
            tracing::error!(%error, "the store could not be opened");
            Arc::new(error)
        });
        let settings = store.as_ref().map_or_else(|_| settings::untouched(), settings::load);
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        Self { options, store, settings: RwLock::new(settings), events }
    }

    /// Everything that the page needs for its first paint.
    pub async fn boot(&self) -> Boot {
        let account = self.account_for_boot().await;
        Boot {
            version: self.options.app_version.clone(),
            settings: self.settings.read().clone(),
            language: self.language(),
            data_dir: self.options.data_dir.display().to_string(),
            account,
            destination: None,
            store_problem: self.store().err().map(|error| self.problem(&error)),
        }
    }

    async fn account_for_boot(&self) -> AccountState {
        AccountState {
            session: Session::SignedOut,
            snapshot: None,
            snapshot_at: None,
            relay: RelayStatus::Unknown,
            config: None,
            checkout: None,
        }
    }

    /// What the studio tells unasked, from now on. A listener that lags reads everything again.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<StudioEvent> {
        self.events.subscribe()
    }

    /// A failure as the person is told of it.
    #[must_use]
    pub fn problem(&self, error: &Error) -> Problem {
        error.problem(self.language())
    }

    pub(crate) fn store(&self) -> Result<&Store, Error> {
        self.store.as_ref().map_err(|error| Error::StoreClosed(Arc::clone(error)))
    }

    /// Tells whoever listens. Nobody listening is no fault.
    pub(crate) fn announce(&self, event: StudioEvent) {
        self.events.send(event).ok();
    }
}

/// The generations of a project, newest first.
fn generations_of(
    _db: &rusqlite::Connection,
    _project: uuid::Uuid,
    _language: Language,
) -> Result<Vec<ipc::Generation>, StoreError> {
    Ok(Vec::new())
}
