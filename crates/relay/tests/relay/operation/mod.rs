//! What an operator sees of a relay: its metrics, its traces, its logs.

mod check;
mod logs;
mod metrics;
mod setup;
mod traces;
