//! The account's events: `sse_kib_per_connection`, `sse_publish_p99_ms`,
//! `sse_last_of_5000_share_of_nchan`.
//!
//! The baseline is nchan in nginx, with as many clients and a message as long as a snapshot.
//!
//! - `sse_kib_per_connection`: 5,000 people who are known open one account stream each and have
//!   read their first snapshot. The relay has been started anew after they were made, so that
//!   whatever it remembers of a person to serve them counts; the value is what its resident memory
//!   has grown by since before, two seconds later, divided by 5,000.
//! - `sse_publish_p99_ms`: with those 5,000 waiting, one of them at a time changes their name. From
//!   the commit to the snapshot at their stream; the 99th percentile of 500. The commit is seen from
//!   outside ([`crate::commits`]), and the time begins when it was not to be seen yet. nchan's is from
//!   the first byte of the post, and nothing is made durable; the relay's from the first byte of the
//!   request, the wait for the disk with it, is said beside it.
//! - `sse_last_of_5000_share_of_nchan`: one person has 5,000 streams (the cap is off). From the
//!   first byte of the change to the last stream's snapshot, over nchan's time from the first byte
//!   of the post to the last of its 5,000 subscribers; median of the rounds' ratios.

use super::Bench;
use crate::clerk::people;
use crate::commits::Commits;
use crate::crowd::Crowd;
use crate::figure::Measured;
use crate::http::{Conn, bearer, get, post};
use crate::nchan::{Nchan, publication, subscription};
use crate::relay::{Relay, Services, rss_kib};
use crate::say;
use crate::stats::{count, median, millis, percentile};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

pub(super) const FIGURES: [&str; 3] =
    ["sse_kib_per_connection", "sse_publish_p99_ms", "sse_last_of_5000_share_of_nchan"];

const CROWD: usize = 5000;
const SETTLE: Duration = Duration::from_secs(2);
/// As long as a snapshot.
const MESSAGE_BYTES: usize = 640;

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    if bench.options.wants(&FIGURES[..2]) {
        measured.extend(one_each(bench).await?);
    }
    if bench.options.wants(&FIGURES[2..]) {
        measured.push(all_of_one(bench).await?);
    }
    Ok(measured)
}

fn watching(token: &str) -> Vec<u8> {
    get("/api/account/events", &bearer(token))
}

fn renaming(token: &str, name: usize) -> Vec<u8> {
    let body = format!("{{\"name\":\"Somebody Measured {name:06}\"}}");
    let request = post("/api/user/profile", &bearer(token), body.as_bytes());
    [b"PATCH", &request[b"POST".len()..]].concat()
}

async fn one_each(bench: &Bench) -> Result<Vec<Measured>> {
    let tokens = bench.clerk.tokens(&people(CROWD, "e"))?;
    let folder = bench.program.folder()?;
    let services = Services::with_model(bench.model.url(""));
    let services = bench.program.migrated(&bench.clerk, &services, &folder).await?;
    let first = bench.program.start_on(&bench.clerk, &services, &folder).await?;
    make_known(&first, &tokens).await?;
    drop(first);

    let relay = bench.program.start_on(&bench.clerk, &services, &folder).await?;
    // What a first request brings about (keys, code, caches of statements) is not a connection's.
    let warming = tokens[..20].iter().map(|token| watching(token)).collect();
    drop(Crowd::gather(relay.address, warming, b"event: account").await?);
    tokio::time::sleep(SETTLE).await;
    let before = relay.rss_kib()?;
    let requests = tokens.iter().map(|token| watching(token)).collect();
    let mut crowd = Crowd::gather(relay.address, requests, b"event: account").await?;
    tokio::time::sleep(SETTLE).await;
    let each = (relay.rss_kib()? - before) / count(CROWD);
    let changes = bench.options.times(500, 100);
    let commits = Commits::of(&folder.join("relay.db"))?;
    let ask = |client: usize, number| renaming(&tokens[client], number);
    let told = publish(relay.address, &mut crowd, changes, ask, |began| {
        Ok((began, commits.first_since(began)?))
    });
    let told = told.await?;
    drop(commits);
    let since_request: Vec<f64> = told.iter().map(|((asked, _), at)| wait(*asked, *at)).collect();
    let since_commit: Vec<f64> = told.iter().map(|((_, made), at)| wait(*made, *at)).collect();
    drop((crowd, relay));

    let nchan = Nchan::start(&bench.options.nginx, &bench.program.work).await?;
    let before = rss_kib(nchan.worker()?)?;
    let requests = (0..CROWD).map(subscription).collect();
    let mut crowd = Crowd::gather(nchan.address, requests, b"").await?;
    tokio::time::sleep(SETTLE).await;
    let of_nchan = (rss_kib(nchan.worker()?)? - before) / count(CROWD);
    let message = "m".repeat(MESSAGE_BYTES);
    let posts = |client, _| publication(client, &message);
    let told = publish(nchan.address, &mut crowd, changes, posts, Ok).await?;
    let nchan_waits: Vec<f64> = told.iter().map(|(posted, at)| wait(*posted, *at)).collect();
    for (what, waits) in [
        ("the request", &since_request),
        ("the commit", &since_commit),
        ("nchan's post", &nchan_waits),
    ] {
        let (half, most) = (median(waits), percentile(waits, 99.0));
        say(format_args!("publish: since {what}, p50 {half:.3} ms, p99 {most:.3} ms"));
    }
    Ok(vec![
        Measured::beside(FIGURES[0], each, of_nchan),
        Measured::beside(
            FIGURES[1],
            percentile(&since_commit, 99.0),
            percentile(&nchan_waits, 99.0),
        ),
    ])
}

