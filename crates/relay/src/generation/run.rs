//! Running one generation: from the model's first byte to an outcome.
//!
//! The runner belongs to nobody's request: clients come and go, it goes on until the model has
//! ended, its creator stops it, or the relay does.

use super::live::{Live, Outcome, StopReason};
use super::meter::Meter;
use super::spool::Spool;
use crate::joxcoder::{Answer, Batch, JoxCoder, JoxCoderError, Question};
use autocrea_protocol::generation::{FinishReason, StreamCode, Usage};
use std::sync::Arc;

/// A read of the network can bring a whole answer; no event for a client is larger than this.
const LARGEST_PIECE: usize = 32 << 10;

/// Asks the model and passes on what it says; answers how that ended.
pub(super) async fn run(
    joxcoder: &JoxCoder,
    spool: &Spool,
    live: &Arc<Live>,
    question: Question,
    meter: Meter,
) -> Outcome {
    let waking = |retry_in| {
        live.waking(retry_in);
        spool.waking(&live.key, retry_in);
    };
    let asked = tokio::select! {
        biased;
        reason = live.stopped() => return stopped(reason, Usage::default()),
        asked = joxcoder.ask(&question, waking) => asked,
    };
    // Megabytes of prompt need not be held while the answer streams.
    drop(question);
    match asked {
        Ok(answer) => pass_on(spool, live, answer, meter).await,
        Err(fault) => failed(&fault),
    }
}

async fn pass_on(spool: &Spool, live: &Arc<Live>, mut answer: Answer, mut meter: Meter) -> Outcome {
    loop {
        let mut batch = Batch::default();
        let next = tokio::select! {
            biased;
            reason = live.stopped() => return stopped(reason, used(&mut meter, &answer).await),
            next = answer.next(&mut batch) => next,
        };
        if !batch.text.is_empty() {
            meter.hear(&batch);
            pieces(&batch.text).for_each(|piece| live.append(piece));
            spool.dirty(live);
            // It is in the tail by now, and whoever waits for room may wait for long.
            drop(batch);
            let room = tokio::select! {
                biased;
                reason = live.stopped() => return stopped(reason, used(&mut meter, &answer).await),
                room = live.room() => room,
            };
            if room.is_err() {
                return Outcome::Failed(StreamCode::Interrupted);
            }
        }
        match next {
            Ok(true) if meter.is_over() && !answer.ending().is_whole() => {
                let usage = meter.stopped(answer.ending()).await;
                return Outcome::Done(FinishReason::Length, usage);
            }
            Ok(true) => {}
            Ok(false) if meter.is_silent() => return Outcome::Failed(StreamCode::EmptyOutput),
            Ok(false) => {
                let ending = *answer.ending();
                answer.leave();
                let said = ending.reason.unwrap_or(FinishReason::Stop);
                // It may have come to its end before it could be stopped.
                let reason = if meter.went_over(&ending) { FinishReason::Length } else { said };
                return Outcome::Done(reason, meter.whole(&ending).await);
            }
            Err(fault) => return failed(&fault),
        }
    }
}

/// What a stopped generation used: nothing, if it had not said anything yet.
async fn used(meter: &mut Meter, answer: &Answer) -> Usage {
    if meter.is_silent() { Usage::default() } else { meter.stopped(answer.ending()).await }
}

fn stopped(reason: StopReason, usage: Usage) -> Outcome {
    match reason {
        StopReason::Creator => Outcome::Done(FinishReason::Cancelled, usage),
        StopReason::Relay => Outcome::Failed(StreamCode::Interrupted),
    }
}

fn failed(fault: &JoxCoderError) -> Outcome {
    tracing::warn!(%fault, "a generation failed at the model");
    Outcome::Failed(match fault {
        JoxCoderError::Timeout(_) => StreamCode::UpstreamTimeout,
        JoxCoderError::Connection(_)
        | JoxCoderError::Broken(_)
        | JoxCoderError::Question
        | JoxCoderError::Status(_)
        | JoxCoderError::Read(_)
        | JoxCoderError::BrokenOff => StreamCode::UpstreamFailed,
    })
}

/// Cuts text into pieces of at most [`LARGEST_PIECE`] bytes, between characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(rest.floor_char_boundary(LARGEST_PIECE));
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_piece_is_cut_between_characters_and_loses_nothing() {
        let text = format!("a{}", "🦀".repeat(20_000));
        assert!(pieces(&text).all(|piece| piece.len() <= LARGEST_PIECE));
        assert_eq!(pieces(&text).collect::<String>(), text);
        assert_eq!(pieces("").count(), 0);
        assert_eq!(pieces("hola").collect::<Vec<_>>(), ["hola"]);
    }
}
