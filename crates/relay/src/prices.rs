//! What the plans cost, as Stripe last said; empty while Stripe has never been reached.
//!
//! Billing writes it whenever it has read the prices; the public routes read it.

use autocrea_protocol::PlanId;
use autocrea_protocol::config::Price;
use parking_lot::RwLock;
use std::collections::HashMap;

/// The prices by plan.
#[derive(Debug, Default)]
pub struct Prices {
    known: RwLock<HashMap<PlanId, Vec<Price>>>,
}

impl Prices {
    /// A plan's, by the month first.
    #[must_use]
    pub fn of(&self, plan: &PlanId) -> Vec<Price> {
        self.known.read().get(plan).cloned().unwrap_or_default()
    }

    /// Replaces all of them.
    pub fn set(&self, mut prices: HashMap<PlanId, Vec<Price>>) {
        for of_plan in prices.values_mut() {
            of_plan.sort_by_key(|price| price.interval);
        }
        *self.known.write() = prices;
    }
}
