//! `stream_memory_growth_mib`: what 200 slow readers of megabyte answers make the relay keep.
//!
//! 200 people begin an answer of a megabyte each, all within a moment, and read it at some
//! 100 KB a second through a receive buffer of 16 KiB, so that the answers wait in the relay and
//! not in the system. The model sends as fast as it is let. The value is the highest resident
//! memory seen from then until everybody has read to the end, less that of the same relay before,
//! after one such answer.

use super::Bench;
use super::streams::Request;
use crate::clerk::people;
use crate::figure::Measured;
use crate::http::{Conn, find};
use crate::model::LARGE_BYTES;
use crate::relay::{Relay, Services};
use anyhow::{Result, ensure};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

pub(super) const FIGURES: [&str; 1] = ["stream_memory_growth_mib"];

const READERS: usize = 200;
const RECEIVE_BUFFER: u32 = 16 << 10;
const READ_EVERY: Duration = Duration::from_millis(100);
const READ_BYTES: usize = 10 << 10;
const MAX_OUTPUT: u64 = 1_500_000;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Measured>> {
    let services = Services::with_model(bench.model.url("/large"));
    let relay = bench.program.start(&bench.clerk, &services).await?;
    let tokens = bench.clerk.tokens(&people(READERS, "m"))?;
    let mut conn = Conn::open(relay.address).await?;
    for token in &tokens[..2] {
        conn.stream(Request::generate(token, MAX_OUTPUT).next(), |_| {}).await?;
    }
    let before = relay.rss_kib()?;
    let mut readers = JoinSet::new();
    for token in tokens {
        readers.spawn(read_slowly(relay.address, Request::generate(&token, MAX_OUTPUT)));
    }
    let most = highest(&relay, &mut readers).await?;
    Ok(vec![Measured::alone(FIGURES[0], (most - before) / 1024.0)])
}

async fn highest(relay: &Relay, readers: &mut JoinSet<Result<()>>) -> Result<f64> {
    let mut most = relay.rss_kib()?;
    loop {
        tokio::select! {
            ended = readers.join_next() => match ended {
                Some(ended) => ended??,
                None => return Ok(most),
            },
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
        most = most.max(relay.rss_kib()?);
    }
}

async fn read_slowly(address: SocketAddr, mut request: Request) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    let mut stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(request.next()).await?;
    let (mut read, mut tail) = (0, Vec::new());
    let mut buffer = vec![0; READ_BYTES];
    while !tail.ends_with(b"\r\n0\r\n\r\n") {
        let bytes = stream.read(&mut buffer).await?;
        ensure!(bytes > 0, "a long answer broke off");
        read += bytes;
        tail.extend_from_slice(&buffer[..bytes]);
        let kept = tail.len().saturating_sub(2048);
        tail.drain(..kept);
        tokio::time::sleep(READ_EVERY).await;
    }
    ensure!(read > LARGE_BYTES, "a long answer was short: {read} bytes");
    ensure!(find(&tail, b"event: done").is_some(), "a long answer did not end well");
    Ok(())
}
