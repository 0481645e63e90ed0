//! The relay's public configuration: asked for once in a run and language, kept for offline, and
//! the place where a relay can say that this app is too old for it.

use super::Online;
use crate::Studio;
use crate::clock;
use crate::error::Error;
use crate::ipc::RelayStatus;
use crate::messages::OnlineMessage;
use crate::store;
use autocrea_protocol::RelayConfig;
use std::sync::Arc;

impl Online {
    /// The configuration, as fresh as it can be had.
    ///
    /// # Errors
    /// If there is none yet and the relay does not answer, or it wants a newer app.
    pub(crate) async fn config(&self) -> Result<RelayConfig, Error> {
        if let Some(config) = self.fresh_config() {
            return Ok(config);
        }
        match self.fetch_config().await {
            Err(Error::Relay(error)) if error.is_offline() => {
                self.known.lock().config.clone().ok_or(Error::Relay(error))
            }
            other => other,
        }
    }

    /// What was fetched in this run and language, while the relay answers.
    pub(super) fn fresh_config(&self) -> Option<RelayConfig> {
        let language = (self.language)();
        let known = self.known.lock();
        let is_fresh =
            known.config_language == Some(language) && known.relay == RelayStatus::Online;
        known.config.clone().filter(|_| is_fresh)
    }

    /// Asks for the configuration, keeps it, and sees whether this app is still good enough.
    pub(crate) async fn fetch_config(&self) -> Result<RelayConfig, Error> {
        let language = (self.language)();
        let asked = self.relay.config().await;
        self.note(&asked);
        let config = asked?;
        let too_old = is_older(&self.app_version, &config.min_app_version);
        let changed = {
            let mut known = self.known.lock();
            let status = if too_old { RelayStatus::UpdateNeeded } else { RelayStatus::Online };
            let changed = known.config.as_ref() != Some(&config) || known.relay != status;
            known.relay = status;
            known.config = Some(config.clone());
            known.config_language = Some(language);
            changed
        };
        if changed {
            let (relay, copy, now) = (self.relay.base().to_string(), config.clone(), clock::now());
            let saving =
                self.store.write(move |db| store::account::save_config(db, &relay, &copy, now));
            if let Err(error) = saving.await {
                tracing::warn!(%error, "the relay's configuration could not be kept");
            }
            self.announce_account();
        }
        if too_old {
            return Err(update_needed(&config));
        }
        Ok(config)
    }

    /// Refuses where the relay has said that it wants a newer app.
    pub(crate) fn check_version(&self) -> Result<(), Error> {
        let known = self.known.lock();
        match (&known.config, known.relay) {
            (Some(config), RelayStatus::UpdateNeeded) => Err(update_needed(config)),
            _ => Ok(()),
        }
    }
}

impl Studio {
    /// Asks for the configuration again, in the background.
    pub(crate) fn fetch_config_soon(&self) {
        let Ok(online) = self.online() else { return };
        let online = Arc::clone(online);
        tokio::spawn(async move {
            if let Err(error) = online.fetch_config().await {
                tracing::debug!(%error, "the configuration comes with the next connection");
            }
        });
    }
}

fn update_needed(config: &RelayConfig) -> Error {
    Error::Online(OnlineMessage::UpdateNeeded { needed: config.min_app_version.clone() })
}

/// Whether version `ours` is before `least`, by their first three numbers.
pub(super) fn is_older(ours: &str, least: &str) -> bool {
    let numbers = |text: &str| -> [u64; 3] {
        let plain = text.split(['-', '+']).next().unwrap_or_default();
        let mut parts = plain.split('.').map(|part| part.parse().unwrap_or(0));
        std::array::from_fn(|_| parts.next().unwrap_or(0))
    };
    numbers(ours) < numbers(least)
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_older("2.9.0", "2.10.0"));
        assert!(is_older("2.0.0", "2.0.1"));
        assert!(!is_older("2.0.0", "2.0.0"));
        assert!(!is_older("3.0.0-beta.1", "2.99.99"));
        assert!(!is_older("2.0.0", "nonsense"));
    }
}
