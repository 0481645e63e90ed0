//! Embeds the migrations anew when one has been added: the macro only watches those it has seen.

#![allow(clippy::print_stdout, reason = "this is how a build script talks to Cargo")]

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/relay/sqlite");
    println!("cargo:rerun-if-changed=../../migrations/relay/postgres");
    println!("cargo:rerun-if-changed=build.rs");
}
