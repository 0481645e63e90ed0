//! Paying, in the browser, and noticing that it has been paid.
//!
//! Three ways lead to the same state, and whichever is first wins: the account stream, the deep
//! link back, and asking the relay every now and then. A wait is stored, so that an app that was
//! closed meanwhile goes on with it. Deliberately not here: what a plan costs or grants.

use super::Online;
use crate::Studio;
use crate::clock;
use crate::error::Error;
use crate::ipc::{AccountState, CheckoutChoice, CheckoutWait, Destination, Tone};
use crate::messages::OnlineMessage;
use crate::relay::{Backoff, is_loopback};
use crate::store;
use crate::store::account::Checkout;
use autocrea_protocol::billing::CheckoutRequest;
use autocrea_protocol::{AccountSnapshot, ErrorCode, SubscriptionStatus};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Asking: soon at first, then less often.
const FIRST_ASK: Duration = Duration::from_secs(4);
const LAST_ASK: Duration = Duration::from_secs(20);
/// A Checkout session lives for a day; a person who has not paid after this has left.
const GIVE_UP: i64 = 60 * 60 * 1000;

impl Online {
    /// Looks whether what is waited for has come.
    pub(super) async fn see_checkout(&self) {
        let ready = {
            let known = self.known.lock();
            let snapshot = known.account.as_ref().and_then(|account| account.snapshot.as_ref());
            match (&known.checkout, snapshot) {
                (Some(checkout), Some(snapshot)) if is_there(&checkout.wait, snapshot) => {
                    let plans = known.config.iter().flat_map(|config| &config.plans);
                    let plan = plans.clone().find(|plan| plan.id == checkout.wait.plan_id);
                    let id = checkout.wait.plan_id.as_str();
                    Some(plan.map_or_else(|| id.to_owned(), |plan| plan.name.clone()))
                }
                _ => None,
            }
        };
        if let Some(plan) = ready
            && self.end_checkout().await
        {
            self.notice(Tone::Good, &OnlineMessage::PlanReady { plan });
        }
    }

    /// Waits no longer; false if nothing was waited for.
    pub(crate) async fn end_checkout(&self) -> bool {
        let user = {
            let mut known = self.known.lock();
            if known.checkout.take().is_none() {
                return false;
            }
            known.account.as_ref().map(|account| account.user_id.clone())
        };
        if let Some(user) = user {
            let saving = self.store.write(move |db| store::account::forget_checkout(db, &user));
            if let Err(error) = saving.await {
                tracing::warn!(%error, "the end of a checkout could not be kept");
            }
        }
        self.announce_account();
        true
    }

    /// Asks after the checkout that is waited for, until it ends one way or another.
    pub(crate) fn wait_for_checkout(self: &Arc<Self>) {
        let online = Arc::clone(self);
        tokio::spawn(async move {
            let stopped = online.stop.clone();
            tokio::select! {
                () = stopped.cancelled() => {}
                () = online.ask_after_checkout() => {}
            }
        });
    }

    async fn ask_after_checkout(self: &Arc<Self>) {
        let mine = self.known.lock().checkout.clone();
        let mut backoff = Backoff::new(FIRST_ASK, LAST_ASK);
        loop {
            tokio::time::sleep(backoff.pause()).await;
            let Some(waiting) = self.known.lock().checkout.clone() else { return };
            if Some(&waiting) != mine.as_ref() {
                return;
            }
            let age = clock::now().millis_since(waiting.wait.started_at);
            // A clock that was set back does not make it wait for ever.
            if !(-GIVE_UP..GIVE_UP).contains(&age) {
                self.end_checkout().await;
                return;
            }
            if let Err(error) = self.sync(waiting.session_id.clone()).await {
                tracing::debug!(%error, "the checkout is asked after again later");
            }
        }
    }

    /// Has the relay ask Stripe now, and takes in what it says.
    pub(crate) async fn sync(self: &Arc<Self>, session_id: Option<String>) -> Result<(), Error> {
        let asking = self.call(move |relay, access| {
            let session_id = session_id.clone();
            async move { relay.sync(access.secret(), session_id).await }
        });
        let snapshot = asking.await?;
        self.take_snapshot(snapshot).await;
        Ok(())
    }

