//! Stripe's twin: as much of Stripe as AUTOCREA's relay needs, in the shapes of API version
//! 2026-09-30.endive, with hosted Checkout and portal pages that a person or a script can use.
//!
//! How data passes through: an HTTP call comes in at [`door`] (key, idempotency), is parsed by
//! [`form`] and looked up in the table of [`routes`]; the functions there are methods of
//! [`books::Books`], written in one file a noun. They change objects and record events. The hosted
//! pages ([`hosted`]) and the test API (`control`) call the same methods. [`delivery`] sends the
//! events to the webhook endpoints. [`cycle`] does what time brings, by a clock that can be moved.
//!
//! Deliberately not there: taxes, discounts, several items a subscription, payment methods other
//! than cards, Connect, live mode, and the hour that a renewal invoice stays a draft.

mod books;
mod calendar;
mod card;
mod catalogue;
mod change;
mod checkout;
mod collecting;
mod configuration;
mod control;
mod customer;
mod customer_balance;
mod cycle;
mod delivery;
mod desk;
mod dispute;
mod door;
mod ending;
mod endpoint;
mod event;
mod expand;
mod failure;
mod form;
mod hosted;
mod ids;
mod invoice;
mod invoice_payment;
mod keeping;
mod listing;
pub mod official;
mod paying;
mod payment;
mod portal;
mod refund;
mod routes;
mod section;
mod subscription;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use tokio::task::JoinHandle;

pub use books::AfterLastRetry;
pub use calendar::Interval;
pub use card::TestCard;
pub use catalogue::Prices;
pub use change::Proration;
pub use checkout::{SessionPayment, SessionStatus};
pub use control::{EventSeen, Refused};
pub use delivery::sign;
pub use desk::Request;
pub use dispute::DisputeStatus;
pub use subscription::SubscriptionStatus;

use crate::clock::Clock;
use crate::serving::{Bound, Serving};
use books::Books;
use desk::Desk;

/// The one secret key that the API takes.
pub const SECRET_KEY: &str = "sk_test_autocrea_sandbox";

/// How Stripe is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// 0 takes any free port.
    pub port: u16,
    /// What time it is for Stripe.
    pub clock: Clock,
}

/// A running twin of Stripe; stops when dropped.
pub struct Stripe {
    desk: Arc<Desk>,
    serving: Serving,
    client: reqwest::Client,
    courier: JoinHandle<()>,
    /// Where the books are kept, and what keeps them.
    kept: Option<(PathBuf, JoinHandle<()>)>,
}

impl std::fmt::Debug for Stripe {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stripe").field("url", &self.serving.url()).finish_non_exhaustive()
    }
}

impl Drop for Stripe {
    fn drop(&mut self) {
        self.courier.abort();
        if let Some((_, keeper)) = &self.kept {
            keeper.abort();
        }
    }
}

impl Stripe {
    /// Starts it.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        Self::start_kept(options, None).await
    }

    /// Starts it with the books that are kept in that file, and keeps them there; without a file,
    /// or with none that can be read yet, the books are new.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start_kept(options: Options, file: Option<PathBuf>) -> anyhow::Result<Self> {
        let bound = Bound::to(options.port).await?;
        let known = file.as_deref().and_then(|file| keeping::open(file, &options.clock));
        let mut books = known.unwrap_or_else(|| {
            let mut books = Books { now: options.clock.now_secs(), ..Books::default() };
            books.stock_catalogue();
            books.stock_configuration();
            books
        });
        books.url = bound.url();
        let desk = Arc::new(Desk::new(books, options.clock));
        let router = Router::new()
            .route("/v1/{*path}", any(door::answer))
            .merge(hosted::routes())
            .merge(section::routes())
            .with_state(Arc::clone(&desk));
        let client = crate::http_client();
        let courier = tokio::spawn(delivery::run(Arc::clone(&desk), client.clone()));
        let kept = file.map(|file| {
            let keeper = tokio::spawn(keeping::run(Arc::clone(&desk), file.clone()));
            (file, keeper)
        });
        Ok(Self { desk, serving: bound.serve(router), client, courier, kept })
    }

    /// Writes the books a last time, if they are kept. Changes after that are not kept.
    pub fn put_away(&self) {
        if let Some((file, keeper)) = &self.kept {
            keeper.abort();
            keeping::write(&self.desk, file);
        }
    }

    /// Base address, without `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        self.serving.url().to_owned()
    }

    /// The ids of AUTOCREA's six paid prices.
    #[must_use]
    pub fn prices(&self) -> Prices {
        Prices::default()
    }

    /// The variables that a relay needs to use it. The webhook secret is there once
    /// [`Stripe::webhook_target`] has been told it.
    #[must_use]
    pub fn relay_env(&self) -> Vec<(String, String)> {
        let prices = self.prices();
        let mut env = vec![
            ("STRIPE_API_BASE", self.url()),
            ("STRIPE_SECRET_KEY", SECRET_KEY.to_owned()),
            ("STRIPE_CREATOR_PRICE_ID", prices.creator),
            ("STRIPE_CREATOR_YEARLY_PRICE_ID", prices.creator_yearly),
            ("STRIPE_PRO_PRICE_ID", prices.pro),
            ("STRIPE_PRO_YEARLY_PRICE_ID", prices.pro_yearly),
            ("STRIPE_BUSINESS_PRICE_ID", prices.business),
            ("STRIPE_BUSINESS_YEARLY_PRICE_ID", prices.business_yearly),
        ];
        let secret = self.desk.peek(|books| {
            books.endpoints.newest_first().next().map(|endpoint| endpoint.secret.clone())
        });
        if let Some(secret) = secret {
            env.push(("STRIPE_WEBHOOK_SECRET", secret));
        }
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Sends every event that happens from now on to `url`, signed with `secret`. The same address
    /// again only changes the secret.
    pub fn webhook_target(&self, url: &str, secret: &str) {
        self.desk.with(|books| books.aim(url, secret));
    }

    /// What the index page shows of it.
    #[must_use]
    pub fn index_section(&self) -> String {
        section::html(&self.desk)
    }
}
