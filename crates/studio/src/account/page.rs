//! Telling the page, and the browser.
//!
//! A link can start the app before there is a page to be told of it. So until the page asks for its
//! first paint, where to begin and what to say in passing are kept for it.

use super::Online;
use crate::Studio;
use crate::error::Error;
use crate::ipc::{AccountState, Destination, RelayStatus, Session, StudioEvent, Tone};
use crate::messages::{OnlineMessage, Say};

/// Kept until the page asks for its first paint.
#[derive(Default)]
pub(super) struct Unheard {
    destination: Option<Destination>,
    notices: Vec<StudioEvent>,
}

impl Online {
    /// Tells whoever listens.
    pub(crate) fn announce(&self, event: StudioEvent) {
        self.events.send(event).ok();
    }

    pub(crate) fn announce_account(&self) {
        self.announce(StudioEvent::Account { account: Box::new(self.state()) });
    }

    /// Says something in passing, or as soon as there is a page to say it to.
    pub(crate) fn notice(&self, tone: Tone, message: &OnlineMessage) {
        self.notice_text(tone, message.say((self.language)()));
    }

    pub(crate) fn notice_text(&self, tone: Tone, message: String) {
        let event = StudioEvent::Notice { tone, message };
        if let Some(unheard) = &mut self.known.lock().unheard {
            unheard.notices.push(event);
            return;
        }
        self.announce(event);
    }

    /// Leads the page somewhere, or begins there.
    pub(crate) fn go(&self, to: Destination) {
        if let Some(unheard) = &mut self.known.lock().unheard {
            unheard.destination = Some(to.clone());
        }
        self.announce(StudioEvent::Navigate { to });
    }

    /// The page is there: what it has not heard is said now, and where it begins is answered.
    fn page_is_there(&self) -> Option<Destination> {
        let unheard = self.known.lock().unheard.take()?;
        for notice in unheard.notices {
            self.announce(notice);
        }
        unheard.destination
    }

    /// Opens the person's browser.
    pub(crate) fn browse(&self, url: &str) -> Result<(), Error> {
        (self.open_browser)(url).map_err(|_| {
            // The reason may repeat the address, and that has no place in a log.
            tracing::warn!("no browser could be opened");
            Error::Online(OnlineMessage::NoBrowser { url: url.to_owned() })
        })
    }
}

impl Studio {
    /// Tells a listener that has missed something to read everything again.
    pub fn announce_everything(&self) {
        let Ok(online) = self.online() else { return };
        online.announce(StudioEvent::Projects);
        online.announce(StudioEvent::Ledger);
        online.announce_account();
    }

    /// What the first paint needs of the account side, and where it begins.
    pub(crate) fn account_for_boot(&self) -> (AccountState, Option<Destination>) {
        match self.online() {
            Ok(online) => (online.state(), online.page_is_there()),
            Err(_) => (nothing_known(), None),
        }
    }
}

/// The store is closed.
const fn nothing_known() -> AccountState {
    AccountState {
        session: Session::SignedOut,
        snapshot: None,
        snapshot_at: None,
        relay: RelayStatus::Unknown,
        config: None,
        checkout: None,
    }
}