    /// The browser came back from Checkout with a session.
    pub(crate) async fn checkout_returned(self: &Arc<Self>, session: String) -> Result<(), Error> {
        match self.sync(Some(session)).await {
            Ok(()) => {
                if self.known.lock().checkout.is_some() {
                    self.notice(Tone::Neutral, &OnlineMessage::CheckoutPending);
                }
            }
            Err(Error::Relay(error)) if error.code() == Some(ErrorCode::NotFound) => {
                return Err(Error::Online(OnlineMessage::CheckoutForeign));
            }
            // The stream or the next asking will tell; the way back is not blocked by it.
            Err(Error::Relay(error)) if error.is_passing() => {
                self.notice(Tone::Neutral, &OnlineMessage::CheckoutPending);
            }
            Err(error) => return Err(error),
        }
        self.go(Destination::Dashboard);
        Ok(())
    }

    /// The person turned back.
    pub(crate) async fn checkout_cancelled(&self) -> Result<(), Error> {
        if !self.end_checkout().await {
            return Err(Error::Online(OnlineMessage::CheckoutNotAwaited));
        }
        self.notice(Tone::Neutral, &OnlineMessage::CheckoutCancelled);
        self.go(Destination::Plans);
        Ok(())
    }

    /// Whether an address may be opened: https anywhere, and on loopback (development) only what the
    /// relay itself has named.
    fn may_open(&self, url: &Url) -> bool {
        if url.scheme() == "https" {
            return url.has_host();
        }
        if url.scheme() != "http" || !is_loopback(url) {
            return false;
        }
        let known = self.known.lock();
        let links = known.config.iter().flat_map(|config| {
            let links = &config.links;
            [&links.support, &links.terms, &links.privacy, &links.enterprise]
                .into_iter()
                .flatten()
                .chain([&config.redirects.auth, &config.redirects.checkout])
        });
        let open = known.attempt.iter().map(|attempt| &attempt.url);
        let open = open.chain(known.checkout.iter().map(|checkout| &checkout.wait.url));
        let mut named = links.chain(open).filter_map(|link| Url::parse(link).ok());
        url.origin() == self.relay.base().origin()
            || named.any(|link| link.origin() == url.origin())
    }
}

/// Whether the plan that was chosen is in force and paid for.
fn is_there(wait: &CheckoutWait, snapshot: &AccountSnapshot) -> bool {
    let subscription = &snapshot.subscription;
    let is_paid = matches!(
        subscription.status,
        Some(SubscriptionStatus::Active | SubscriptionStatus::Trialing)
    );
    subscription.plan_id == wait.plan_id && is_paid
}

impl Studio {
    /// Opens Checkout (or, with a live subscription, the portal's plan change) in the browser.
    ///
    /// # Errors
    /// If nobody is signed in, the relay refuses, or there is no browser: its message carries the
    /// address, and the wait goes on.
    pub async fn checkout_start(&self, choice: CheckoutChoice) -> Result<AccountState, Error> {
        let (online, user) = self.signed_in()?;
        let what =
            CheckoutRequest { plan_id: choice.plan_id.clone(), interval: Some(choice.interval) };
        let opening = online.call(move |relay, access| {
            let what = what.clone();
            async move { relay.create_checkout(access.secret(), &what).await }
        });
        let opened = opening.await?;
        let wait = CheckoutWait {
            plan_id: choice.plan_id,
            url: opened.url.clone(),
            started_at: clock::now(),
        };
        let checkout = Checkout { wait, session_id: opened.session_id };
        let copy = checkout.clone();
        let saving = online.store.write(move |db| store::account::save_checkout(db, &user, &copy));
        saving.await?;
        online.known.lock().checkout = Some(checkout);
        online.announce_account();
        online.wait_for_checkout();
        online.browse(&opened.url)?;
        Ok(online.state())
    }

    /// Stops waiting for a checkout. What is paid all the same is credited all the same.
    ///
    /// # Errors
    /// If the store is closed.
    pub async fn checkout_forget(&self) -> Result<AccountState, Error> {
        let online = self.online()?;
        online.end_checkout().await;
        Ok(online.state())
    }

    /// Opens the billing portal in the browser.
    ///
    /// # Errors
    /// If nobody is signed in, has ever paid, the relay refuses, or there is no browser.
    pub async fn portal_open(&self) -> Result<(), Error> {
        let (online, _) = self.signed_in()?;
        let opening =
            online.call(|relay, access| async move { relay.create_portal(access.secret()).await });
        let portal = opening.await?;
        online.browse(&portal.url)
    }

    /// Opens an address in the browser: https, or what the relay itself has named.
    ///
    /// # Errors
    /// If it is another address, or there is no browser.
    pub async fn open_external(&self, url: String) -> Result<(), Error> {
        let online = self.online()?;
        let address = Url::parse(&url).ok().filter(|address| online.may_open(address));
        let address = address.ok_or(Error::Online(OnlineMessage::AddressRefused))?;
        online.browse(address.as_str())
    }
}
