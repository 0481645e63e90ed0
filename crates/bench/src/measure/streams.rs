//! Streams: `ttft_added_ms`, `streams_share_of_direct`, `chunk_lateness_p99_ms`.
//!
//! The baseline of all three is the same client asking the model directly. Through the relay each
//! stream is authenticated, its tokens are reserved durably before the model is asked, and settled
//! durably before `done` is sent; every id is new. Connections are kept alive on both ways.
//!
//! - `ttft_added_ms`: one stream at a time, from the request's first byte sent to the first delta
//!   (the first chunk, asked directly). Each round takes the medians of 100 streams of each way;
//!   the value is the median of five rounds' differences, the baseline that of the direct medians.
//! - `streams_share_of_direct`: 16 people at once, each one stream after another for two seconds;
//!   streams a second through the relay over those directly; median of five rounds' ratios.
//! - `chunk_lateness_p99_ms`: the model sends a piece a millisecond; lateness is from the moment
//!   before the model writes a piece to the moment when the client, a thread that blocks on its
//!   socket, has read it. The 99th percentile of 20 streams' pieces; median of five rounds.

use super::Bench;
use crate::clerk::people;
use crate::figure::Measured;
use crate::http::{Conn, bearer, find, post};
use crate::model::PIECES;
use crate::relay::{Relay, Services};
use crate::say;
use crate::stats::{count, median, millis, percentile};
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use uuid::Uuid;

pub(super) const FIGURES: [&str; 3] =
    ["ttft_added_ms", "streams_share_of_direct", "chunk_lateness_p99_ms"];

const AT_ONCE: usize = 16;
/// Stands where each request has an id of its own.
const ID: &str = "00000000-0000-0000-0000-000000000000";

/// A request to be sent again and again, each time under another id.
#[derive(Clone)]
pub(super) struct Request {
    bytes: Vec<u8>,
    id_at: Option<usize>,
}

impl Request {
    /// To the relay.
    pub(super) fn generate(token: &str, max_output: u64) -> Self {
        let body = json!({
            "generationId": ID, "role": "fullstack", "maxOutputTokens": max_output,
            "messages": [{"role": "user", "content": "A page about a bakery, with its prices."}],
        });
        let path = "/api/joxcoder/generate";
        let bytes = post(path, &bearer(token), body.to_string().as_bytes());
        let id_at = find(&bytes, ID.as_bytes());
        Self { bytes, id_at }
    }

    /// To the model, as the relay asks it.
    fn direct(variant: &str) -> Self {
        let body = json!({
            "model": "joxcoder", "max_tokens": 1024, "stream": true,
            "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": "A page about a bakery, with its prices."}],
        });
        let path = format!("{variant}/v1/chat/completions");
        Self { bytes: post(&path, "", body.to_string().as_bytes()), id_at: None }
    }

    pub(super) fn next(&mut self) -> &[u8] {
        if let Some(at) = self.id_at {
            let id = Uuid::now_v7().hyphenated().to_string();
            self.bytes[at..at + ID.len()].copy_from_slice(id.as_bytes());
        }
        &self.bytes
    }
}

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    let tokens = bench.clerk.tokens(&people(AT_ONCE, "s"))?;
    if bench.options.wants(&FIGURES[..2]) {
        let services = Services::with_model(bench.model.url(""));
        let relay = bench.program.start(&bench.clerk, &services).await?;
        let ways = Ways { bench, relay: &relay, tokens: &tokens };
        ways.warm_up().await?;
        if bench.options.wants(&FIGURES[..1]) {
            measured.push(ways.first_delta().await?);
        }
        if bench.options.wants(&FIGURES[1..2]) {
            measured.push(ways.share().await?);
        }
    }
    if bench.options.wants(&FIGURES[2..]) {
        let services = Services::with_model(bench.model.url("/paced"));
        let relay = bench.program.start(&bench.clerk, &services).await?;
        measured.push(lateness(bench, &relay, &tokens[0]).await?);
    }
    Ok(measured)
}

struct Ways<'a> {
    bench: &'a Bench,
    relay: &'a Relay,
    tokens: &'a [String],
}

