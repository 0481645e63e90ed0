//! Access tokens: in memory, renewed before they end, one renewal at a time.
//!
//! Whoever needs one waits for the same lock, so a hundred callers cost one renewal. A renewal runs
//! on a task of its own: if its caller goes away in the middle, the refresh token that came back is
//! still stored.

use super::Online;
use crate::error::Error;
use crate::ipc::{SecretPlace, Tone};
use crate::messages::OnlineMessage;
use crate::sign_in::{Granted, Provider, ProviderError};
use crate::store;
use autocrea_protocol::UserId;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Renewed this long before its end, at most.
const MARGIN: Duration = Duration::from_secs(60);
/// After a failure the next callers get an answer without another try for this long.
const FAILURE_HOLDS: Duration = Duration::from_secs(1);

/// An access token. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Access {
    secret: SecretString,
    user: UserId,
    /// Grows with every renewal, so that a refused token can be told from a newer one.
    serial: u64,
    renew_at: Instant,
}

impl Access {
    /// For the relay and for nothing else.
    pub(crate) const fn secret(&self) -> &SecretString {
        &self.secret
    }
}

/// What is held in memory.
#[derive(Default)]
pub(crate) struct Tokens {
    access: Option<Access>,
    refresh: Option<SecretString>,
    serial: u64,
    failed: Option<Instant>,
}

impl Tokens {
    /// Takes what a grant brought.
    pub(crate) fn take(&mut self, user: UserId, granted: &Granted) -> Access {
        self.serial += 1;
        let margin = MARGIN.min(granted.lives / 4);
        let access = Access {
            secret: granted.access.clone(),
            user,
            serial: self.serial,
            renew_at: Instant::now() + granted.lives.saturating_sub(margin),
        };
        if let Some(refresh) = &granted.refresh {
            self.refresh = Some(refresh.clone());
        }
        self.failed = None;
        self.access = Some(access.clone());
        access
    }

    /// Forgets everything; returns the refresh token, to be revoked.
    pub(crate) fn forget(&mut self) -> Option<SecretString> {
        self.access = None;
        self.failed = None;
        self.refresh.take()
    }

    /// The refresh token, if it is in memory.
    pub(crate) fn refresh(&self) -> Option<SecretString> {
        self.refresh.clone()
    }

    fn usable(&self, user: &UserId, refused: Option<u64>) -> Option<Access> {
        let access = self.access.as_ref()?;
        let is_good = access.user == *user
            && Some(access.serial) != refused
            && Instant::now() < access.renew_at;
        is_good.then(|| access.clone())
    }
}

impl Online {
    /// A token of this person that is good for now.
    ///
    /// # Errors
    /// If they are not signed in, their sign-in has ended, or it cannot be renewed at the moment.
    pub(super) async fn access(self: &Arc<Self>, user: &UserId) -> Result<Access, Error> {
        self.access_but(user, None).await
    }

    /// Another token than `refused`, which the relay no longer takes.
    ///
    /// # Errors
    /// As [`Online::access`].
    pub(super) async fn renewed(
        self: &Arc<Self>,
        user: &UserId,
        refused: &Access,
    ) -> Result<Access, Error> {
        self.access_but(user, Some(refused.serial)).await
    }

    async fn access_but(
        self: &Arc<Self>,
        user: &UserId,
        refused: Option<u64>,
    ) -> Result<Access, Error> {
        if self.place_of(user).is_none() {
            return Err(Error::Online(OnlineMessage::SignedOut));
        }
        if let Ok(held) = self.tokens.try_lock()
            && let Some(access) = held.usable(user, refused)
        {
            return Ok(access);
        }
        let (online, user) = (Arc::clone(self), user.clone());
        let renewing = tokio::spawn(async move { online.renew(&user, refused).await });
        renewing.await.map_err(|_| Error::Unfinished)?
    }

