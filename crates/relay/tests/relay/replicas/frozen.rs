//! A database server that takes what it is sent and says nothing more.

use super::pair::LONG;
use crate::support::served::Served;
use reqwest::Method;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Stands between a relay and its server.
struct Freezer {
    port: u16,
    frozen: watch::Sender<bool>,
}

impl Freezer {
    async fn before(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let here = listener.local_addr().expect("an address").port();
        let frozen = watch::Sender::new(false);
        let state = frozen.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.expect("a server");
                let ((from_client, to_client), (from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(pass(from_client, to_server, state.subscribe()));
                tokio::spawn(pass(from_server, to_client, state.subscribe()));
            }
        });
        Self { port: here, frozen }
    }
}

async fn pass(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut frozen: watch::Receiver<bool>,
) {
    let mut bytes = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if frozen.wait_for(|frozen| !frozen).await.is_err() {
            return;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

async fn frozen_at_will(variables: &[(&str, &str)]) -> (Served, Freezer) {
    let between = async |port| {
        let freezer = Freezer::before(port).await;
        (freezer.port, freezer)
    };
    Served::behind(variables, between).await
}

/// Long for a request that needs nothing, and far less than what a silent server may take.
const NOT_LONG: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_says_nothing_requests_are_counted_here_and_wait_for_a_moment_only_at_first() {
    let (served, freezer) = frozen_at_will(&[("RELAY_RATE_PER_MINUTE_ADDRESS", "20")]).await;
    let status = async || {
        let asked = timeout(NOT_LONG, served.ask(Method::GET, "/api/config").send()).await;
        asked.expect("it does not hang").expect("an answer").status().as_u16()
    };
    assert_eq!(status().await, 200);
    freezer.frozen.send_replace(true);
    let asked = Instant::now();
    let mut answers = Vec::new();
    for _ in 0..24 {
        answers.push(status().await);
    }
    assert!(asked.elapsed() < NOT_LONG, "{:?}", asked.elapsed());
    assert_eq!(answers[..20], [200; 20], "nobody is refused for its silence");
    assert_eq!(answers.last(), Some(&429), "and nobody may do as they like");
    freezer.frozen.send_replace(false);
    let counted_together = async {
        // There nobody has asked more than once.
        while status().await != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, counted_together).await.expect("it is found again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_ready_then_goes_on_with_it_or_ends_without_it() {
    let (served, freezer) = frozen_at_will(&[]).await;
    let status = async |path: &str| {
        let asked = timeout(LONG, served.ask(Method::GET, path).send()).await.expect("in time");
        asked.expect("an answer").status().as_u16()
    };
    assert_eq!(status("/readyz").await, 200);
    freezer.frozen.send_replace(true);
    assert_eq!((status("/readyz").await, status("/healthz").await), (503, 200));
    freezer.frozen.send_replace(false);
    let thawed = async {
        while status("/readyz").await != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, thawed).await.expect("it goes on");
    freezer.frozen.send_replace(true);
    let asked = Instant::now();
    // What runs is given half a minute, in which the database may come back.
    let log = timeout(LONG * 2, served.stop()).await.expect("it ends all the same");
    assert!(log.contains("the database does not answer"), "{log}");
    assert!(asked.elapsed() > Duration::from_secs(1), "what it had asked for was waited for");
}
