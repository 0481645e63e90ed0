//! The page: its packages, and its build, each made again only when what it is made of changed.

use crate::command::Command;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

/// Installs the page's packages, if the lock file is newer than they are.
pub fn install() -> Result<()> {
    let ui = folder();
    let stamp = ui.join("node_modules/.package-lock.json");
    if modified(&stamp).is_some_and(|at| Some(at) >= modified(&ui.join("package-lock.json"))) {
        return Ok(());
    }
    Command::new("npm", ["ci", "--no-audit", "--no-fund"]).current_dir(&ui).run()?;
    // npm keeps the time of the archive; the stamp says when it was installed here.
    fs::File::options().append(true).open(&stamp)?.set_modified(SystemTime::now())?;
    Ok(())
}

/// Builds the page into `ui/dist`, if something of it is newer.
pub fn build() -> Result<()> {
    install()?;
    let ui = folder();
    let built = modified(&ui.join("dist/index.html"));
    let has_assets = ui.join("dist/assets").exists();
    let mut newest = None;
    for part in
        ["src", "index.html", "package.json", "vite.config.ts", "svelte.config.js", "public"]
    {
        newest = newest.max(newest_below(&ui.join(part)).context("reading ui/")?);
    }
    if has_assets && built >= newest {
        return Ok(());
    }
    npm("build")
}

/// Runs one of the page's scripts.
pub fn npm(script: &str) -> Result<()> {
    Command::new("npm", ["run", "--silent", script]).current_dir(folder()).run()
}

fn folder() -> PathBuf {
    crate::root().join("ui")
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

fn newest_below(path: &Path) -> io::Result<Option<SystemTime>> {
    if !path.is_dir() {
        return Ok(modified(path));
    }
    let mut newest = modified(path);
    for entry in fs::read_dir(path)? {
        newest = newest.max(newest_below(&entry?.path())?);
    }
    Ok(newest)
}
