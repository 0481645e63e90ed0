//! Prices: the only place where an amount of money comes from.

use super::objects::Price;
use super::{Stripe, StripeFault};
use stripe_product::price::RetrievePrice;

/// What a price costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amount {
    /// Minor units.
    pub amount: i64,
    /// ISO 4217, lower case.
    pub currency: String,
}

impl Stripe {
    /// Looks a price up. None where it has no fixed amount.
    ///
    /// # Errors
    /// As every call.
    pub async fn price(&self, id: &str) -> Result<Option<Amount>, StripeFault> {
        let price: Price = self.get("price", &RetrievePrice::new(id)).await?;
        Ok(price
            .unit_amount
            .zip(price.currency)
            .map(|(amount, currency)| Amount { amount, currency }))
    }
}
