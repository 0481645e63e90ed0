//! The program itself, serving beside the sandbox: for what only a whole process shows, its logs, its
//! listener for metrics, its last words.

use super::environment;
use super::place::Place;
use autocrea_sandbox::{Options, Sandbox};
use reqwest::{Client, Method, RequestBuilder};
use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A relay in a process of its own; killed when dropped.
pub struct Served {
    pub sandbox: Sandbox,
    pub url: String,
    pub http: Client,
    pub place: Place,
    child: Child,
    environment: BTreeMap<String, String>,
    port: u16,
}

impl Served {
    /// Starts it with some variables of its own, and waits until it is ready.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
        Self::at(sandbox, Place::new(), variables).await
    }

    /// On PostgreSQL, behind somebody who is given its port and answers another.
    pub async fn behind<B>(
        variables: &[(&str, &str)],
        between: impl AsyncFnOnce(u16) -> (u16, B),
    ) -> (Self, B) {
        rustls::crypto::ring::default_provider().install_default().ok();
        let sandbox = Sandbox::start(Options::default()).await.expect("a sandbox");
        let place = Place::shared();
        let mut address = url::Url::parse(&place.url()).expect("an address");
        let (port, between) = between(address.port().expect("a port")).await;
        address.set_port(Some(port)).expect("a port");
        let mut all = variables.to_vec();
        all.push(("DATABASE_URL", address.as_str()));
        (Self::at(sandbox, place, &all).await, between)
    }

    async fn at(sandbox: Sandbox, place: Place, variables: &[(&str, &str)]) -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let environment = environment(&sandbox, &url, &place, variables);
        let child = start(&place, &environment, port);
        let http = Client::builder().no_proxy().build().expect("a client");
        let served = Self { sandbox, url, http, place, child, environment, port };
        served.until_ready().await;
        served.sandbox.attach_relay(&served.url).expect("loopback");
        served
    }

    async fn until_ready(&self) {
        let ready = async {
            loop {
                let answer = self.ask(Method::GET, "/readyz").send().await;
                if answer.is_ok_and(|it| it.status() == 200) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(Duration::from_secs(60), ready).await.is_err() {
            panic!("it never was ready: {}", self.log());
        }
    }

    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub fn ask_as(&self, email: &str, method: Method, path: &str) -> RequestBuilder {
        self.ask(method, path).bearer_auth(self.sandbox.clerk.access_token(email))
    }

    /// The power goes, and it is started again on what is there.
    pub async fn die_and_come_back(&mut self) {
        self.child.kill().expect("it ran");
        self.child.wait().expect("its status");
        self.child = start(&self.place, &self.environment, self.port);
        self.until_ready().await;
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.place.path().join("log")).unwrap_or_default()
    }

    /// Asks it to end, waits until it has, and answers all that it logged.
    pub async fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
        assert!(asked.success());
        let ended = tokio::task::spawn_blocking(move || {
            let status = self.child.wait().expect("its status");
            assert!(status.success(), "{status}");
            self
        });
        ended.await.expect("a thread").log()
    }
}

fn start(place: &Place, environment: &BTreeMap<String, String>, port: u16) -> Child {
    let log = File::options().create(true).append(true).open(place.path().join("log"));
    Command::new(env!("CARGO_BIN_EXE_autocrea-relay"))
        .env_clear()
        .envs(environment)
        .env("RELAY_BIND", format!("127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(log.expect("a file"))
        .spawn()
        .expect("the program starts")
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port that nobody has at the moment.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
