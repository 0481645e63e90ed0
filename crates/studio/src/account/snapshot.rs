//! Taking the relay's snapshots in: kept first, shown then.
//!
//! They come by the stream, by asking and by the return from a checkout, in any order; the version
//! decides which is the newest, and one of somebody else changes nothing.

use super::Online;
use crate::clock;
use crate::store;
use autocrea_protocol::AccountSnapshot;
use std::sync::Arc;

impl Online {
    /// Takes a snapshot in.
    pub(crate) async fn take_snapshot(self: &Arc<Self>, snapshot: AccountSnapshot) {
        if !self.is_news(&snapshot) {
            return;
        }
        let (copy, now) = (snapshot.clone(), clock::now());
        let saving = self
            .store
            .write(move |db| store::account::save_snapshot(db, &copy.user.id, &copy, now));
        if let Err(error) = saving.await {
            // It is a copy: showing what the relay says is better than showing what is old.
            tracing::warn!(%error, "the account snapshot could not be kept");
        }
        if !self.is_news(&snapshot) {
            return;
        }
        let grown = {
            let mut known = self.known.lock();
            let Some(account) = &mut known.account else { return };
            let before = account.snapshot.as_ref().map(|before| before.version);
            let grown = before != Some(snapshot.version);
            account.snapshot_at = Some(now);
            account.snapshot = Some(snapshot);
            grown
        };
        self.announce_account();
        self.see_checkout().await;
        if grown {
            self.copy_ledger_soon();
        }
    }

    /// Of the person who is known here, and not older than what is known of them.
    fn is_news(&self, snapshot: &AccountSnapshot) -> bool {
        let known = self.known.lock();
        let account = known.account.as_ref().filter(|a| a.user_id == snapshot.user.id);
        account.is_some_and(|account| {
            account.snapshot.as_ref().is_none_or(|old| old.version <= snapshot.version)
        })
    }

    /// The relay has confirmed that what is known is the newest.
    pub(super) async fn confirm_snapshot(&self) {
        let now = clock::now();
        let user = {
            let mut known = self.known.lock();
            let Some(account) = known.account.as_mut().filter(|a| a.snapshot.is_some()) else {
                return;
            };
            account.snapshot_at = Some(now);
            account.user_id.clone()
        };
        let saving = self.store.write(move |db| store::account::confirm_snapshot(db, &user, now));
        if let Err(error) = saving.await {
            tracing::warn!(%error, "the account's age could not be kept");
        }
        self.announce_account();
    }
}
