//! Many generations at once: those of a relay that stops, and those of a person who leaves.

use super::live::StopReason;
use super::{Generations, STOP_WAITS, SpoolError};
use crate::db::DbError;
use autocrea_protocol::UserId;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

/// Why a person's generations are not all gone.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The spool refused.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The other replicas could not be asked.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl Generations {
    /// Takes no more generations, gives those that run `grace` to end, and interrupts the rest.
    pub async fn drain(&self, grace: Duration) {
        self.0.closing.store(true, Ordering::Release);
        if timeout(grace, self.all_ended()).await.is_err() {
            let running: Vec<_> = self.0.running.lock().values().cloned().collect();
            tracing::warn!(interrupted = running.len(), "generations are interrupted by the stop");
            running.iter().for_each(|live| live.stop(StopReason::Relay));
            timeout(STOP_WAITS, self.all_ended()).await.ok();
        }
    }

    async fn all_ended(&self) {
        loop {
            let next = self.0.running.lock().values().next().cloned();
            match next {
                Some(live) => live.wait_end().await,
                None => return,
            }
            tokio::task::yield_now().await;
        }
    }

    /// Interrupts whatever a person is running, on any replica, and removes their text, when they
    /// leave.
    ///
    /// # Errors
    /// If the spool or the database refuses.
    pub async fn forget(&self, user: &UserId) -> Result<(), ForgetError> {
        let theirs: Vec<_> = {
            let running = self.0.running.lock();
            running.values().filter(|live| live.key.user == *user).cloned().collect()
        };
        theirs.iter().for_each(|live| live.stop(StopReason::Relay));
        let ended = async {
            for live in &theirs {
                live.wait_end().await;
            }
        };
        timeout(STOP_WAITS, ended).await.ok();
        self.forget_elsewhere(user).await?;
        Ok(self.0.spool.forget(user).await?)
    }
}
