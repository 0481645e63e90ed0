//! Running other programs, with what failed and how in the error.

use anyhow::{Context, Result, bail};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};

/// A program to run in the repository's root unless said otherwise.
pub struct Command {
    shown: String,
    process: Process,
}

/// The cargo that runs us.
pub fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    Command::new(program, arguments)
}

impl Command {
    /// A program and its arguments.
    pub fn new<P, S>(program: P, arguments: impl IntoIterator<Item = S>) -> Self
    where
        P: AsRef<OsStr>,
        S: AsRef<OsStr>,
    {
        let mut process = Process::new(&program);
        process.current_dir(crate::root());
        let name = Path::new(program.as_ref()).file_name().unwrap_or(program.as_ref());
        let mut command = Self { shown: name.to_string_lossy().into_owned(), process };
        for argument in arguments {
            command = command.arg(argument);
        }
        command
    }

    /// One more argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&argument.as_ref().to_string_lossy());
        self.process.arg(argument);
        self
    }

    /// A variable for it alone.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.process.env(name, value);
        self
    }

    /// Another folder.
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.process.current_dir(folder);
        self
    }

    /// Runs it to its end and shows what it prints.
    pub fn run(mut self) -> Result<()> {
        println!("→ {}", self.shown);
        let status =
            self.process.status().with_context(|| format!("`{}` could not start", self.shown))?;
        if !status.success() {
            bail!("`{}` ended with {status}", self.shown);
        }
        Ok(())
    }

    /// Runs it to its end and returns what it printed, trimmed.
    pub fn read(mut self) -> Result<String> {
        let output = self
            .process
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("`{}` could not start", self.shown))?;
        if !output.status.success() {
            bail!("`{}` ended with {}", self.shown, output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Whether it can be run and says yes, quietly.
    pub fn succeeds(mut self) -> bool {
        self.process
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    /// Starts it in the background. It ends with us, however we end: a debugger's kill included.
    pub fn start(self, stdout: Stdio, stderr: Stdio) -> Result<Background> {
        let mut guarded = Process::new("setpriv");
        guarded.args(["--pdeathsig", "TERM", "--"]);
        guarded.arg(self.process.get_program()).args(self.process.get_args());
        if let Some(folder) = self.process.get_current_dir() {
            guarded.current_dir(folder);
        }
        for (name, value) in self.process.get_envs() {
            match value {
                Some(value) => guarded.env(name, value),
                None => guarded.env_remove(name),
            };
        }
        let child = guarded
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("`{}` could not start", self.shown))?;
        Ok(Background { shown: self.shown, child })
    }
}

/// A program in the background, ended when this is dropped.
pub struct Background {
    shown: String,
    pub child: Child,
}

impl Background {
    /// An error if it has ended already.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("`{}` ended with {status}", self.shown),
            None => Ok(()),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // SIGTERM, so that it can put things in order; then its end is awaited.
        let pid = self.child.id().to_string();
        let _ = Process::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status();
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Command {
    /// What it printed, or nothing if it failed; says nothing either way.
    pub fn read_quietly(mut self) -> Option<String> {
        let output = self.process.stderr(Stdio::null()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}
