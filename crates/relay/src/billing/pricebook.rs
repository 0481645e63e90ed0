//! Price → plan, and what a plan is worth: the part of the catalogue that the fold needs.
//!
//! Built once from the configuration. The amounts of money are not here: they are Stripe's.

use autocrea_protocol::account::Interval;
use autocrea_protocol::{PlanId, Tokens};
use std::collections::HashMap;

/// The catalogue, by price.
#[derive(Clone, Debug, Default)]
pub struct PriceBook {
    by_price: HashMap<String, (PlanId, Interval)>,
    tokens: HashMap<PlanId, Tokens>,
    grace_millis: i64,
}

impl PriceBook {
    /// An empty one, with so many milliseconds of grace.
    #[must_use]
    pub fn new(grace_millis: i64) -> Self {
        Self { grace_millis, ..Self::default() }
    }

    /// Adds a plan and the prices that buy it.
    #[must_use]
    pub fn with(mut self, plan: &PlanId, tokens: Tokens, prices: &[(Interval, &str)]) -> Self {
        self.tokens.insert(plan.clone(), tokens);
        for (interval, price) in prices {
            self.by_price.insert((*price).to_owned(), (plan.clone(), *interval));
        }
        self
    }

    /// Which plan a price buys, and how often it is paid.
    #[must_use]
    pub fn plan_of(&self, price: &str) -> Option<&(PlanId, Interval)> {
        self.by_price.get(price)
    }

    /// The price of a plan at an interval.
    #[must_use]
    pub fn price_of(&self, plan: &PlanId, interval: Interval) -> Option<&str> {
        self.by_price
            .iter()
            .find(|(_, sold)| sold.0 == *plan && sold.1 == interval)
            .map(|(price, _)| price.as_str())
    }

    /// All prices, in no order.
    pub fn prices(&self) -> impl Iterator<Item = (&str, &PlanId, Interval)> {
        self.by_price.iter().map(|(price, (plan, interval))| (price.as_str(), plan, *interval))
    }

    /// A plan's tokens a period.
    #[must_use]
    pub fn tokens_of(&self, plan: &PlanId) -> Tokens {
        self.tokens.get(plan).copied().unwrap_or_default()
    }

    /// How long a plan is kept after a first failed payment.
    #[must_use]
    pub const fn grace_millis(&self) -> i64 {
        self.grace_millis
    }
}
