//! A running generation, as the ones who follow it see it.
//!
//! The runner appends; followers and the spooler read. What is kept in memory is a *tail*: frames
//! leave it from the front once they are in the spool and the tail is longer than [`TAIL_BYTES`],
//! so that memory per generation is bounded however slow a follower is. A follower that has fallen
//! behind the tail reads from the spool instead. The runner is held back when the spool cannot keep
//! up ([`UNSPOOLED_BYTES`]), and so, in the end, is the model.
//!
//! A generation that has ended and is only replayed is the same thing with an empty tail, which is
//! why [`Live::ended`] exists; and so is one that another replica runs ([`Live::elsewhere`]).

use super::wire;
use autocrea_protocol::generation::{FinishReason, Reserved, StreamCode, Usage};
use autocrea_protocol::{GenerationId, Tokens, UserId};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a tail keeps of frames that are in the spool already.
pub const TAIL_BYTES: usize = 32 << 10;
/// What may wait for the spool before the runner has to wait too.
pub const UNSPOOLED_BYTES: usize = 32 << 10;
/// The most that a follower takes at once.
const TAKE_BYTES: usize = 16 << 10;

/// Whose generation it is; the same UUID of two people is two generations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The person.
    pub user: UserId,
    /// Their id for it.
    pub generation: GenerationId,
}

/// How a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Well; the usage adds up to what is charged.
    Done(FinishReason, Usage),
    /// Badly, for nothing.
    Failed(StreamCode),
}

impl Outcome {
    /// The word for it, of a closed set.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done(FinishReason::Stop, _) => "stop",
            Self::Done(FinishReason::Length, _) => "length",
            Self::Done(FinishReason::Cancelled, _) => "cancelled",
            Self::Failed(StreamCode::UpstreamFailed) => "upstream_failed",
            Self::Failed(StreamCode::UpstreamTimeout) => "upstream_timeout",
            Self::Failed(StreamCode::EmptyOutput) => "empty_output",
            Self::Failed(StreamCode::Interrupted) => "interrupted",
        }
    }
}

/// How it ended and what the balance was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How.
    pub outcome: Outcome,
    /// What it cost.
    pub charged: Tokens,
    /// What was left.
    pub remaining: Tokens,
}

/// Why a generation is being stopped from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The creator pressed Stop.
    Creator,
    /// The relay is shutting down, or the person has left.
    Relay,
}

/// The spool has been failing for so long that the generation cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("the spool does not take any more")]
pub struct SpoolStuck;

/// What a follower is to do next.
#[derive(Debug)]
pub enum Step {
    /// Send these frames; the last of them has this number.
    Frames(Bytes, u64),
    /// Read on from the spool, up to this number.
    Spool(u64),
    /// Say that the endpoint is waking up (the count tells one notice from the next).
    Waking(u64, Duration),
    /// Send the end.
    End(End),
    /// Break the stream off: it goes on elsewhere.
    BreakOff,
    /// Wait.
    Nothing,
}

/// That the endpoint is waking up: which notice of the kind it is, and when the next try is.
pub type Notice = (u64, Duration);

#[derive(Debug, Default)]
struct Tail {
    frames: VecDeque<(u64, Bytes)>,
    bytes: usize,
    unspooled: usize,
    last: u64,
    spooled: u64,
    stuck: bool,
    waking: Option<Notice>,
    end: Option<End>,
    broken_off: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Live {
    /// Whose.
    pub key: Key,
    /// Sent to whoever attaches.
    pub reserved: Reserved,
    tail: Mutex<Tail>,
    changed: watch::Sender<()>,
    in_spool_queue: AtomicBool,
    stop: CancellationToken,
    stop_reason: Mutex<Option<StopReason>>,
}

impl Live {
    /// A generation that begins.
    #[must_use]
    pub fn new(key: Key, reserved: Reserved) -> Self {
        Self {
            key,
            reserved,
            tail: Mutex::default(),
            changed: watch::Sender::new(()),
            in_spool_queue: AtomicBool::new(false),
            stop: CancellationToken::new(),
            stop_reason: Mutex::default(),
        }
    }

    /// A generation that has ended and whose `last` frames are in the spool.
    #[must_use]
    pub fn ended(key: Key, reserved: Reserved, last: u64, end: End) -> Self {
        let live = Self::new(key, reserved);
        *live.tail.lock() = Tail { last, spooled: last, end: Some(end), ..Tail::default() };
        live
    }

