//! A small world for the studio: a relay and an OAuth provider on loopback, both played by the
//! test, and a data folder. Written after relay.md and the OAuth RFCs, not after our own client.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(
    clippy::expect_used,
    clippy::result_large_err,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "a test says what it expects, and its numbers are small"
)]

pub mod provider;
pub mod relay;
mod server;

use autocrea_studio::ipc::{
    AccountState, Draft, Generation, NewProject, SecretPlace, Session, StudioEvent,
};
use autocrea_studio::{Studio, StudioOptions};
use parking_lot::Mutex;
use provider::Provider;
use relay::Relay;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

/// Longer than anything here takes, and the end of a test that waits for what does not come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Everything around a studio.
pub struct World {
    pub relay: Relay,
    pub provider: Provider,
    pub dir: TempDir,
    pub opened: Arc<Mutex<Vec<String>>>,
    pub scheme_registered: bool,
    pub app_version: &'static str,
}

impl World {
    pub fn new() -> Self {
        let provider = Provider::start();
        let relay = Relay::start(provider.clone());
        Self {
            relay,
            provider,
            dir: tempfile::tempdir().expect("a folder"),
            opened: Arc::default(),
            scheme_registered: true,
            app_version: "2.0.0",
        }
    }

    pub fn database(&self) -> PathBuf {
        self.dir.path().join("autocrea.db")
    }

    /// A connection of the test's own.
    pub fn sql(&self) -> rusqlite::Connection {
        let db = rusqlite::Connection::open(self.database()).expect("the database");
        db.busy_timeout(Duration::from_secs(5)).expect("a time-out");
        db
    }

    /// Opens the folder, as at the start of the app.
    pub async fn open(&self) -> Studio {
        let opened = Arc::clone(&self.opened);
        let studio = Studio::open_without_keyring(StudioOptions {
            data_dir: self.dir.path().to_owned(),
            relay_url: self.relay.url(),
            app_version: self.app_version.into(),
            system_language: "es_ES.UTF-8".into(),
            scheme_registered: self.scheme_registered,
            open_browser: Arc::new(move |url: &str| {
                opened.lock().push(url.to_owned());
                Ok(())
            }),
        });
        studio.start_background().await;
        studio
    }

    /// The address that the browser was sent to last.
    pub fn last_opened(&self) -> Url {
        let opened = self.opened.lock();
        opened.last().expect("the browser was opened").parse().expect("an address")
    }

    /// Opens the folder and signs a person in.
    pub async fn open_signed_in(&self, person: &str) -> Studio {
        let studio = self.open().await;
        studio.secret_place_choose(SecretPlace::File).await.expect("a place");
        self.sign_in(&studio, person).await;
        studio
    }

    pub async fn sign_in(&self, studio: &Studio, person: &str) {
        studio.sign_in_start().await.expect("begun");
        let link = self.provider.consent(&self.last_opened(), person);
        studio.open_deep_link(&link).await.expect("signed in");
    }
}

pub async fn until<T, F>(studio: &Studio, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let mut events = studio.events();
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            // The event says when to look again; a lag says the same.
            let _ = events.recv().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it came about in time")
}

pub async fn account_where(studio: &Studio, is: impl Fn(&AccountState) -> bool) -> AccountState {
    until(studio, || async {
        let state = studio.account_state().await.expect("a state");
        is(&state).then_some(state)
    })
    .await
}

pub async fn notice(events: &mut tokio::sync::broadcast::Receiver<StudioEvent>) -> String {
    let waiting = async {
        loop {
            if let Ok(StudioEvent::Notice { message, .. }) = events.recv().await {
                return message;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("a notice in time")
}

pub fn is_signed_in(state: &AccountState) -> bool {
    matches!(state.session, Session::SignedIn { .. })
}

pub async fn project(studio: &Studio) -> Uuid {
    let new = NewProject { name: "Tienda".into(), description: String::new() };
    studio.project_create(new).await.expect("a project").id
}

pub fn draft(project_id: Uuid, prompt: &str) -> Draft {
    Draft {
        project_id,
        role: "fullstack".into(),
        prompt: prompt.into(),
        base_version: None,
        max_output_tokens: None,
        context_paths: None,
    }
}

/// Waits until a generation is as wanted.
pub async fn generation_where(
    studio: &Studio,
    id: autocrea_protocol::GenerationId,
    is: impl Fn(&Generation) -> bool,
) -> Generation {
    let waiting = async {
        let (sender, mut news) = tokio::sync::mpsc::unbounded_channel();
        let telling = move |_| sender.send(()).is_ok();
        studio.generation_watch(id, telling).await.expect("watched");
        loop {
            let generation = studio.generation_get(id).await.expect("there").generation;
            if is(&generation) {
                return generation;
            }
            if news.recv().await.is_none() {
                let generation = studio.generation_get(id).await.expect("there").generation;
                assert!(is(&generation), "it ended otherwise: {generation:?}");
                return generation;
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it came about in time")
}
