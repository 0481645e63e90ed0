//! Stripe's twin. Only its outline is here yet.

use crate::clock::Clock;

/// How Stripe is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// 0 takes any free port.
    pub port: u16,
    /// What time it is for Stripe.
    pub clock: Clock,
}

/// A running twin of Stripe; stops when dropped.
#[derive(Debug)]
pub struct Stripe {
    serving: crate::serving::Serving,
}

impl Stripe {
    /// Starts it.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let bound = crate::serving::Bound::to(options.port).await?;
        Ok(Self { serving: bound.serve(axum::Router::new()) })
    }

    /// Base address, without `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        self.serving.url().to_owned()
    }

    /// The variables that a relay needs to use it.
    #[must_use]
    pub fn relay_env(&self) -> Vec<(String, String)> {
        vec![("STRIPE_API_BASE".to_owned(), self.url())]
    }

    /// Where events are sent, and what signs them.
    pub fn webhook_target(&self, _url: &str, _secret: &str) {}

    /// What the index page shows of it.
    #[must_use]
    pub fn index_section(&self) -> String {
        String::new()
    }
}