    /// A generation that another replica runs, of which `last` frames are in the spool.
    #[must_use]
    pub fn elsewhere(key: Key, reserved: Reserved, last: u64) -> Self {
        let live = Self::new(key, reserved);
        live.is_spooled_until(last);
        live
    }

    /// For one that runs elsewhere: so much of it can be read from the spool.
    pub fn is_spooled_until(&self, last: u64) {
        let mut tail = self.tail.lock();
        if last > tail.last {
            (tail.last, tail.spooled) = (last, last);
            drop(tail);
            self.changed.send_replace(());
        }
    }

    /// For one that runs elsewhere: its endpoint is waking up.
    pub fn is_waking(&self, notice: Notice) {
        let is_news =
            self.tail.lock().waking.replace(notice).is_none_or(|(known, _)| known < notice.0);
        if is_news {
            self.changed.send_replace(());
        }
    }

    /// Sends its followers away, to attach again.
    pub fn break_off(&self) {
        self.tail.lock().broken_off = true;
        self.changed.send_replace(());
    }

    /// Appends a piece of text and wakes the followers. The caller then tells the spool.
    pub fn append(&self, text: &str) {
        let mut tail = self.tail.lock();
        tail.last += 1;
        let frame = wire::delta(tail.last, text);
        tail.bytes += frame.len();
        tail.unspooled += frame.len();
        let seq = tail.last;
        tail.frames.push_back((seq, frame));
        drop(tail);
        self.changed.send_replace(());
    }

    /// Waits until the spool has caught up enough for more to be appended.
    ///
    /// # Errors
    /// If the spool has given up.
    pub async fn room(&self) -> Result<(), SpoolStuck> {
        let mut changed = self.changed.subscribe();
        loop {
            {
                let tail = self.tail.lock();
                if tail.stuck {
                    return Err(SpoolStuck);
                }
                if tail.unspooled < UNSPOOLED_BYTES {
                    return Ok(());
                }
            }
            // The sender lives in `self`, so this ends by a change only.
            changed.changed().await.ok();
        }
    }

    /// Tells the followers that the endpoint is waking up.
    pub fn waking(&self, retry_in: Duration) {
        let mut tail = self.tail.lock();
        let count = tail.waking.map_or(0, |(count, _)| count) + 1;
        tail.waking = Some((count, retry_in));
        drop(tail);
        self.changed.send_replace(());
    }

    /// Ends it for all followers.
    pub fn end(&self, end: End) {
        self.tail.lock().end = Some(end);
        self.changed.send_replace(());
    }

    /// The number of the last piece.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.tail.lock().last
    }

    /// Waits for the end.
    pub async fn wait_end(&self) {
        let mut changed = self.changed.subscribe();
        while self.tail.lock().end.is_none() {
            changed.changed().await.ok();
        }
    }

    /// Asks the runner to stop. The first reason counts.
    pub fn stop(&self, reason: StopReason) {
        self.stop_reason.lock().get_or_insert(reason);
        self.stop.cancel();
    }

    /// Waits until somebody has asked it to stop.
    pub async fn stopped(&self) -> StopReason {
        self.stop.cancelled().await;
        self.stop_reason.lock().unwrap_or(StopReason::Relay)
    }

    /// Something to wait on for changes. Subscribe first, look second.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What a follower that has everything up to `after`, and has been told of `waking` notices,
    /// is to do.
    #[must_use]
    pub fn step(&self, after: u64, waking: u64) -> Step {
        let tail = self.tail.lock();
        if tail.broken_off {
            return Step::BreakOff;
        }
        if after < tail.last {
            let first = tail.frames.front().map_or(tail.last + 1, |(seq, _)| *seq);
            if after + 1 < first {
                return Step::Spool(first - 1);
            }
            return take(&tail.frames, after + 1 - first);
        }
        if let Some(end) = tail.end {
            return Step::End(end);
        }
        match tail.waking {
            Some((count, retry_in)) if tail.last == 0 && count > waking => {
                Step::Waking(count, retry_in)
            }
            _ => Step::Nothing,
        }
    }

    #[cfg(test)]
    pub(super) fn tail_bytes(&self) -> usize {
        self.tail.lock().bytes
    }