impl Ways<'_> {
    /// Everybody is known, and the log of the database has its size.
    async fn warm_up(&self) -> Result<()> {
        self.many(true, Duration::from_secs(1)).await?;
        self.many(false, Duration::from_millis(300)).await?;
        Ok(())
    }

    fn way(&self, relayed: bool, person: usize) -> (SocketAddr, Request, &'static [u8]) {
        if relayed {
            let request = Request::generate(&self.tokens[person], 1024);
            (self.relay.address, request, b"event: delta")
        } else {
            (self.bench.model.address, Request::direct(""), b"\"content\"")
        }
    }

    async fn first_delta(&self) -> Result<Measured> {
        let (mut added, mut direct) = (Vec::new(), Vec::new());
        for _ in 0..self.bench.options.times(5, 3) {
            let of_model = self.one_by_one(false).await?;
            let of_relay = self.one_by_one(true).await?;
            say(format_args!("first delta: {of_model:.3} ms directly, {of_relay:.3} ms relayed"));
            direct.push(of_model);
            added.push(of_relay - of_model);
        }
        Ok(Measured::beside("ttft_added_ms", median(&added), median(&direct)))
    }

    async fn one_by_one(&self, relayed: bool) -> Result<f64> {
        let (address, mut request, first) = self.way(relayed, 0);
        let mut conn = Conn::open(address).await?;
        let mut waits = Vec::new();
        for _ in 0..100 {
            let mut at = None;
            let request = request.next();
            let began = Instant::now();
            conn.stream(request, |bytes| {
                if at.is_none() && find(bytes, first).is_some() {
                    at = Some(began.elapsed());
                }
            })
            .await?;
            waits.push(millis(at.context("a stream without text")?));
        }
        Ok(median(&waits))
    }

    async fn share(&self) -> Result<Measured> {
        let window = Duration::from_millis(if self.bench.options.quick { 700 } else { 2000 });
        let (mut shares, mut direct) = (Vec::new(), Vec::new());
        for _ in 0..self.bench.options.times(5, 3) {
            let of_model = self.many(false, window).await?;
            let of_relay = self.many(true, window).await?;
            say(format_args!("streams: {of_model:.0}/s directly, {of_relay:.0}/s relayed"));
            direct.push(of_model);
            shares.push(of_relay / of_model);
        }
        Ok(Measured::beside("streams_share_of_direct", median(&shares), median(&direct)))
    }

    /// Streams a second of everybody together.
    async fn many(&self, relayed: bool, window: Duration) -> Result<f64> {
        let began = Instant::now();
        let mut everybody = tokio::task::JoinSet::new();
        for person in 0..AT_ONCE {
            let (address, mut request, _) = self.way(relayed, person);
            let end: &[u8] = if relayed { b"event: done" } else { b"[DONE]" };
            everybody.spawn(async move {
                let mut conn = Conn::open(address).await?;
                let mut whole = 0_usize;
                while began.elapsed() < window {
                    let mut ended = false;
                    conn.stream(request.next(), |bytes| ended |= find(bytes, end).is_some())
                        .await?;
                    // An end that was cut in two by the network is seen by neither half.
                    whole += usize::from(ended);
                }
                Ok::<_, anyhow::Error>(whole)
            });
        }
        let mut whole = 0;
        while let Some(one) = everybody.join_next().await {
            whole += one??;
        }
        ensure!(whole > 0, "no stream ended well");
        Ok(count(whole) / began.elapsed().as_secs_f64())
    }
}

async fn lateness(bench: &Bench, relay: &Relay, token: &str) -> Result<Measured> {
    let (mut relayed, mut direct) = (Vec::new(), Vec::new());
    for round in 0..bench.options.times(6, 3) {
        let of_model = late(bench, bench.model.address, Request::direct("/paced")).await?;
        let of_relay = late(bench, relay.address, Request::generate(token, 1024)).await?;
        say(format_args!("lateness: {of_model:.3} ms directly, {of_relay:.3} ms relayed"));
        // The first round warms everything up.
        if round > 0 {
            direct.push(of_model);
            relayed.push(of_relay);
        }
    }
    Ok(Measured::beside("chunk_lateness_p99_ms", median(&relayed), median(&direct)))
}

async fn late(bench: &Bench, address: SocketAddr, mut request: Request) -> Result<f64> {
    let model = bench.model.clone();
    let streams = bench.options.times(20, 6);
    let late = tokio::task::spawn_blocking(move || {
        let mut socket = std::net::TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let mut late = Vec::with_capacity(streams * PIECES);
        for _ in 0..streams {
            let arrived = read_paced(&mut socket, request.next())?;
            let sent = model.sent();
            ensure!(sent.len() == PIECES && arrived.len() == PIECES, "pieces were lost");
            let pairs = arrived.iter().zip(&sent);
            late.extend(pairs.map(|(at, sent)| millis(at.saturating_duration_since(*sent))));
        }
        Ok(late)
    });
    Ok(percentile(&late.await??, 99.0))
}

/// When each piece of a stream was read.
fn read_paced(socket: &mut std::net::TcpStream, request: &[u8]) -> Result<Vec<Instant>> {
    const MARK: &[u8] = b"piece 0";
    socket.write_all(request)?;
    let mut arrived = Vec::with_capacity(PIECES);
    let (mut buffer, mut scanned) = (Vec::with_capacity(64 << 10), 0);
    let mut read = [0; 16 << 10];
    while !buffer.ends_with(b"\r\n0\r\n\r\n") {
        let bytes = socket.read(&mut read)?;
        let now = Instant::now();
        ensure!(bytes > 0, "the stream broke off");
        buffer.extend_from_slice(&read[..bytes]);
        while let Some(at) = find(&buffer[scanned..], MARK) {
            arrived.push(now);
            scanned += at + MARK.len();
        }
    }
    Ok(arrived)
}
