//! Plans, payments and the tokens they bring.
//!
//! A webhook only says that something about a customer may have changed. Its raw event becomes
//! durable in the inbox before Stripe is answered; a worker then asks Stripe what the
//! customer's state *is* ([`facts`]), decides by pure rules what should stand here ([`fold`]) and
//! makes it so in one transaction together with the event's mark. The return from checkout
//! and the reconciliation go the same way, so whichever is first wins and the others change
//! nothing.
//!
//! Deliberately not here: HTTP to Stripe (`crate::stripe`), balances (`crate::ledger`).

pub mod facts;
pub mod fold;
mod months;
pub mod periods;
pub mod pricebook;

#[cfg(test)]
mod fold_tests;

/// `whole` × `part` / `of`, rounded down, without overflow.
pub(crate) fn share(whole: i64, part: i64, of: i64) -> i64 {
    if of <= 0 {
        return 0;
    }
    let product = i128::from(whole) * i128::from(part) / i128::from(of);
    i64::try_from(product).unwrap_or(i64::MAX)
}
