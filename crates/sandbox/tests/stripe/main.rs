//! The sandbox's Stripe, as the relay, a browser, a test and Stripe's own libraries meet it.
#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why and ends")]

mod api;
mod node;
mod pages;
mod support;
mod time;
mod types;
mod webhooks;
