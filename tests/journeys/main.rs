//! Journeys: what a person does with AUTOCREA, done through the real window.

#![cfg(target_os = "linux")]

mod support;
