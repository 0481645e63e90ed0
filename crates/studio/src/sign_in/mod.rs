//! Signing in and out.
//!
//! The system's browser goes to the provider with a state and a PKCE challenge; the answer comes
//! back by deep link, by loopback or by a text that the person pastes, and all three end in
//! [`Online::finish_sign_in`]. The state is looked up in the store and erased by the same
//! transaction, so it works once, also when the app was started anew by the link. Nothing of an
//! unknown, used or expired answer has any effect.
//!
//! Deliberately not here: access tokens afterwards (`account`), and reading links (`deep_link`).

mod loopback;
mod provider;

pub use provider::{Granted, Provider, ProviderError};

use crate::Studio;
use crate::account::{Online, OpenAttempt};
use crate::clock;
use crate::deep_link::{self, AuthAnswer, LinkError};
use crate::error::Error;
use crate::ipc::{AccountState, SecretPlace, Tone};
use crate::messages::OnlineMessage;
use crate::relay::Backoff;
use crate::store;
use crate::store::account::Account;
use crate::store::sign_in::Attempt;
use autocrea_protocol::{AccountSnapshot, UserId};
use loopback::Loopback;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long an attempt is good for.
const LIFE_MILLIS: i64 = 10 * 60 * 1000;
/// Longest wait for the provider while signing out: the app has forgotten the person by then.
const REVOCATION: Duration = Duration::from_secs(5);
/// Tries at exchanging a code while the provider cannot be reached.
const EXCHANGES: usize = 4;
/// The setting that says where a person wants the secret kept, if they were asked.
const PLACE: &str = "secret_place";

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Self {
        Self::Online(match error {
            LinkError::Malformed => OnlineMessage::LinkMalformed,
            LinkError::Unknown => OnlineMessage::LinkUnknown,
            LinkError::NoState => OnlineMessage::PasteIncomplete,
        })
    }
}

impl Online {
    /// Where the secret is to be kept: where the person said, else in the keyring.
    ///
    /// # Errors
    /// If there is no keyring and the person has not said.
    async fn secret_place(&self) -> Result<SecretPlace, Error> {
        let chosen = self.store.read(|db| store::settings::get(db, PLACE)).await?;
        if let Some(place) = chosen {
            return Ok(place);
        }
        self.vault.probe().await?;
        Ok(SecretPlace::Keyring)
    }

    async fn start_sign_in(self: &Arc<Self>) -> Result<(), Error> {
        self.check_version()?;
        // Asked before the browser opens: afterwards it would be in the way.
        self.secret_place().await?;
        let config = self.config().await?;
        let provider = self.provider().await?;
        let loopback = if self.scheme_registered {
            None
        } else {
            Loopback::open(&config.redirects.loopback_ports).await
        };
        let redirect = loopback.as_ref().map_or(config.redirects.auth.as_str(), Loopback::redirect);
        let authorization = provider.authorize(redirect)?;
        let now = clock::now();
        let attempt = Attempt {
            state: authorization.state,
            verifier: authorization.verifier,
            redirect_uri: redirect.to_owned(),
            url: authorization.url.to_string(),
            created_at: now,
            expires_at: now.plus_millis(LIFE_MILLIS),
        };
        let open = OpenAttempt {
            state: attempt.state.clone(),
            url: attempt.url.clone(),
            expires_at: attempt.expires_at,
        };
        self.store.write(move |db| store::sign_in::add(db, &attempt)).await?;
        self.known.lock().attempt = Some(open.clone());
        self.await_answer(loopback, &open);
        self.announce_account();
        self.browse(&open.url)
    }

