//! Stripe's own npm package, for tests that want its opinion: it is installed once, through the
//! ordinary `npm`, into the workspace's target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

const FILES: [(&str, &str); 4] = [
    ("package.json", include_str!("../../tests/stripe-node/package.json")),
    ("tsconfig.json", include_str!("../../tests/stripe-node/tsconfig.json")),
    ("read.mjs", include_str!("../../tests/stripe-node/read.mjs")),
    ("sign.mjs", include_str!("../../tests/stripe-node/sign.mjs")),
];

/// The folder in which `node read.mjs …` and `node sign.mjs …` run. The first call installs the
/// package; tests that come at the same time wait for it.
///
/// # Errors
/// When there is no `npm`, or it cannot install the package.
pub fn folder() -> anyhow::Result<PathBuf> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    fs::create_dir_all(&target)?;
    let target = target.canonicalize()?;
    let lock = File::create(target.join("stripe-node.lock"))?;
    lock.lock().context("the lock of the npm folder cannot be had")?;
    let folder = target.join("stripe-node");
    fs::create_dir_all(&folder)?;
    let fresh = fs::read_to_string(folder.join("package.json"))
        .is_ok_and(|known| known == FILES[0].1)
        && folder.join("node_modules/stripe/package.json").exists();
    for (name, text) in FILES {
        fs::write(folder.join(name), text)?;
    }
    if !fresh {
        let installed = Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"])
            .current_dir(&folder)
            .output()
            .context("npm cannot be run: install Node 20 or later")?;
        if !installed.status.success() {
            // What did not come whole is installed again next time.
            fs::remove_file(folder.join("package.json"))?;
            bail!("npm install: {}", String::from_utf8_lossy(&installed.stderr));
        }
    }
    Ok(folder)
}

/// A `Stripe-Signature` header made by the package's `generateTestHeaderString`.
///
/// # Errors
/// When the package cannot be installed or run.
pub fn sign(payload: &[u8], secret: &str, at: i64) -> anyhow::Result<String> {
    let mut child = Command::new("node")
        .args(["sign.mjs", secret, &at.to_string()])
        .current_dir(folder()?)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("node cannot be run")?;
    if let Some(mut input) = child.stdin.take() {
        std::io::Write::write_all(&mut input, payload)?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("sign.mjs: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
