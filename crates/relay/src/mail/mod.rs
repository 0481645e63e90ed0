//! Mails: what is told to whom, once, in their language.
//!
//! Whatever causes a mail (somebody new, a settled generation, a fold of billing, a day that has
//! passed) [`put`](outbox::put)s a row into the [`outbox`] in its own transaction, with the [`news`]
//! that only it knows. The [`worker`] takes what is due, decides whether it is still wanted, has it
//! written ([`words`], [`letter`]) in the person's language of that moment, keeps what was written,
//! and hands it to Resend under a key that never changes.
//!
//! What is promotional carries a link that ends it ([`unsubscribe`]); an address that bounced or
//! complained is not written to again ([`suppression`]). Deliberately not here: HTTP
//! (`crate::resend`), and who is erased and when (`crate::account`).

mod format;
mod keys;
pub mod letter;
#[cfg(test)]
mod letter_tests;
pub mod news;
pub mod onboarding;
pub mod outbox;
pub mod reader;
pub mod subscriptions;
pub mod suppression;
pub mod thresholds;
pub mod unsubscribe;
mod words;
pub mod worker;

pub use keys::Keys;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, DbError, Tx};
use crate::resend::Resend;
use autocrea_protocol::{UnixMillis, UserId};
use news::News;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Mails, with all that they need.
pub struct Mail {
    config: Arc<Config>,
    db: Db,
    clock: Clock,
    /// Hashes addresses and signs links.
    pub keys: Keys,
    resend: Option<Resend>,
    /// Until when Resend has asked for patience.
    patience: Mutex<UnixMillis>,
    /// When the series of the first days was last looked at.
    swept_at: Mutex<Option<UnixMillis>>,
    stopping: CancellationToken,
}

/// Why mails cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// An HTTP client could not be made.
    #[error("an HTTP client could not be made: {0}")]
    Http(#[from] reqwest::Error),
    /// The machine gives no random numbers.
    #[error("no random numbers could be had: {0}")]
    Random(getrandom::Error),
}

impl Mail {
    /// On a database that is open.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(
        config: Arc<Config>,
        db: Db,
        clock: Clock,
        stopping: CancellationToken,
    ) -> Result<Arc<Self>, OpenError> {
        let resend = Resend::new(&config.resend)?;
        if resend.is_none() {
            tracing::warn!("RESEND_API_KEY is not set: mails are kept and not sent");
        }
        let mut fresh = [[0; keys::LENGTH]; 2];
        for key in &mut fresh {
            getrandom::fill(key).map_err(OpenError::Random)?;
        }
        let keys: Result<_, DbError> = db.write(move |tx| Keys::of(tx, &fresh)).await;
        Ok(Arc::new(Self {
            config,
            db,
            clock,
            keys: keys?,
            resend,
            patience: Mutex::new(UnixMillis(0)),
            swept_at: Mutex::default(),
            stopping,
        }))
    }
}

/// Welcomes somebody who has just come.
///
/// # Errors
/// If the database refuses.
pub fn welcome(tx: &mut Tx<'_>, user: &UserId) -> Result<(), DbError> {
    let now = tx.now();
    outbox::put(tx, user, &News::Welcome, "", now).map(|_| ())
}
