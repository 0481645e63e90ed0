//! The model: answers any conversation with the same 64 pieces of 20 bytes and the usage, as an
//! OpenAI-compatible server streams them.
//!
//! Each piece is a write of its own, as a model that has made a token sends it; the bytes are made
//! beforehand, so that next to nothing is spent on it. Which variant answers is said by the path:
//! `/v1/…` without pauses, `/paced/v1/…` one piece a millisecond from a thread of its own (a timer
//! of the runtime would be less exact than what is measured), `/large/v1/…` a megabyte.

use crate::http::{self, Served};
use anyhow::Result;
use serde_json::json;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

/// Pieces of an answer.
pub const PIECES: usize = 64;
/// Pieces of the large answer, and the bytes of each.
const LARGE: (usize, usize) = (256, 4096);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

/// Bytes of text in the large answer.
pub const LARGE_BYTES: usize = LARGE.0 * LARGE.1;

/// The running model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Where it listens.
    pub address: SocketAddr,
    sent: Arc<Mutex<Vec<Instant>>>,
}

struct Answers {
    short: Vec<Vec<u8>>,
    large: Vec<Vec<u8>>,
}

fn answers() -> &'static Answers {
    static ANSWERS: OnceLock<Answers> = OnceLock::new();
    ANSWERS.get_or_init(|| Answers {
        short: answer((0..PIECES).map(|index| format!("piece {index:06} of 64, "))),
        large: answer((0..LARGE.0).map(|_| {
            "the quick brown fox jumps over the lazy dog. ".repeat(LARGE.1 / 45 + 1)[..LARGE.1]
                .to_owned()
        })),
    })
}

/// What each write of an answer sends.
fn answer(pieces: impl ExactSizeIterator<Item = String>) -> Vec<Vec<u8>> {
    let tokens = pieces.len() * 5;
    let event = |choices: serde_json::Value, usage: serde_json::Value| {
        let data = json!({
            "id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1_760_000_000,
            "model": "bench", "choices": choices, "usage": usage,
        });
        chunk(&format!("data: {data}\n\n"))
    };
    let mut writes: Vec<Vec<u8>> = pieces
        .map(|text| {
            let delta = json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]);
            event(delta, json!(null))
        })
        .collect();
    writes.push(event(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), json!(null)));
    let usage = json!({
        "prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": tokens + 9,
    });
    let mut last = event(json!([]), usage);
    last.extend(chunk("data: [DONE]\n\n"));
    last.extend_from_slice(b"0\r\n\r\n");
    writes.push(last);
    writes
}

fn chunk(text: &str) -> Vec<u8> {
    format!("{:x}\r\n{text}\r\n", text.len()).into_bytes()
}

impl Model {
    /// Starts it.
    ///
    /// # Errors
    /// If there is no port.
    pub async fn start() -> Result<Self> {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&sent);
        let address = http::listen(move |served| converse(served, Arc::clone(&noted))).await?;
        Ok(Self { address, sent })
    }

    /// Its address as the relay is given it, with the variant in front.
    #[must_use]
    pub fn url(&self, variant: &str) -> String {
        format!("http://{}{variant}/v1", self.address)
    }

    /// When the pieces of the last paced answer were sent.
    #[must_use]
    pub fn sent(&self) -> Vec<Instant> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

enum Variant {
    Short,
    Paced,
    Large,
}

async fn converse(mut served: Served, sent: Arc<Mutex<Vec<Instant>>>) -> Result<()> {
    let variant = |asked: http::Asked<'_>| match asked.path() {
        path if path.starts_with("/paced/") => Variant::Paced,
        path if path.starts_with("/large/") => Variant::Large,
        _ => Variant::Short,
    };
    while let Some(variant) = served.next(variant).await? {
        match variant {
            Variant::Short => write(&mut served, &answers().short).await?,
            Variant::Large => write(&mut served, &answers().large).await?,
            Variant::Paced => {
                let stream = served.stream.into_std()?;
                stream.set_nonblocking(false)?;
                let (sent, writing) = (Arc::clone(&sent), stream.try_clone()?);
                tokio::task::spawn_blocking(move || pace(writing, &sent)).await??;
                stream.set_nonblocking(true)?;
                served = Served::of(tokio::net::TcpStream::from_std(stream)?);
            }
        }
    }
    Ok(())
}

async fn write(served: &mut Served, writes: &[Vec<u8>]) -> Result<()> {
    let first = [HEAD, &writes[0]].concat();
    served.stream.write_all(&first).await?;
    for write in &writes[1..] {
        served.stream.write_all(write).await?;
    }
    Ok(())
}

fn pace(mut stream: std::net::TcpStream, sent: &Mutex<Vec<Instant>>) -> std::io::Result<()> {
    let writes = &answers().short;
    let mut times = Vec::with_capacity(PIECES);
    stream.write_all(HEAD)?;
    let began = Instant::now();
    for (index, write) in writes.iter().enumerate() {
        let due = began + Duration::from_millis(1) * u32::try_from(index).unwrap_or(0);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if index < PIECES {
            times.push(Instant::now());
        }
        if index + 1 == writes.len() {
            // Before the last byte, so that whoever has read to the end finds all of them.
            *sent.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(&mut times);
        }
        stream.write_all(write)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_has_twenty_bytes_and_the_usage_comes_last() {
        let writes = &answers().short;
        assert_eq!(writes.len(), PIECES + 2);
        assert!(http::find(&writes[7], b"\"content\":\"piece 000007 of 64, \"").is_some());
        assert_eq!("piece 000007 of 64, ".len(), 20);
        assert!(http::find(&writes[PIECES + 1], b"completion_tokens").is_some());
        assert!(writes[PIECES + 1].ends_with(b"data: [DONE]\n\n\r\n0\r\n\r\n"));
    }
}
