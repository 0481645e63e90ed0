//! Following a generation: the body of one client's stream.
//!
//! A follower holds a position and asks the generation what to do next; it never has a queue of its
//! own. It runs when its client's socket takes more, so a slow client costs a position and nothing
//! else, and one that goes away is simply dropped. Frames come from memory, or from the spool for
//! whoever is behind.

use super::live::{Live, Step};
use super::spool::Spool;
use super::wire;
use bytes::Bytes;
use futures_util::{Stream, stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// The stream cannot be completed here: what is missing is no longer kept, or this relay stops.
#[derive(Debug, thiserror::Error)]
#[error("the rest of this generation cannot be had here")]
pub struct Gone;

struct Follower {
    live: Arc<Live>,
    spool: Spool,
    changes: watch::Receiver<()>,
    language: &'static str,
    heartbeat: Duration,
    greeted: bool,
    after: u64,
    waking: u64,
    ended: bool,
}

/// The events of `live` after number `after`, beginning with `reserved` and ending with the end.
/// An error breaks the stream off, so that the client attaches again and learns what there is.
pub fn follow(
    live: Arc<Live>,
    spool: Spool,
    after: u64,
    language: &'static str,
) -> impl Stream<Item = Result<Bytes, Gone>> + Send + 'static {
    follow_beating(live, spool, after, language, wire::HEARTBEAT_EVERY)
}

fn follow_beating(
    live: Arc<Live>,
    spool: Spool,
    after: u64,
    language: &'static str,
    heartbeat: Duration,
) -> impl Stream<Item = Result<Bytes, Gone>> + Send + 'static {
    let changes = live.changes();
    let follower = Follower {
        live,
        spool,
        changes,
        language,
        heartbeat,
        greeted: false,
        after,
        waking: 0,
        ended: false,
    };
    stream::unfold(follower, async |mut follower| {
        let next = follower.next().await?;
        follower.ended |= next.is_err();
        Some((next, follower))
    })
}

impl Follower {
    async fn next(&mut self) -> Option<Result<Bytes, Gone>> {
        if self.ended {
            return None;
        }
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Ok(wire::reserved(&self.live.reserved)));
        }
        loop {
            match self.live.step(self.after, self.waking) {
                Step::Frames(frames, last) => {
                    self.after = last;
                    return Some(Ok(frames));
                }
                Step::Spool(until) => return Some(self.read_spool(until).await),
                Step::Waking(count, retry_in) => {
                    self.waking = count;
                    return Some(Ok(wire::waking(retry_in)));
                }
                Step::End(end) => {
                    self.ended = true;
                    return Some(Ok(wire::end(&end, self.language)));
                }
                Step::BreakOff => return Some(Err(Gone)),
                Step::Nothing => {
                    // The sender lives as long as `self.live`, so only a change or time ends this.
                    if timeout(self.heartbeat, self.changes.changed()).await.is_err() {
                        return Some(Ok(wire::HEARTBEAT));
                    }
                }
            }
        }
    }

    async fn read_spool(&mut self, until: u64) -> Result<Bytes, Gone> {
        match self.spool.read(&self.live.key, self.after, until).await {
            Ok(Some(page)) => {
                self.after = page.last;
                Ok(page.frames)
            }
            Ok(None) => Err(Gone),
            Err(fault) => {
                tracing::error!(%fault, "the spool cannot be read");
                Err(Gone)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::live::{End, Key, Outcome, TAIL_BYTES};
    use super::*;
    use autocrea_protocol::generation::{FinishReason, Reserved, StreamEvent, Usage};
    use autocrea_protocol::sse::Decoder;
    use autocrea_protocol::{GenerationId, Tokens};
    use futures_util::StreamExt;

    fn live() -> Arc<Live> {
        let generation = GenerationId(uuid::Uuid::now_v7());
        let key = Key { user: "user_ana".into(), generation };
        let reserved =
            Reserved { generation_id: generation, reserved: Tokens(9), remaining: Tokens(1) };
        Arc::new(Live::new(key, reserved))
    }

    fn end() -> End {
        let usage = Usage { input_tokens: Tokens(4), output_tokens: Tokens(5) };
        End {
            outcome: Outcome::Done(FinishReason::Stop, usage),
            charged: Tokens(9),
            remaining: Tokens(1),
        }
    }

    async fn read(stream: impl Stream<Item = Result<Bytes, Gone>>) -> Vec<StreamEvent> {
        let mut decoder = Decoder::new(1 << 20);
        let mut frames = Vec::new();
        let mut stream = std::pin::pin!(stream);
        while let Some(bytes) = stream.next().await {
            decoder.push(&bytes.expect("kept"), &mut frames).expect("small");
        }
        frames.iter().map(|frame| StreamEvent::read(frame).expect("ours").expect("known")).collect()
    }

    fn text(events: &[StreamEvent]) -> String {
        let texts = events.iter().filter_map(|event| match event {
            StreamEvent::Delta { text, .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    #[tokio::test]
    async fn whoever_attaches_gets_reserved_then_what_is_missing_then_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_file(&folder.path().join("spool")).unwrap();
        let live = live();
        for piece in ["uno ", "dos ", "tres"] {
            live.append(piece);
        }
        live.end(end());
        let events = read(follow(Arc::clone(&live), spool.clone(), 1, "es")).await;
        assert!(
            matches!(&events[0], StreamEvent::Reserved(reserved) if *reserved == live.reserved)
        );
        assert!(matches!(&events[1], StreamEvent::Delta { seq: 2, text } if text == "dos "));
        assert!(matches!(&events[3], StreamEvent::Done(_)));
        let past = read(follow(live, spool, 99, "es")).await;
        assert!(matches!(past[..], [StreamEvent::Reserved(_), StreamEvent::Done(_)]));
    }

    #[tokio::test]
    async fn a_slow_reader_gets_every_byte_and_memory_stays_small() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_file(&folder.path().join("spool")).unwrap();
        let live = live();
        let piece = "ñ".repeat(1000);
        let pieces = TAIL_BYTES * 8 / piece.len();
        let reader = follow(Arc::clone(&live), spool.clone(), 0, "es");
        for _ in 0..pieces {
            live.room().await.unwrap();
            live.append(&piece);
            spool.dirty(&live);
        }
        spool.flush(&live).await.unwrap();
        assert!(live.tail_bytes() <= TAIL_BYTES);
        live.end(end());
        assert_eq!(text(&read(reader).await), piece.repeat(pieces));
    }

    #[tokio::test]
    async fn a_generation_that_has_ended_is_replayed_from_the_spool_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spool");
        let spool = Spool::in_file(&path).unwrap();
        let first = live();
        for piece in ["a", "b", "c"] {
            first.append(piece);
        }
        spool.dirty(&first);
        spool.flush(&first).await.unwrap();
        drop(spool);
        let spool = Spool::in_file(&path).unwrap();
        assert_eq!(spool.last(&first.key).await.unwrap(), 3);
        let again = Arc::new(Live::ended(first.key.clone(), first.reserved.clone(), 3, end()));
        let events = read(follow(again, spool, 1, "es")).await;
        assert_eq!(text(&events), "bc");
        assert!(matches!(events.last(), Some(StreamEvent::Done(_))));
    }

    #[tokio::test]
    async fn silence_is_filled_with_heartbeats() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::in_file(&folder.path().join("spool")).unwrap();
        let heartbeat = Duration::from_millis(20);
        let mut stream = std::pin::pin!(follow_beating(live(), spool, 0, "es", heartbeat));
        stream.next().await.unwrap().unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), wire::HEARTBEAT);
    }
}
