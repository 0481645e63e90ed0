//! Mails: each caused by the real thing, sent once, in the right language.

mod first_days;
pub mod post;
mod sending;
mod stopping;
mod subscriptions;
mod tokens;
