//! Generates what Tauri needs at compile time.
//!
//! The package's root is the workspace's, so the capabilities have to be pointed at. The page is
//! embedded from `ui/dist`; where it has not been built yet (a plain `cargo build` on a fresh
//! clone) a page that says how takes its place, so that the Rust side can be worked on alone.

use std::fs;
use std::path::Path;

const NOT_BUILT: &str = "<!doctype html><meta charset=\"utf-8\"><title>AUTOCREA</title>\
    <p>The page has not been built. Run <code>cargo xtask run</code>.</p>";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dist = Path::new("ui/dist");
    if !dist.join("index.html").exists() {
        fs::create_dir_all(dist)?;
        fs::write(dist.join("index.html"), NOT_BUILT)?;
    }
    println!("cargo:rerun-if-changed=ui/dist");
    let attributes =
        tauri_build::Attributes::new().capabilities_path_pattern("src-tauri/capabilities/**/*");
    Ok(tauri_build::try_build(attributes)?)
}
