//! Plans, payments and the tokens they bring.
//!
//! A webhook only says that something about a customer may have changed. Its raw event becomes
//! durable in the [`inbox`] before Stripe is answered; the [`worker`] then asks Stripe what the
//! customer's state *is* ([`facts`]), decides by pure rules what should stand here ([`fold`](mod@fold)) and
//! makes it so ([`apply`](mod@apply)) in one transaction together with the event's mark. The return from
//! checkout ([`checkout`]) and the reconciliation ([`reconcile`]) go the same way through
//! [`refresh`](mod@refresh), so whichever is first wins and the others change nothing.
//!
//! Deliberately not here: HTTP to Stripe (`crate::stripe`), balances (`crate::ledger`).

pub mod apply;
pub mod checkout;
pub mod commands;
pub mod customers;
pub mod departed;
pub mod facts;
pub mod fold;
pub mod inbox;
pub mod intake;
pub mod locks;
pub mod lots;
mod months;
pub mod packed;
pub mod periods;
pub mod pricebook;
pub mod prices;
pub mod reconcile;
pub mod refresh;
pub mod worker;

#[cfg(test)]
mod fold_tests;

use crate::changes::Changes;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Db, DbError};
use crate::prices::Prices;
use crate::stripe::{Stripe, StripeFault};
use autocrea_protocol::account::Interval;
use locks::Locks;
use pricebook::PriceBook;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Billing, with all that it needs.
pub struct Billing {
    /// The configuration.
    pub config: Arc<Config>,
    /// The database.
    pub db: Db,
    /// The time.
    pub clock: Clock,
    /// Stripe.
    pub stripe: Stripe,
    /// What the plans cost, as Stripe last said.
    pub prices: Prices,
    /// Price → plan.
    pub book: Arc<PriceBook>,
    /// One fold at a time a customer, one checkout at a time a person.
    pub locks: Locks,
    /// Wakes the worker: something is in the inbox.
    pub wake: Notify,
    /// Cancelled when the relay begins to stop.
    pub stopping: CancellationToken,
}

impl Billing {
    /// On a database that is open.
    ///
    /// # Errors
    /// When Stripe's client cannot be made.
    pub fn new(
        config: Arc<Config>,
        db: Db,
        clock: Clock,
        stopping: CancellationToken,
    ) -> Result<Arc<Self>, StripeFault> {
        let stripe = Stripe::new(&config.stripe.secret_key, &config.stripe.api_base)?;
        let book = Arc::new(book(&config));
        Ok(Arc::new(Self {
            config,
            locks: Locks::of(db.clone()),
            db,
            clock,
            stripe,
            prices: Prices::default(),
            book,
            wake: Notify::new(),
            stopping,
        }))
    }

    /// On a database of its own, for a command that runs while the relay itself may be running:
    /// it touches nothing but what is billing's.
    ///
    /// # Errors
    /// When the database or Stripe's client cannot be opened.
    pub fn open(config: Config) -> Result<Arc<Self>, BillingError> {
        let clock = Clock::system();
        let db = Db::open(&config.database, clock.clone(), Changes::default())?;
        Ok(Self::new(Arc::new(config), db, clock, CancellationToken::new())?)
    }
}

fn book(config: &Config) -> PriceBook {
    let grace = i64::try_from(config.stripe.grace.as_millis()).unwrap_or(i64::MAX);
    config.plans.iter().fold(PriceBook::new(grace), |book, plan| {
        let prices: Vec<(Interval, &str)> = [Interval::Month, Interval::Year]
            .into_iter()
            .filter_map(|interval| plan.price_id(interval).map(|price| (interval, price)))
            .collect();
        book.with(&plan.id, plan.tokens, &prices)
    })
}

/// What can go wrong on the way from Stripe to the database.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BillingError {
    /// Stripe.
    #[error(transparent)]
    Stripe(#[from] StripeFault),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The rules: nothing was changed.
    #[error(transparent)]
    Fold(#[from] fold::FoldError),
}

impl From<apply::ApplyError> for BillingError {
    fn from(error: apply::ApplyError) -> Self {
        match error {
            apply::ApplyError::Fold(error) => Self::Fold(error),
            apply::ApplyError::Db(error) => Self::Db(error),
        }
    }
}

/// `whole` × `part` / `of`, rounded down, without overflow.
pub(crate) fn share(whole: i64, part: i64, of: i64) -> i64 {
    if of <= 0 {
        return 0;
    }
    let product = i128::from(whole) * i128::from(part) / i128::from(of);
    i64::try_from(product).unwrap_or(i64::MAX)
}
