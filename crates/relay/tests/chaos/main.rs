//! Money survives anything: the real program is killed, doubled and worn, under a load of buying
//! and generating, and then everything must add up. The short form runs every day; the long one
//! with `cargo xtask test --long`, or `RELAY_TEST_LONG=1`.

#![allow(dead_code, reason = "each file uses its own part of the support")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "a test ends where it cannot go on, and says what it did"
)]

mod audit;
mod crashes;
mod form;
mod model;
mod postman;
mod relay;
mod replicas;
mod shop;
mod soak;
mod stage;
mod twin;
mod writers;

#[path = "../relay/support/mod.rs"]
mod support;
