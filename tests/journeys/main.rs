//! Journeys: what a person does with AUTOCREA, done through the real window.

#![cfg(target_os = "linux")]

mod crashes;
mod links;
mod main_job;
mod money;
mod preview;
mod real_model;
mod support;
