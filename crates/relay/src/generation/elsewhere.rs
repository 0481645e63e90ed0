//! Generations that another replica runs.
//!
//! Whoever attaches to one here follows a [`Live`] that is fed from what both replicas share: while
//! anybody follows, its row and the spool are looked at every [`LOOK_EVERY`]. So its text is the same,
//! number by number, as the spool has it, and it ends when its row has ended, which another replica
//! sees to if the one that ran it has died. Nobody who has gone costs anything.
//!
//! Stopping is a request that the other replica takes ([`super::stops`]).

use super::live::{Key, Live};
use super::stops::{self, Stop};
use super::store::Stored;
use super::{Generations, Inner, STOP_WAITS, SpoolError};
use crate::db::DbError;
use autocrea_protocol::UserId;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How often it is looked whether there is more of one that is followed here.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often each replica takes the requests to stop that are addressed to it.
const HEED_EVERY: Duration = Duration::from_millis(100);
/// How often it is looked whether a request has been heeded.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Why a look failed; the next may not.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl Generations {
    /// Whether another replica runs it, or has been until it died.
    pub(super) fn is_elsewhere(&self, stored: &Stored) -> bool {
        let others = stored.lease.as_ref().is_some_and(|lease| *lease != self.0.lease);
        others && self.0.db.is_shared()
    }

    /// One that runs elsewhere, to be followed here.
    pub(super) async fn follow_elsewhere(
        &self,
        key: Key,
        stored: &Stored,
    ) -> Result<Arc<Live>, SpoolError> {
        let last = self.0.spool.last(&key).await?;
        let mut elsewhere = self.0.elsewhere.lock();
        if let Some(live) = elsewhere.get(&key).and_then(Weak::upgrade) {
            return Ok(live);
        }
        let live = Arc::new(Live::elsewhere(key.clone(), stored.reserved.clone(), last));
        elsewhere.insert(key.clone(), Arc::downgrade(&live));
        tokio::spawn(self.clone().keep_looking(key, Arc::downgrade(&live)));
        Ok(live)
    }

    /// Until it has ended, or nobody follows it any more.
    async fn keep_looking(self, key: Key, followed: Weak<Live>) {
        let mut said = false;
        loop {
            sleep(LOOK_EVERY).await;
            let Some(live) = followed.upgrade() else { break };
            if self.0.closing.load(Ordering::Acquire) {
                // Its followers attach again, to a replica that goes on.
                live.break_off();
                break;
            }
            match self.look(&live).await {
                Ok(true) => break,
                Ok(false) => said = false,
                Err(fault) if !said => {
                    tracing::warn!(%fault, "a generation that runs elsewhere cannot be looked at");
                    said = true;
                }
                Err(_) => {}
            }
        }
        let mut elsewhere = self.0.elsewhere.lock();
        if elsewhere.get(&key).is_some_and(|known| known.ptr_eq(&followed)) {
            elsewhere.remove(&key);
        }
    }

    /// Whether it has ended; what there is more of it can be followed now.
    async fn look(&self, live: &Live) -> Result<bool, LookError> {
        // The row first: when it has ended, all of it is in the spool.
        let stored = self.find(&live.key).await?;
        let kept = self.0.spool.last(&live.key).await?;
        match stored {
            Some(Stored { ended: Some(ended), .. }) => {
                live.is_spooled_until(ended.last.unwrap_or(kept));
                live.end(ended.end);
                Ok(true)
            }
            Some(_) => {
                live.is_spooled_until(kept);
                if kept == 0
                    && let Some(notice) = self.0.spool.waking_of(&live.key).await?
                {
                    live.is_waking(notice);
                }
                Ok(false)
            }
            // Whoever it was of has left.
            None => {
                live.break_off();
                Ok(true)
            }
        }
    }

    /// Asks the replica that runs it to stop, and waits for the end, as one that runs here does.
    pub(super) async fn stop_elsewhere(&self, key: &Key, stored: &Stored) -> Result<(), DbError> {
        let Some(lease) = stored.lease.clone() else { return Ok(()) };
        let wanted = key.clone();
        self.0.db.write(move |tx| stops::request(tx, &lease, &wanted)).await?;
        let ended = async {
            loop {
                sleep(ASK_EVERY).await;
                if self.find(key).await?.is_none_or(|stored| stored.ended.is_some()) {
                    return Ok(());
                }
            }
        };
        timeout(STOP_WAITS, ended).await.unwrap_or(Ok(()))
    }

    /// Has every other replica stop what somebody is running who has left, and waits until they know.
    pub(super) async fn forget_elsewhere(&self, user: &UserId) -> Result<(), DbError> {
        if !self.0.db.is_shared() {
            return Ok(());
        }
        let (own, left) = (self.0.lease.clone(), user.clone());
        self.0.db.write(move |tx| stops::request_all_of(tx, &own, &left)).await?;
        let known = async {
            loop {
                sleep(ASK_EVERY).await;
                let user = user.clone();
                if !self.0.db.read(move |tx| stops::is_pending(tx, &user)).await? {
                    return Ok(());
                }
            }
        };
        timeout(STOP_WAITS, known).await.unwrap_or(Ok(()))
    }

    /// Stops what other replicas have asked this one to stop, for as long as there is anybody to ask.
    pub(super) async fn heed(inner: Weak<Inner>) {
        let mut said = false;
        loop {
            sleep(HEED_EVERY).await;
            let Some(this) = inner.upgrade().map(Self) else { return };
            let lease = this.0.lease.clone();
            let taken = this.0.db.write(move |tx| stops::take(tx, &lease)).await;
            match taken {
                Ok(stops) => {
                    said = false;
                    stops.iter().for_each(|stop| this.stop_what_is_meant(stop));
                }
                Err(DbError::Closed) => return,
                Err(fault) if !said => {
                    tracing::error!(%fault, "requests to stop cannot be looked at");
                    said = true;
                }
                Err(_) => {}
            }
        }
    }

    fn stop_what_is_meant(&self, stop: &Stop) {
        let running = self.0.running.lock();
        let meant = running.values().filter(|live| stop.means(&live.key));
        meant.for_each(|live| live.stop(stop.reason()));
    }
}
