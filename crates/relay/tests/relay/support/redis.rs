//! A real Redis for one test, which may end it, pause it and start it again.

use autocrea_relay::redis::Redis;
use secrecy::SecretString;
use std::process::Command;
use std::time::Duration;
use tokio::process::Child;

/// A server on a port of its own, without a file.
pub struct Server {
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        let mut server = Self::absent();
        server.up().await;
        server
    }

    /// A port on which there is none yet.
    pub fn absent() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        Self { port: free.local_addr().expect("an address").port(), child: None }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn address(&self) -> SecretString {
        self.url().into()
    }

    /// Starts it on its port.
    pub async fn up(&mut self) {
        let child = tokio::process::Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--save", "", "--daemonize", "no"])
            .args(["--bind", "127.0.0.1", "--loglevel", "warning", "--dir", "/tmp"])
            .stdout(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("redis-server (apt-get install redis-server)");
        self.child = Some(child);
        let answers = async {
            while autocrea_relay::redis::reach(&self.address()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), answers).await.expect("Redis came up");
    }

    /// Kills it.
    pub async fn down(&mut self) {
        self.child.take().expect("it runs").kill().await.expect("killed");
    }

    /// Lets it answer nothing, without closing anything.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, what: &str) {
        let id = self.child.as_ref().and_then(Child::id).expect("it runs").to_string();
        assert!(Command::new("kill").args([what, &id]).status().expect("kill").success());
    }

    /// A handle, as a relay has one, but one that a busy machine does not make impatient; it is
    /// there.
    pub async fn handle(&self, mark: &str) -> Redis {
        let patience = Duration::from_secs(10);
        let redis = Redis::open_patiently(&self.address(), mark.to_owned(), patience);
        let redis = redis.expect("an address");
        redis.there().await;
        redis
    }
}
