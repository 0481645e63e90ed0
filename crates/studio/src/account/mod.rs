//! The account side: who is signed in, what the relay last said of them, and keeping both fresh.
//!
//! [`Online`] is shared by everything that talks to the relay. What it knows it has from the store
//! and writes there first; [`Online::state`] is what the page is shown, online or not. While
//! somebody is signed in, one stream of events carries the snapshot (`stream`), the ledger is
//! copied after each (`ledger`), and a checkout is waited for (`checkout`). Access tokens live in
//! memory and are renewed by one caller at a time (`tokens`).
//!
//! Deliberately not here: signing in itself (`sign_in`) and generations.

mod checkout;
mod config;
mod ledger;
mod page;
mod snapshot;
mod stream;
mod tokens;

pub(crate) use tokens::{Access, Tokens};

use crate::clock;
use crate::error::Error;
use crate::ipc::{AccountState, Language, RelayStatus, SecretPlace, Session, StudioEvent};
use crate::messages::OnlineMessage;
use crate::relay::{Relay, RelayError, http_client};
use crate::sign_in::Provider;
use crate::store::account::{Account, Checkout};
use crate::store::{self, Store, StoreError};
use crate::vault::Vault;
use crate::{OpenBrowser, Studio, StudioOptions};
use autocrea_protocol::{ErrorCode, RelayConfig, UnixMillis, UserId};
use page::Unheard;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;

/// Says the language in force.
pub(crate) type LanguageNow = Arc<dyn Fn() -> Language + Send + Sync>;

/// Everything that talks to the relay shares this.
pub(crate) struct Online {
    pub(crate) store: Store,
    pub(crate) relay: Relay,
    pub(crate) http: reqwest::Client,
    pub(crate) vault: Vault,
    pub(crate) language: LanguageNow,
    pub(crate) stop: CancellationToken,
    pub(crate) scheme_registered: bool,
    pub(crate) known: Mutex<Known>,
    pub(crate) tokens: tokio::sync::Mutex<Tokens>,
    pub(crate) provider: Mutex<Option<Arc<Provider>>>,
    /// Ends whatever waits for the answer of the newest attempt to sign in.
    pub(crate) attempt_over: Mutex<CancellationToken>,
    events: broadcast::Sender<StudioEvent>,
    open_browser: OpenBrowser,
    app_version: String,
    /// Grows when somebody signs in or out, or their sign-in ends.
    session: watch::Sender<u64>,
    /// Somebody wants the relay asked now, not after the pause.
    now: Notify,
    ledger_turn: tokio::sync::Mutex<()>,
}

/// What is known at the moment.
pub(crate) struct Known {
    pub(crate) account: Option<Account>,
    pub(crate) attempt: Option<OpenAttempt>,
    pub(crate) checkout: Option<Checkout>,
    config: Option<RelayConfig>,
    /// The language that `config` was fetched in, in this run.
    config_language: Option<Language>,
    relay: RelayStatus,
    /// What has happened before the page was there to be told.
    unheard: Option<Unheard>,
}

/// An attempt to sign in that the browser has open.
#[derive(Clone)]
pub(crate) struct OpenAttempt {
    pub(crate) state: String,
    pub(crate) url: String,
    pub(crate) expires_at: UnixMillis,
}

impl Online {
    /// With what the store knows. Nothing is asked of anybody yet.
    pub(crate) fn open(
        store: Store,
        options: &StudioOptions,
        vault: Vault,
        language: LanguageNow,
        events: broadcast::Sender<StudioEvent>,
    ) -> Result<Arc<Self>, Error> {
        let http = http_client(&options.app_version, &options.relay_url)?;
        let spoken = Arc::clone(&language);
        let tag = Arc::new(move || match spoken() {
            Language::Es => "es",
            Language::En => "en",
        });
        let relay = Relay::new(http.clone(), options.relay_url.clone(), tag);
        let known = Known::load(&store, relay.base().as_str())?;
        Ok(Arc::new(Self {
            store,
            relay,
            http,
            vault,
            language,
            stop: CancellationToken::new(),
            scheme_registered: options.scheme_registered,
            known: Mutex::new(known),
            tokens: tokio::sync::Mutex::default(),
            provider: Mutex::new(None),
            attempt_over: Mutex::new(CancellationToken::new()),
            events,
            open_browser: Arc::clone(&options.open_browser),
            app_version: options.app_version.clone(),
            session: watch::Sender::new(0),
            now: Notify::new(),
            ledger_turn: tokio::sync::Mutex::new(()),
        }))
    }

    /// As the page sees it.
    pub(crate) fn state(&self) -> AccountState {
        let known = self.known.lock();
        let account = known.account.as_ref();
        AccountState {
            session: known.session(),
            snapshot: account.and_then(|account| account.snapshot.clone()),
            snapshot_at: account.and_then(|account| account.snapshot_at),
            relay: known.relay,
            config: known.config.clone(),
            checkout: known.checkout.as_ref().map(|checkout| checkout.wait.clone()),
        }
    }

    /// Who is signed in, with a sign-in that has not ended.
    pub(crate) fn user(&self) -> Option<UserId> {
        let known = self.known.lock();
        known.account.as_ref().filter(|account| !account.expired).map(|a| a.user_id.clone())
    }

    /// Tells of every change of who is signed in.
    pub(crate) fn session_changes(&self) -> watch::Receiver<u64> {
        self.session.subscribe()
    }