    async fn renew(&self, user: &UserId, refused: Option<u64>) -> Result<Access, Error> {
        let mut held = self.tokens.lock().await;
        if let Some(access) = held.usable(user, refused) {
            return Ok(access);
        }
        let place = self.place_of(user).ok_or(Error::Online(OnlineMessage::SignedOut))?;
        if held.failed.is_some_and(|failed| failed.elapsed() < FAILURE_HOLDS) {
            return Err(Error::Online(OnlineMessage::Offline));
        }
        let name = self.secret_name().await?;
        if held.refresh.is_none() {
            held.refresh = self.vault.load(place, &name).await?;
        }
        let renewed = match held.refresh.clone() {
            Some(refresh) => self.refresh(place, &name, &refresh).await,
            None => Err(Error::Provider(ProviderError::Refused)),
        };
        match renewed {
            Ok(granted) => {
                // Whatever came back is kept before the new access token is used.
                if let Some(refresh) = &granted.refresh {
                    self.keep_refresh(user, place, &name, refresh).await;
                }
                Ok(held.take(user.clone(), &granted))
            }
            Err(Error::Provider(ProviderError::Refused)) => {
                held.forget();
                drop(held);
                self.expire(user).await;
                Err(Error::Online(OnlineMessage::SignedOut))
            }
            Err(error) => {
                held.failed = Some(Instant::now());
                Err(error)
            }
        }
    }

    async fn refresh(
        &self,
        place: SecretPlace,
        name: &str,
        refresh: &SecretString,
    ) -> Result<Granted, Error> {
        let provider = self.provider().await?;
        match provider.refresh(refresh).await {
            Err(ProviderError::Refused) => {
                // Another copy of the app on this folder may have renewed it in the meantime.
                let stored = self.vault.load(place, name).await?;
                let newer =
                    stored.filter(|stored| stored.expose_secret() != refresh.expose_secret());
                match newer {
                    Some(newer) => Ok(provider.refresh(&newer).await?),
                    None => Err(Error::Provider(ProviderError::Refused)),
                }
            }
            other => Ok(other?),
        }
    }

    /// Keeps a refresh token in the place that was chosen; where that fails, the session lasts until
    /// the app quits, and the person is told. Returns where it is now.
    pub(crate) async fn keep_refresh(
        &self,
        user: &UserId,
        place: SecretPlace,
        name: &str,
        refresh: &SecretString,
    ) -> SecretPlace {
        let Err(error) = self.vault.save(place, name, refresh).await else { return place };
        tracing::warn!(%error, ?place, "the refresh token could not be kept");
        self.vault.save(SecretPlace::Memory, name, refresh).await.ok();
        let before = {
            let mut known = self.known.lock();
            let account = known.account.as_mut().filter(|account| account.user_id == *user);
            account.map(|a| std::mem::replace(&mut a.secret_place, SecretPlace::Memory))
        };
        if before != Some(SecretPlace::Memory) {
            self.notice(Tone::Bad, &OnlineMessage::SecretInMemory);
            self.announce_account();
        }
        SecretPlace::Memory
    }

    fn place_of(&self, user: &UserId) -> Option<SecretPlace> {
        let known = self.known.lock();
        let account = known.account.as_ref()?;
        (account.user_id == *user && !account.expired).then_some(account.secret_place)
    }

    /// Under which name the refresh token is kept: one for each data folder, so that two of them on
    /// one machine do not sign each other out.
    pub(crate) async fn secret_name(&self) -> Result<String, Error> {
        const SETTING: &str = "secret_name";
        let known = self.store.read(|db| store::settings::get::<String>(db, SETTING)).await?;
        if let Some(name) = known {
            return Ok(name);
        }
        let naming = self.store.write(|db| {
            if let Some(name) = store::settings::get::<String>(db, SETTING)? {
                return Ok(name);
            }
            let name = format!("refresh-token-{}", uuid::Uuid::new_v4());
            store::settings::set(db, SETTING, &name)?;
            Ok(name)
        });
        Ok(naming.await?)
    }

    /// The provider that the relay names, its endpoints found.
    pub(crate) async fn provider(&self) -> Result<Arc<Provider>, Error> {
        let config = self.config().await?;
        let known = self.provider.lock().clone();
        if let Some(provider) = known.filter(|provider| provider.is_for(&config.clerk)) {
            return Ok(provider);
        }
        let provider = Arc::new(Provider::discover(self.http.clone(), &config.clerk).await?);
        *self.provider.lock() = Some(Arc::clone(&provider));
        Ok(provider)
    }
}
