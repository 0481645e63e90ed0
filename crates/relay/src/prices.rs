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

    /// Puts what was read over what is known; a price that was not read stays as it was.
    pub fn merge(&self, read: HashMap<PlanId, Vec<Price>>) {
        let mut known = self.known.write();
        for (plan, prices) in read {
            let of_plan = known.entry(plan).or_default();
            of_plan.retain(|old| prices.iter().all(|new| new.interval != old.interval));
            of_plan.extend(prices);
            of_plan.sort_by_key(|price| price.interval);
        }
    }
}
