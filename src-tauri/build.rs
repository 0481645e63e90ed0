//! Generates what Tauri needs at compile time. The package's root is the workspace's, so the
//! capabilities have to be pointed at.
fn main() {
    let attributes =
        tauri_build::Attributes::new().capabilities_path_pattern("src-tauri/capabilities/**/*");
    if let Err(error) = tauri_build::try_build(attributes) {
        panic!("tauri-build: {error:#}");
    }
}
