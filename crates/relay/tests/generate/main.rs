//! Generations over HTTP, against the sandbox's model.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test ends where it cannot go on"
)]

mod stage;
#[path = "../support/mod.rs"]
mod support;

mod attaching;
mod dying;
mod ending;
mod limits;
mod storm;
mod streaming;
