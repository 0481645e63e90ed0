//! What a link does, once it has been read.

use crate::Studio;
use crate::account::Online;
use crate::deep_link::{self, CheckoutAnswer, Link};
use crate::error::{Error, Thing};
use crate::ipc::{Destination, Tone};
use crate::store;
use std::sync::Arc;

impl Studio {
    /// Follows an `autocrea://` link, on a cold start or while running. Where it leads is announced
    /// (and is where a page that is not there yet begins); a refusal is said in passing, so the
    /// caller need not tell it again.
    ///
    /// # Errors
    /// If the link is refused; it has had no effect then.
    pub async fn open_deep_link(&self, url: &str) -> Result<(), Error> {
        let online = self.online()?;
        let followed = match deep_link::parse(url) {
            Ok(link) => follow(online, link).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = &followed {
            // The link itself is not logged: it may carry a code.
            tracing::info!(%error, "a link was refused");
            online.notice_text(Tone::Bad, self.problem(error).message);
        }
        followed
    }
}

async fn follow(online: &Arc<Online>, link: Link) -> Result<(), Error> {
    match link {
        Link::Auth(answer) => online.finish_sign_in(answer).await,
        Link::Checkout(CheckoutAnswer::Cancelled) => online.checkout_cancelled().await,
        Link::Checkout(CheckoutAnswer::Returned { session_id }) => {
            online.checkout_returned(session_id).await
        }
        Link::Portal => {
            online.go(Destination::Settings);
            // What was changed there also comes by the stream; asking only makes it sooner.
            if let Err(error) = online.sync(None).await {
                tracing::debug!(%error, "the return from the portal could not be synced");
            }
            Ok(())
        }
        Link::Project(id) => {
            let found = online.store.read(move |db| store::projects::get(db, id)).await?;
            found.ok_or(Error::NotFound(Thing::Project))?;
            online.go(Destination::Project { id });
            Ok(())
        }
    }
}
