//! What the plans cost, read from Stripe's Price objects.
//!
//! A price that cannot be read keeps what was known of it; one that Stripe does not know is loud,
//! because then nobody can buy that plan.

use super::Billing;
use crate::stripe::StripeFault;
use autocrea_protocol::PlanId;
use autocrea_protocol::config::Price;
use std::collections::HashMap;

/// Reads all prices of the catalogue.
///
/// # Errors
/// When Stripe does not answer; what was known stays.
pub async fn refresh(billing: &Billing) -> Result<(), StripeFault> {
    let mut read: HashMap<PlanId, Vec<Price>> = HashMap::new();
    for (id, plan, interval) in billing.book.prices() {
        match billing.stripe.price(id).await {
            Ok(Some(amount)) => read.entry(plan.clone()).or_default().push(Price {
                interval,
                amount: amount.amount,
                currency: amount.currency,
            }),
            Ok(None) => tracing::error!(price = id, "a price of the catalogue has no fixed amount"),
            Err(StripeFault::NotFound(_)) => {
                tracing::error!(price = id, %plan, "Stripe does not know a price of the catalogue");
            }
            Err(fault) if fault.is_passing() => return Err(fault),
            Err(fault) => {
                tracing::error!(price = id, %plan, %fault, "a price of the catalogue cannot be read");
            }
        }
    }
    billing.prices.merge(read);
    Ok(())
}
