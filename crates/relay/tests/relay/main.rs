//! The relay's promises, over real HTTP against the sandbox. One program, so that it is linked once;
//! a file a noun.

#![allow(dead_code, reason = "each file uses its own part of the support")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test ends where it cannot go on"
)]

mod support;

mod account;
mod attacks;
mod auth;
mod checkout;
mod clerk_webhooks;
mod config;
mod db;
mod departure;
mod event_order;
mod generate;
mod ledger;
mod ledger_side_by_side;
mod mail;
mod operation;
mod program;
mod redis;
mod replicas;
mod retention;
mod routes;
mod side_by_side;
mod stripe_commands;
mod stripe_outages;
mod stripe_webhooks;
mod subscriptions;
