//! The AUTOCREA app without a window.

pub mod ipc;
