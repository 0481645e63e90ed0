//! Thousands of clients that are subscribed to events and wait.
//!
//! Each is a task that reads into a small buffer and tells when something came for it; beside the
//! socket it keeps next to nothing, so that the same crowd can wait on the relay and on nchan.

use crate::http::{Conn, find};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// How many connect at the same time.
const CONNECTING: usize = 64;
const PATIENCE: Duration = Duration::from_secs(30);

/// Something came for one of the crowd.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// For whom.
    pub client: usize,
    /// When it had been read.
    pub at: Instant,
}

/// The connected crowd; it leaves when dropped.
#[derive(Debug)]
pub struct Crowd {
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    _clients: JoinSet<()>,
}

impl Crowd {
    /// Connects one client for each request and waits until each has been answered; where
    /// `greeting` is something, until each has read that too.
    ///
    /// # Errors
    /// If one is refused.
    pub async fn gather(
        address: SocketAddr,
        requests: Vec<Vec<u8>>,
        greeting: &'static [u8],
    ) -> Result<Self> {
        let (tell, arrivals) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(CONNECTING));
        let mut connecting = JoinSet::new();
        for (client, request) in requests.into_iter().enumerate() {
            let (gate, tell) = (Arc::clone(&gate), tell.clone());
            connecting.spawn(async move {
                let _place = gate.acquire().await?;
                let stream = subscribe(address, &request, greeting).await?;
                Ok::<_, anyhow::Error>((client, stream, tell))
            });
        }
        let mut clients = JoinSet::new();
        while let Some(connected) = connecting.join_next().await {
            let (client, stream, tell) = connected??;
            clients.spawn(wait(client, stream, tell));
        }
        Ok(Self { arrivals, _clients: clients })
    }

    /// The next arrivals until so many clients have had one: the last's time.
    ///
    /// # Errors
    /// If they do not come.
    pub async fn last_of(&mut self, many: usize) -> Result<Instant> {
        let mut last = Instant::now();
        for heard in 0..many {
            let next = tokio::time::timeout(PATIENCE, self.arrivals.recv()).await;
            match next {
                Ok(Some(arrival)) => {
                    last = if heard == 0 { arrival.at } else { last.max(arrival.at) }
                }
                _ => bail!("only {heard} of {many} heard of it"),
            }
        }
        Ok(last)
    }

    /// When this client heard; what came for others is forgotten.
    ///
    /// # Errors
    /// If nothing comes.
    pub async fn heard(&mut self, client: usize) -> Result<Instant> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.arrivals.recv()).await;
            let arrival = next.context("nobody heard of it")?.context("the crowd has left")?;
            if arrival.client == client {
                return Ok(arrival.at);
            }
        }
    }

    /// Forgets what has come so far.
    pub fn forget(&mut self) {
        while self.arrivals.try_recv().is_ok() {}
    }
}

async fn subscribe(
    address: SocketAddr,
    request: &[u8],
    greeting: &'static [u8],
) -> Result<tokio::net::TcpStream> {
    let mut conn = Conn::open(address).await?;
    conn.send(request).await?;
    let mut stream = conn.into_stream();
    let mut read = Vec::with_capacity(2048);
    while find(&read, b"\r\n\r\n").is_none() || find(&read, greeting).is_none() {
        if stream.read_buf(&mut read).await? == 0 {
            bail!("refused: {}", String::from_utf8_lossy(&read));
        }
        if !read.starts_with(b"HTTP/1.1 200 ") {
            bail!("refused: {}", String::from_utf8_lossy(&read));
        }
    }
    Ok(stream)
}

async fn wait(client: usize, stream: tokio::net::TcpStream, tell: mpsc::UnboundedSender<Arrival>) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        let mut buffer = [0; 4096];
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(bytes) => {
                let at = Instant::now();
                // Heartbeats are comments: only data is news.
                if find(&buffer[..bytes], b"data:").is_some()
                    && tell.send(Arrival { client, at }).is_err()
                {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
