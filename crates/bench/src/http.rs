//! The least HTTP/1.1 that a load needs: raw sockets, TCP_NODELAY, connections kept alive.
//!
//! The client and the stand-in services run on the same two processors as the relay, so each
//! microsecond spent here is taken from whoever is measured, baseline or relay alike. Nothing here
//! is general: requests are bytes made beforehand, and answers are those of the relay, of nginx and
//! of our own stand-ins.

use anyhow::{Context, Result, bail, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The end of a chunked body. JSON escapes line breaks, so no data can hold it.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// A request with a body.
#[must_use]
pub fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

/// A request without a body.
#[must_use]
pub fn get(path: &str, headers: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\n{headers}\r\n").into_bytes()
}

/// A header that says who asks.
#[must_use]
pub fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body, chunks joined.
    pub body: Vec<u8>,
}

/// A connection that is kept alive.
#[derive(Debug)]
pub struct Conn {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Conn {
    /// Connects.
    ///
    /// # Errors
    /// If nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 << 10) })
    }

    /// The socket, with nothing read from it that has not been given out.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends a request.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn send(&mut self, request: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(request).await?)
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// If the connection breaks or the answer is none.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.send(request).await?;
        self.buffer.clear();
        let head = self.read_head().await?;
        let (status, length) = read_head(&self.buffer[..head])?;
        match length {
            Some(length) => {
                while self.buffer.len() < head + length {
                    self.fill().await?;
                }
                Ok(Answer { status, body: self.buffer[head..head + length].to_vec() })
            }
            None => {
                while !ends_body(&self.buffer[head - 2..]) {
                    self.fill().await?;
                }
                Ok(Answer { status, body: dechunk(&self.buffer[head..])? })
            }
        }
    }

    /// Sends a request whose answer is a stream and shows every read of it, head included, until
    /// its end.
    ///
    /// # Errors
    /// If the connection breaks.
    pub async fn stream(&mut self, request: &[u8], mut seen: impl FnMut(&[u8])) -> Result<()> {
        self.send(request).await?;
        self.buffer.clear();
        let mut read_to = 0;
        loop {
            self.fill().await?;
            if read_to == 0 && !self.buffer.starts_with(b"HTTP/1.1 200 ") {
                bail!("refused: {}", String::from_utf8_lossy(&self.buffer));
            }
            seen(&self.buffer[read_to..]);
            if self.buffer.ends_with(LAST_CHUNK) {
                return Ok(());
            }
            // The end may be cut in two; nothing before it is needed again.
            if self.buffer.len() > 8 << 10 {
                let kept = self.buffer.len() - LAST_CHUNK.len();
                self.buffer.drain(..kept);
            }
            read_to = self.buffer.len();
        }
    }

    /// Reads until the head has come; its length. What has come of the body stays in the buffer.
    async fn read_head(&mut self) -> Result<usize> {
        loop {
            self.fill().await?;
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Ok(end + 4);
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the connection was closed");
        Ok(())
    }
}

fn read_head(head: &[u8]) -> Result<(u16, Option<usize>)> {
    let head = std::str::from_utf8(head).context("a head that is not text")?;
    let status = head.get(9..12).context("no status")?.parse().context("no status")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    Ok((status, length.or_else(|| matches!(status, 204 | 304).then_some(0))))
}

/// Whether `bytes`, which begin with the line break before the body, hold a whole chunked body.
fn ends_body(bytes: &[u8]) -> bool {
    bytes.ends_with(LAST_CHUNK)
}

fn dechunk(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(bytes.len());
    loop {
        let line = find(bytes, b"\r\n").context("a chunk without a size")?;
        let size = std::str::from_utf8(&bytes[..line])?.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size.trim(), 16).context("a chunk's size")?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = bytes.get(line + 2..line + 2 + size).context("a chunk that is cut off")?;
        body.extend_from_slice(chunk);
        bytes = &bytes[(line + size + 4).min(bytes.len())..];
    }
}

/// Where a text first stands in another; nothing stands everywhere.
#[must_use]
pub fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let Some(first) = wanted.first() else { return Some(0) };
    let mut from = 0;
    while let Some(at) = bytes.get(from..)?.iter().position(|byte| byte == first) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

/// A request that a stand-in was sent.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Method, path and headers.
    pub head: &'a str,
    /// All of it, as it came.
    pub whole: &'a [u8],
}

impl Asked<'_> {
    /// The path, with its query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// An answer in JSON.
#[must_use]
pub fn json_answer(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One connection of a stand-in, one request after another.
#[derive(Debug)]
pub struct Served {
    /// The socket, to answer on.
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl Served {
    /// Goes on with a socket on which nothing is under way.
    #[must_use]
    pub fn of(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(16 << 10) }
    }

    /// Waits for a request and gives it to `answer`; false once the client has gone.
    ///
    /// # Errors
    /// If the connection breaks or what comes is no request.
    pub async fn next<T>(&mut self, answer: impl FnOnce(Asked<'_>) -> T) -> Result<Option<T>> {
        let (head, length) = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end])?;
                let length: usize = match header(head, "content-length") {
                    Some(length) => length.parse()?,
                    None if header(head, "transfer-encoding").is_some() => {
                        bail!("a stand-in reads no chunked requests")
                    }
                    None => 0,
                };
                break (end, end + 4 + length);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        };
        while self.buffer.len() < length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
        let text = std::str::from_utf8(&self.buffer[..head])?;
        let answered = answer(Asked { head: text, whole: &self.buffer[..length] });
        self.buffer.drain(..length);
        Ok(Some(answered))
    }
}

/// Listens on a free port of loopback and serves each connection with `serve`.
///
/// # Errors
/// If there is no port.
pub async fn listen<S, F>(serve: S) -> Result<SocketAddr>
where
    S: Fn(Served) -> F + Send + Sync + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serve = Arc::new(serve);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if stream.set_nodelay(true).is_ok() {
                let serving = serve(Served::of(stream));
                // A client that leaves breaks its connection; that is no fault of the run.
                tokio::spawn(async move { serving.await.ok() });
            }
        }
    });
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_chunks_are_read() {
        let head = b"HTTP/1.1 429 Too Many\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(read_head(head).expect("a head"), (429, Some(12)));
        let body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
        assert_eq!(dechunk(body).expect("chunks"), b"hello world");
        assert_eq!(find(b"aab", b"ab"), Some(1));
        assert_eq!(find(b"aab", b""), Some(0));
    }
}
