//! The one module that speaks to Stripe.
pub mod envelope;
pub mod signature;