    /// Waits for the end of an attempt: its answer by loopback, or its ten minutes.
    fn await_answer(self: &Arc<Self>, loopback: Option<Loopback>, open: &OpenAttempt) {
        let over = CancellationToken::new();
        std::mem::replace(&mut *self.attempt_over.lock(), over.clone()).cancel();
        let online = Arc::clone(self);
        let state = open.state.clone();
        let life = open.expires_at.millis_since(clock::now()).clamp(0, LIFE_MILLIS);
        let life = Duration::from_millis(u64::try_from(life).unwrap_or(0));
        tokio::spawn(async move {
            let answer = async {
                match &loopback {
                    Some(loopback) => loopback.answer(&*online.language).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = online.stop.cancelled() => {}
                () = over.cancelled() => {}
                () = tokio::time::sleep(life) => online.drop_attempt(&state),
                answer = answer => online.finish_or_tell(answer).await,
            }
        });
    }

    /// Goes on waiting for an attempt of an earlier run.
    pub(crate) fn resume_attempt(self: &Arc<Self>) {
        let open = self.known.lock().attempt.clone();
        if let Some(open) = open {
            self.await_answer(None, &open);
        }
    }

    async fn finish_or_tell(self: &Arc<Self>, answer: AuthAnswer) {
        if let Err(error) = self.finish_sign_in(answer).await {
            self.notice_text(Tone::Bad, error.problem((self.language)()).message);
        }
    }

    fn drop_attempt(&self, state: &str) {
        let dropped = {
            let mut known = self.known.lock();
            known.attempt.take_if(|attempt| attempt.state == state).is_some()
        };
        if dropped {
            self.announce_account();
        }
    }

    /// The browser's answer, by whichever way it came.
    ///
    /// # Errors
    /// If it answers no attempt of ours that is still live, the provider or the person refuses, or
    /// the provider cannot be reached. Then nobody is signed in who was not before.
    pub(crate) async fn finish_sign_in(self: &Arc<Self>, answer: AuthAnswer) -> Result<(), Error> {
        let state = answer.state().to_owned();
        let asked = state.clone();
        if self.store.read(move |db| store::sign_in::knows(db, &asked)).await? {
            // While the provider cannot be found the state is not used up: the link can be
            // followed again.
            self.provider().await?;
        }
        let taken = self.store.write(move |db| store::sign_in::take(db, &state)).await?;
        let Some(attempt) = taken else {
            let message = if self.user().is_some() {
                OnlineMessage::AlreadySignedIn
            } else {
                OnlineMessage::StateUnknown
            };
            return Err(Error::Online(message));
        };
        let ended = self.exchange(&attempt, answer).await;
        self.drop_attempt(&attempt.state);
        ended?;
        self.attempt_over.lock().cancel();
        self.notice(Tone::Good, &OnlineMessage::SignedIn);
        Ok(())
    }

    async fn exchange(
        self: &Arc<Self>,
        attempt: &Attempt,
        answer: AuthAnswer,
    ) -> Result<(), Error> {
        if !attempt.is_live(clock::now()) {
            return Err(Error::Online(OnlineMessage::StateExpired));
        }
        let code = match answer {
            AuthAnswer::Code { code, .. } => code,
            AuthAnswer::Denied { error, .. } => {
                tracing::info!(error, "the sign-in was denied");
                return Err(Error::Online(OnlineMessage::SignInDenied));
            }
        };
        let provider = self.provider().await?;
        let granted = exchange_patiently(&provider, &code, attempt).await?;
        let (user, snapshot) = self.who(&provider, &granted).await?;
        self.enter(user, &granted).await?;
        if let Some(snapshot) = snapshot {
            // Shown at once: the stream opens a moment later.
            self.take_snapshot(snapshot).await;
        }
        Ok(())
    }

    /// Who the tokens speak for: as the relay says, or, if it does not answer, the provider.
    async fn who(
        &self,
        provider: &Provider,
        granted: &Granted,
    ) -> Result<(UserId, Option<AccountSnapshot>), Error> {
        let asked = self.relay.account(&granted.access).await;
        self.note(&asked);
        match asked {
            Ok(snapshot) => Ok((snapshot.user.id.clone(), Some(snapshot))),
            Err(error) if error.is_passing() => {
                Ok((UserId(provider.subject(&granted.access).await?), None))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Signs somebody in: the secret first, then the row that says where it is.
    async fn enter(self: &Arc<Self>, user: UserId, granted: &Granted) -> Result<(), Error> {
        let mut held = self.tokens.lock().await;
        let name = self.secret_name().await?;
        let wanted = match self.secret_place().await {
            Ok(place) => place,
            Err(Error::Vault(error)) => {
                tracing::warn!(%error, "the keyring has gone since the sign-in began");
                SecretPlace::Memory
            }
            Err(error) => return Err(error),
        };
        let place = match &granted.refresh {
            Some(refresh) => self.keep_refresh(&user, wanted, &name, refresh).await,
            None => SecretPlace::Memory,
        };
        let whose = user.clone();
        let saving = self.store.write(move |db| {
            store::account::sign_in(db, &whose, place)?;
            Ok((store::account::current(db)?, store::account::checkout(db, &whose)?))
        });
        let (account, checkout) = saving.await?;
        held.forget();
        held.take(user.clone(), granted);
        drop(held);
        {
            let mut known = self.known.lock();
            known.account = Some(account.unwrap_or(Account {
                user_id: user,
                expired: false,
                secret_place: place,
                snapshot: None,
                snapshot_at: None,
            }));
            known.checkout = checkout;
            known.attempt = None;
        }
        self.session_changed();
        Ok(())
    }

    async fn leave(self: &Arc<Self>) -> Result<(), Error> {
        let mut held = self.tokens.lock().await;
        let place = self.known.lock().account.as_ref().map(|account| account.secret_place);
        let name = self.secret_name().await?;
        let mut refresh = held.refresh();
        if let (None, Some(place)) = (&refresh, place) {
            refresh = self.vault.load(place, &name).await.ok().flatten();
        }
        // Here first: whatever happens to the rest, the app no longer knows anybody.
        self.store.write(|db| store::account::sign_out(db)).await?;
        held.forget();
        {
            let mut known = self.known.lock();
            known.account = None;
            known.checkout = None;
            known.attempt = None;
        }
        self.attempt_over.lock().cancel();
        drop(held);
        self.session_changed();
        let places = [Some(SecretPlace::Memory), place.filter(|p| *p != SecretPlace::Memory)];
        for place in places.into_iter().flatten() {
            if let Err(error) = self.vault.forget(place, &name).await {
                tracing::warn!(%error, ?place, "a secret could not be forgotten");
            }
        }
        if let Some(refresh) = refresh {
            let revoking = async { Ok::<_, Error>(self.provider().await?.revoke(&refresh).await?) };
            match tokio::time::timeout(REVOCATION, revoking).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the refresh token was not revoked"),
                Err(_) => tracing::warn!("the refresh token was not revoked in time"),
            }
        }
        Ok(())
    }

    /// The person says where the secret may be; one that is kept elsewhere moves.
    async fn choose_place(&self, place: SecretPlace) -> Result<(), Error> {
        if place == SecretPlace::Keyring {
            self.vault.probe().await?;
        }
        self.store.write(move |db| store::settings::set(db, PLACE, &place)).await?;
        let held = self.tokens.lock().await;
        let Some((user, before)) = ({
            let known = self.known.lock();
            let account = known.account.as_ref().filter(|account| !account.expired);
            account.map(|account| (account.user_id.clone(), account.secret_place))
        }) else {
            return Ok(());
        };
        if before == place {
            return Ok(());
        }
        let name = self.secret_name().await?;
        let kept = match held.refresh() {
            Some(refresh) => Some(refresh),
            None => self.vault.load(before, &name).await?,
        };
        if let Some(refresh) = kept {
            self.vault.save(place, &name, &refresh).await?;
        }
        self.store.write(move |db| store::account::set_place(db, &user, place)).await?;
        if let Some(account) = &mut self.known.lock().account {
            account.secret_place = place;
        }
        if let Err(error) = self.vault.forget(before, &name).await {
            tracing::warn!(%error, place = ?before, "a secret could not be forgotten");
        }
        self.announce_account();
        Ok(())
    }
}

/// A code that has not reached the provider is still good: the network gets a few tries.
async fn exchange_patiently(
    provider: &Provider,
    code: &str,
    attempt: &Attempt,
) -> Result<Granted, ProviderError> {
    let mut backoff = Backoff::new(Duration::from_millis(300), Duration::from_secs(3));
    let mut tries = 1;
    loop {
        match provider.exchange(code, &attempt.verifier, &attempt.redirect_uri).await {
            Err(ProviderError::Unreachable(_)) if tries < EXCHANGES => tries += 1,
            other => return other,
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

impl Studio {
    /// Opens the browser to sign in.
    ///
    /// # Errors
    /// If a place for the secret has to be chosen first, relay or provider cannot be reached, or
    /// there is no browser (its message carries the address, and the attempt goes on).
    pub async fn sign_in_start(&self) -> Result<AccountState, Error> {
        let online = self.online()?;
        if online.user().is_none() {
            online.start_sign_in().await?;
        }
        Ok(online.state())
    }

    /// Finishes a sign-in with the text that the bounce page shows.
    ///
    /// # Errors
    /// If it is not that text, or as any other answer.
    pub async fn sign_in_paste(&self, text: String) -> Result<AccountState, Error> {
        let online = self.online()?;
        let answer = deep_link::parse_pasted(&text)?;
        online.finish_sign_in(answer).await?;
        Ok(online.state())
    }

    /// Forgets every attempt that is open: their answers will be refused.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn sign_in_cancel(&self) -> Result<AccountState, Error> {
        let online = self.online()?;
        online.store.write(|db| store::sign_in::clear(db)).await?;
        online.attempt_over.lock().cancel();
        online.known.lock().attempt = None;
        online.announce_account();
        Ok(online.state())
    }

    /// Says where the secret may be kept, where there is no keyring.
    ///
    /// # Errors
    /// If it cannot be kept there.
    pub async fn secret_place_choose(&self, place: SecretPlace) -> Result<AccountState, Error> {
        let online = self.online()?;
        online.choose_place(place).await?;
        Ok(online.state())
    }

    /// Signs out: secrets and account data go, projects stay.
    ///
    /// # Errors
    /// If the store cannot be written; then nothing has changed.
    pub async fn sign_out(&self) -> Result<AccountState, Error> {
        let online = self.online()?;
        online.leave().await?;
        Ok(online.state())
    }
}