async fn make_known(relay: &Relay, tokens: &[String]) -> Result<()> {
    let share = tokens.len().div_ceil(16);
    let mut making = tokio::task::JoinSet::new();
    for some in tokens.chunks(share) {
        let (address, some) = (relay.address, some.to_vec());
        making.spawn(async move {
            let mut conn = Conn::open(address).await?;
            for token in some {
                let answer = conn.ask(&get("/api/account", &bearer(&token))).await?;
                ensure!(answer.status == 200, "a person was refused: {}", answer.status);
            }
            Ok(())
        });
    }
    while let Some(made) = making.join_next().await {
        made??;
    }
    Ok(())
}

fn wait(since: Instant, until: Instant) -> f64 {
    millis(until.saturating_duration_since(since))
}

/// One change after another, each for another of the crowd: when each was heard of, and what is to be
/// known about it by then, given when its request began.
async fn publish<T>(
    address: std::net::SocketAddr,
    crowd: &mut Crowd,
    many: usize,
    request: impl Fn(usize, usize) -> Vec<u8>,
    known: impl Fn(Instant) -> Result<T>,
) -> Result<Vec<(T, Instant)>> {
    const WARM_UP: usize = 20;
    let mut conn = Conn::open(address).await?;
    let mut told = Vec::with_capacity(many);
    crowd.forget();
    for number in 0..many + WARM_UP {
        // Some of everywhere in the crowd.
        let client = (number * 1013) % CROWD;
        let request = request(client, number);
        let began = Instant::now();
        let answer = conn.ask(&request).await?;
        ensure!(answer.status < 300, "a change was refused: {}", answer.status);
        let heard = crowd.heard(client).await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
        if number >= WARM_UP {
            told.push((known(began)?, heard));
        }
    }
    Ok(told)
}

async fn all_of_one(bench: &Bench) -> Result<Measured> {
    let services = Services::with_model(bench.model.url(""));
    let relay = bench.program.start(&bench.clerk, &services).await?;
    let token = bench.clerk.token("user_many")?;
    let requests = (0..CROWD).map(|_| watching(&token)).collect();
    let mut of_relay = Crowd::gather(relay.address, requests, b"event: account").await?;
    let nchan = Nchan::start(&bench.options.nginx, &bench.program.work).await?;
    let requests = (0..CROWD).map(|_| subscription(0)).collect();
    let mut of_nchan = Crowd::gather(nchan.address, requests, b"").await?;
    let message = "m".repeat(MESSAGE_BYTES);
    let mut changing = Conn::open(relay.address).await?;
    let mut posting = Conn::open(nchan.address).await?;
    let (mut shares, mut baseline) = (Vec::new(), Vec::new());
    for round in 0..bench.options.times(22, 7) {
        let peer = last(&mut posting, &mut of_nchan, &publication(0, &message)).await?;
        let ours = last(&mut changing, &mut of_relay, &renaming(&token, round)).await?;
        // The first two rounds warm everything up.
        if round >= 2 {
            baseline.push(peer);
            shares.push(ours / peer);
        }
    }
    let (peer, share) = (median(&baseline), median(&shares));
    say(format_args!("last of {CROWD}: nchan {peer:.1} ms, the relay {share:.2} of that"));
    Ok(Measured::beside(FIGURES[2], share, peer))
}

async fn last(conn: &mut Conn, crowd: &mut Crowd, request: &[u8]) -> Result<f64> {
    crowd.forget();
    let began = Instant::now();
    let answer = conn.ask(request).await?;
    ensure!(answer.status < 300, "a change was refused: {}", answer.status);
    let took = millis(crowd.last_of(CROWD).await?.saturating_duration_since(began));
    // So that nothing of this round is in the next.
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(took)
}
