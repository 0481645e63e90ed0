//! The real program as a process of its own, which is killed and started again.

use parking_lot::Mutex as Lock;
use reqwest::{Client, Method, RequestBuilder};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long anything may take before the test is given up.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A relay at one address, whichever process is it just now.
pub struct Relay {
    pub url: String,
    environment: BTreeMap<String, String>,
    log: PathBuf,
    http: Client,
    child: Lock<Option<Child>>,
}

impl Relay {
    /// One that has not been started.
    pub fn new(
        address: SocketAddr,
        environment: BTreeMap<String, String>,
        log: PathBuf,
        http: Client,
    ) -> Self {
        Self { url: format!("http://{address}"), environment, log, http, child: Lock::default() }
    }

    /// Starts it; it may not be ready yet.
    pub fn start(&self) {
        let log = File::options().create(true).append(true).open(&self.log).expect("a log");
        let child = self
            .program()
            .arg("serve")
            .stdout(Stdio::null())
            .stderr(log.try_clone().expect("a log"))
            .stdout(log)
            .spawn();
        *self.child.lock() = Some(child.expect("the program starts"));
    }

    fn program(&self) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_autocrea-relay"));
        program.envs(&self.environment).kill_on_drop(true);
        program
    }

    /// Waits until it answers.
    pub async fn ready(&self) {
        let asked = || self.http.get(format!("{}/readyz", self.url)).send();
        let ready = async {
            while !asked().await.is_ok_and(|answer| answer.status() == 200) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, ready).await.is_err() {
            panic!("the relay did not come up: {}", self.last_words());
        }
    }

    /// SIGKILL: it gets no time for anything.
    pub async fn kill(&self) {
        let child = self.child.lock().take();
        let mut child = child.expect("it was started");
        child.kill().await.expect("it dies");
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.lock().as_ref().and_then(Child::id).expect("it runs")
    }

    /// What a command of the program answers: exit code and all that it said.
    pub async fn command(&self, arguments: &[&str]) -> (i32, String) {
        let ran = self.program().args(arguments).env("RUST_LOG", "error").output().await;
        let ran = ran.expect("the program runs");
        let said = [ran.stdout, ran.stderr].concat();
        (ran.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    /// All that it has logged.
    pub fn logged(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last that it has logged.
    pub fn last_words(&self) -> String {
        let logged = self.logged();
        logged.lines().rev().take(20).collect::<Vec<_>>().join("\n")
    }

    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }
}