    pub(crate) fn session_changed(&self) {
        self.session.send_modify(|count| *count += 1);
        self.announce_account();
    }

    /// Takes note of whether the relay answers.
    pub(crate) fn note<T>(&self, result: &Result<T, RelayError>) {
        let answered = !matches!(result, Err(error) if error.is_offline());
        let changed = {
            let mut known = self.known.lock();
            let next = match answered {
                true if known.is_too_old(&self.app_version) => RelayStatus::UpdateNeeded,
                true => RelayStatus::Online,
                false => RelayStatus::Offline,
            };
            std::mem::replace(&mut known.relay, next) != next
        };
        if changed {
            self.announce_account();
        }
    }

    /// Calls the relay as the person who is signed in. A token that the relay no longer takes is
    /// renewed, once.
    ///
    /// # Errors
    /// If nobody is signed in, or as the call.
    pub(crate) async fn call<T, F>(
        self: &Arc<Self>,
        work: impl Fn(Relay, Access) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, RelayError>>,
    {
        let user = self.user().ok_or(Error::Online(OnlineMessage::SignedOut))?;
        self.call_as(&user, work).await
    }

    /// As [`Online::call`], under one account and no other: whoever has signed in meanwhile must
    /// not be charged for, or answered about, somebody else's.
    ///
    /// # Errors
    /// If that account is not the one that is signed in, or as the call.
    pub(crate) async fn call_as<T, F>(
        self: &Arc<Self>,
        user: &UserId,
        work: impl Fn(Relay, Access) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, RelayError>>,
    {
        self.check_version()?;
        let access = self.access(user).await?;
        let mut result = work(self.relay.clone(), access.clone()).await;
        if let Err(error) = &result
            && error.code() == Some(ErrorCode::Unauthenticated)
        {
            let renewed = self.renewed(user, &access).await?;
            result = work(self.relay.clone(), renewed).await;
        }
        self.note(&result);
        Ok(result?)
    }

    /// The sign-in has ended by itself: the data stays, the relay wants a new one.
    pub(crate) async fn expire(&self, user: &UserId) {
        {
            let mut known = self.known.lock();
            match known.account.as_mut().filter(|account| account.user_id == *user) {
                Some(account) if !account.expired => account.expired = true,
                _ => return,
            }
        }
        let gone = user.clone();
        let saving = self.store.write(move |db| store::account::expire(db, &gone));
        if let Err(error) = saving.await {
            tracing::warn!(%error, "the end of the sign-in could not be kept");
        }
        self.session_changed();
    }

    /// Somebody wants an answer now.
    pub(crate) fn hurry(&self) {
        self.now.notify_waiters();
    }
}

impl Known {
    fn load(store: &Store, relay: &str) -> Result<Self, StoreError> {
        store.read_now(|db| {
            let mut account = store::account::current(db)?;
            if let Some(account) = &mut account {
                // What was only in memory has gone with the last run.
                account.expired |= account.secret_place == SecretPlace::Memory;
            }
            let checkout = match &account {
                Some(account) => store::account::checkout(db, &account.user_id)?,
                None => None,
            };
            let attempt = store::sign_in::newest(db, clock::now())?.map(|attempt| OpenAttempt {
                state: attempt.state,
                url: attempt.url,
                expires_at: attempt.expires_at,
            });
            Ok(Self {
                account,
                attempt,
                checkout,
                config: store::account::config(db, relay)?,
                config_language: None,
                relay: RelayStatus::Unknown,
                unheard: Some(Unheard::default()),
            })
        })
    }

    /// Whether this run has heard that the relay wants a newer app.
    fn is_too_old(&self, app_version: &str) -> bool {
        let heard = self.config.as_ref().filter(|_| self.config_language.is_some());
        heard.is_some_and(|config| config::is_older(app_version, &config.min_app_version))
    }

    fn session(&self) -> Session {
        match (&self.attempt, &self.account) {
            (_, Some(account)) if !account.expired => Session::SignedIn {
                user_id: account.user_id.to_string(),
                secret_place: account.secret_place,
            },
            (Some(attempt), _) => {
                Session::SigningIn { url: attempt.url.clone(), expires_at: attempt.expires_at }
            }
            (None, Some(account)) => Session::Expired { user_id: account.user_id.to_string() },
            (None, None) => Session::SignedOut,
        }
    }
}

impl Studio {
    /// The account side as it is known now.
    ///
    /// # Errors
    /// If the store is closed.
    pub async fn account_state(&self) -> Result<AccountState, Error> {
        Ok(self.online()?.state())
    }

    /// Asks the relay now, whatever the pause between tries.
    ///
    /// # Errors
    /// If the relay does not answer, or wants a newer app.
    pub async fn account_refresh(&self) -> Result<AccountState, Error> {
        let online = self.online()?;
        online.hurry();
        online.fetch_config().await?;
        if online.user().is_some() {
            let asking =
                online.call(|relay, access| async move { relay.account(access.secret()).await });
            let snapshot = asking.await?;
            online.take_snapshot(snapshot).await;
        }
        Ok(online.state())
    }

    pub(crate) fn online(&self) -> Result<&Arc<Online>, Error> {
        self.store()?;
        self.online.as_ref().ok_or(Error::NoClient)
    }

    /// Somebody signed in, or why not.
    pub(crate) fn signed_in(&self) -> Result<(&Arc<Online>, UserId), Error> {
        let online = self.online()?;
        let user = online.user().ok_or(Error::Online(OnlineMessage::SignedOut))?;
        Ok((online, user))
    }
}
