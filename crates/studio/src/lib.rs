//! The AUTOCREA app without a window.
//!
//! [`Studio`] is the one door: the shell opens it at start, calls its methods and passes its
//! events on to the page. Nothing here knows of Tauri or of a window. A use case checks what it
//! was given, does its work in one transaction of the [`store`], and announces what changed; it
//! fails with an [`Error`], which [`Studio::problem`] puts into the person's language.

mod account;
mod background;
pub mod clock;
pub mod compose;
pub mod deep_link;
mod error;
mod generations;
pub mod ipc;
mod link;
pub mod logs;
pub mod messages;
pub mod parser;
pub mod paths;
pub mod preview;
mod projects;
pub mod relay;
pub mod roles;
mod settings;
mod sign_in;
pub mod store;
#[cfg(test)]
mod tests;
pub mod vault;
pub mod versions;

pub use error::{Error, Thing};
pub use sign_in::ProviderError;

use account::{LanguageNow, Online};
use generations::Generations;
use ipc::{Boot, Problem, Settings, StudioEvent};
use messages::language_of;
use parking_lot::RwLock;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use store::{Store, StoreError};
use tokio::sync::broadcast;
use tokio_util::sync::DropGuard;
use url::Url;
use vault::Vault;

/// The private file for secrets, in the data folder, where a person chose one.
const SECRETS_FILE: &str = "secrets.json";
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
    /// Whether the system hands `autocrea://` links to this app; if not, sign-in comes back by
    /// loopback.
    pub scheme_registered: bool,
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
pub struct Studio {
    options: StudioOptions,
    store: Result<Store, Arc<StoreError>>,
    settings: Arc<RwLock<Settings>>,
    events: broadcast::Sender<StudioEvent>,
    /// None while the store is closed, or without an HTTP client.
    online: Option<Arc<Online>>,
    generations: Option<Arc<Generations>>,
    /// What goes on in the background ends with the studio.
    _background: Option<DropGuard>,
}

impl fmt::Debug for Studio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Studio").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Studio {
    /// Opens the studio. It never fails: when the store cannot be opened, [`Studio::boot`] says
    /// why, and so does every call that needs it.
    #[must_use]
    pub fn open(options: StudioOptions) -> Self {
        let vault = Vault::new(options.data_dir.join(SECRETS_FILE));
        Self::open_with(options, vault)
    }

    /// As [`Studio::open`], on a machine that has no keyring.
    #[must_use]
    pub fn open_without_keyring(options: StudioOptions) -> Self {
        let vault = Vault::without_keyring(options.data_dir.join(SECRETS_FILE));
        Self::open_with(options, vault)
    }

    fn open_with(options: StudioOptions, vault: Vault) -> Self {
        let store = Store::open(&options.data_dir).map_err(|error| {
            tracing::error!(%error, "the store could not be opened");
            Arc::new(error)
        });
        let settings = store.as_ref().map_or_else(|_| settings::untouched(), settings::load);
        let settings = Arc::new(RwLock::new(settings));
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let language = language_now(&settings, &options);
        let online = store.as_ref().ok().and_then(|store| {
            Online::open(store.clone(), &options, vault, language, events.clone())
                .inspect_err(|error| tracing::error!(%error, "nothing online will work"))
                .ok()
        });
        let background = online.as_ref().map(|online| online.stop.clone().drop_guard());
        let generations = online.clone().map(Generations::new);
        Self { options, store, settings, events, online, generations, _background: background }
    }

    /// Everything that the page needs for its first paint.
    pub async fn boot(&self) -> Boot {
        let (account, destination) = self.account_for_boot();
        Boot {
            version: self.options.app_version.clone(),
            settings: self.settings.read().clone(),
            language: self.language(),
            data_dir: self.options.data_dir.display().to_string(),
            account,
            destination,
            store_problem: self.store().err().map(|error| self.problem(&error)),
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

/// The language in force at each moment, for those who work while it may be changed.
fn language_now(settings: &Arc<RwLock<Settings>>, options: &StudioOptions) -> LanguageNow {
    let (settings, system) = (Arc::clone(settings), language_of(&options.system_language));
    Arc::new(move || settings.read().language.unwrap_or(system))
}
