//! Generations over HTTP, against the sandbox's model.

pub mod stage;

mod attaching;
mod dying;
mod ending;
mod limits;
mod storm;
mod streaming;
