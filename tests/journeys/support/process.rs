//! Programs that a journey starts, ended when they are dropped.

use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A program in the background.
pub struct Background(pub Child);

impl Background {
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        Ok(Self(child))
    }

    /// SIGKILL: no goodbye, as when the power goes.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody uses at the moment.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A program of ours, beside the app.
pub fn ours(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_autocrea")).with_file_name(name)
}

/// A tool that is on the path or that `cargo xtask test` has installed.
pub fn tool(name: &str) -> PathBuf {
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin").join(name);
    if installed.exists() { installed } else { PathBuf::from(name) }
}

/// A command with an empty environment but for what every program needs.
pub fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
}
