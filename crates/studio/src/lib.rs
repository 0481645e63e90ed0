//! The AUTOCREA app without a window.

pub mod deep_link;
pub mod ipc;
pub mod relay;
pub mod vault;
