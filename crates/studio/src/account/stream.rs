//! Staying in touch with the relay, for as long as the studio is open.
//!
//! One task. While somebody is signed in it holds the one stream of account events; else it only
//! keeps the configuration. What breaks is tried again after a growing pause, which ends early when
//! a person asks, or somebody signs in or out.

use super::Online;
use crate::error::Error;
use crate::messages::OnlineMessage;
use crate::relay::{Backoff, Events, RelayError};
use autocrea_protocol::AccountSnapshot;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The first pause after a failure, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// With nobody signed in, the configuration is looked at again after this.
const CONFIG_AGE: Duration = Duration::from_secs(900);
/// While nothing can be done but by the person (an update, a new sign-in).
const PATIENCE: Duration = Duration::from_secs(300);

impl Online {
    /// Runs until the studio is dropped.
    pub(crate) async fn stay_in_touch(self: Arc<Self>) {
        let stopped = self.stop.clone();
        tokio::select! {
            () = stopped.cancelled() => {}
            () = self.keep_fresh() => {}
        }
    }

    async fn keep_fresh(self: &Arc<Self>) {
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        let mut session = self.session_changes();
        loop {
            session.mark_unchanged();
            let pause = match self.follow(&mut session, &mut backoff).await {
                Ok(()) if self.user().is_some() => backoff.pause(),
                Ok(()) => CONFIG_AGE,
                Err(Error::Online(
                    OnlineMessage::UpdateNeeded { .. } | OnlineMessage::SignedOut,
                )) => PATIENCE,
                Err(error) => {
                    tracing::debug!(%error, "the relay is tried again later");
                    backoff.pause()
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.now.notified() => {}
                _ = session.changed() => {}
            }
        }
    }

    /// Configuration, then the stream for as long as it lasts. Returns when the stream ended, or
    /// there is nobody to have one for.
    async fn follow(
        self: &Arc<Self>,
        session: &mut watch::Receiver<u64>,
        backoff: &mut Backoff,
    ) -> Result<(), Error> {
        if self.fresh_config().is_none() || self.user().is_none() {
            self.fetch_config().await?;
        }
        if self.user().is_none() {
            backoff.reset();
            return Ok(());
        }
        let known = {
            let known = self.known.lock();
            known.account.as_ref().and_then(|a| a.snapshot.as_ref()).map(|s| s.version)
        };
        let opening = self.call(move |relay, access| async move {
            relay.account_events(access.secret(), known).await
        });
        let events = opening.await?;
        backoff.reset();
        if known.is_some() {
            // Connected from that version on: either it is the newest, or a newer one follows.
            self.confirm_snapshot().await;
        }
        self.copy_ledger_soon();
        tokio::select! {
            result = self.read(events) => {
                self.note(&result);
                Ok(result?)
            }
            _ = session.changed() => Ok(()),
        }
    }

    async fn read(self: &Arc<Self>, mut events: Events) -> Result<(), RelayError> {
        while let Some(frame) = events.next().await? {
            if frame.event != "account" {
                continue;
            }
            match serde_json::from_str::<AccountSnapshot>(&frame.data) {
                Ok(snapshot) => self.take_snapshot(snapshot).await,
                Err(error) => tracing::warn!(%error, "an account event could not be read"),
            }
        }
        Ok(())
    }
}