    /// For the spooler: whether it must be put in the queue (it is not in it yet).
    pub(super) fn enqueue(&self) -> bool {
        !self.in_spool_queue.swap(true, Ordering::AcqRel)
    }

    /// For the spooler: the frames that are not in the spool yet.
    pub(super) fn unspooled(&self) -> Vec<(u64, Bytes)> {
        self.in_spool_queue.store(false, Ordering::Release);
        let tail = self.tail.lock();
        let new = tail.frames.partition_point(|(seq, _)| *seq <= tail.spooled);
        tail.frames.range(new..).cloned().collect()
    }

    /// For the spooler: everything up to `seq` is in the spool.
    pub(super) fn spooled(&self, seq: u64) {
        let mut tail = self.tail.lock();
        let known = tail.spooled;
        let new = tail.frames.partition_point(|(at, _)| *at <= known);
        let fresh = tail.frames.range(new..).take_while(|(at, _)| *at <= seq);
        let fresh: usize = fresh.map(|(_, frame)| frame.len()).sum();
        tail.unspooled -= fresh;
        tail.spooled = known.max(seq);
        tail.stuck = false;
        while tail.bytes > TAIL_BYTES
            && tail.frames.front().is_some_and(|(at, _)| *at <= tail.spooled)
        {
            if let Some((_, frame)) = tail.frames.pop_front() {
                tail.bytes -= frame.len();
            }
        }
        drop(tail);
        self.changed.send_replace(());
    }

    /// Whether all that was said is in the spool.
    pub(super) fn is_spooled(&self) -> bool {
        let tail = self.tail.lock();
        tail.spooled >= tail.last
    }

    /// For the spooler: it has given up for now.
    pub(super) fn spool_stuck(&self) {
        self.tail.lock().stuck = true;
        self.changed.send_replace(());
    }
}

/// Takes frames from `skip` on, as many as fit.
fn take(frames: &VecDeque<(u64, Bytes)>, skip: u64) -> Step {
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    let mut wanted = frames.iter().skip(skip).peekable();
    let Some((mut last, first)) = wanted.next().cloned() else { return Step::Nothing };
    if wanted.peek().is_none() {
        return Step::Frames(first, last);
    }
    let mut joined = BytesMut::from(&first[..]);
    for (seq, frame) in wanted {
        if joined.len() + frame.len() > TAKE_BYTES {
            break;
        }
        joined.extend_from_slice(frame);
        last = *seq;
    }
    Step::Frames(joined.freeze(), last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Follows `live` from `after` on to its end, a spool holding `all`; answers what was sent.
    fn follow(live: &Live, all: &[Bytes], mut after: u64) -> Vec<u8> {
        let mut sent = Vec::new();
        loop {
            match live.step(after, 0) {
                Step::Frames(frames, last) => {
                    sent.extend_from_slice(&frames);
                    after = last;
                }
                Step::Spool(until) => {
                    let frames =
                        &all[usize::try_from(after).unwrap()..usize::try_from(until).unwrap()];
                    frames.iter().for_each(|frame| sent.extend_from_slice(frame));
                    after = until;
                }
                Step::End(_) => return sent,
                other => panic!("an ended generation says {other:?}"),
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn wherever_a_follower_begins_and_whatever_left_the_tail_it_misses_nothing(
            sizes in proptest::collection::vec(0_usize..40_000, 1..24),
            spooled in proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
            begin in any::<proptest::sample::Index>(),
        ) {
            let generation = GenerationId(uuid::Uuid::nil());
            let reserved = Reserved { generation_id: generation, reserved: Tokens(9), remaining: Tokens(1) };
            let live = Live::new(Key { user: "user_ana".into(), generation }, reserved);
            let mut all = Vec::new();
            for (index, size) in sizes.iter().enumerate() {
                let text = "x".repeat(*size);
                live.append(&text);
                all.push(wire::delta(index as u64 + 1, &text));
                if spooled.iter().any(|it| it.index(sizes.len()) == index) {
                    live.spooled(index as u64 + 1);
                    prop_assert!(live.tail_bytes() <= TAIL_BYTES);
                }
            }
            let outcome = Outcome::Failed(StreamCode::UpstreamFailed);
            live.end(End { outcome, charged: Tokens::ZERO, remaining: Tokens(10) });
            let after = begin.index(sizes.len() + 1);
            prop_assert_eq!(follow(&live, &all, after as u64), all[after..].concat());
        }
    }
}
