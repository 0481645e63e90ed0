//! Server-sent events of the relay, as a thing to wait on.
//!
//! The relay sends a comment every 15 s, so a stream that is silent for three of those is taken
//! for dead. Reading is cancel-safe: a caller may wait with a deadline and come back for the rest.

use super::RelayError;
use autocrea_protocol::generation::StreamEvent;
use autocrea_protocol::sse::{Decoder, Frame};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// Longest silence before a stream is taken for dead: three heartbeats.
const IDLE: Duration = Duration::from_secs(46);
/// The largest frame that is read.
const FRAME_LIMIT: usize = 4 << 20;

/// A stream of events.
pub struct Events {
    response: reqwest::Response,
    decoder: Decoder,
    ready: VecDeque<Frame>,
    last_life: Instant,
}

impl Events {
    pub(super) fn new(response: reqwest::Response) -> Self {
        Self {
            response,
            decoder: Decoder::new(FRAME_LIMIT),
            ready: VecDeque::new(),
            last_life: Instant::now(),
        }
    }

    /// The next event; `None` when the relay has ended the stream.
    ///
    /// # Errors
    /// [`RelayError`] when the connection breaks or falls silent, or a frame is too large.
    pub async fn next(&mut self) -> Result<Option<Frame>, RelayError> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Some(frame));
            }
            let waiting = tokio::time::timeout_at(self.last_life + IDLE, self.response.chunk());
            let Some(bytes) = waiting.await.map_err(|_| RelayError::Silent)?? else {
                return Ok(None);
            };
            self.last_life = Instant::now();
            let mut frames = Vec::new();
            self.decoder
                .push(&bytes, &mut frames)
                .map_err(|_| RelayError::Unreadable { status: 200, source: None })?;
            self.ready.extend(frames);
        }
    }
}

/// A generation's stream.
pub struct GenerationStream {
    events: Events,
}

impl GenerationStream {
    pub(super) fn new(events: Events) -> Self {
        Self { events }
    }

    /// The next event that this version knows; `None` when the stream broke off without an ending
    /// or after it.
    ///
    /// # Errors
    /// As [`Events::next`]; data that cannot be read counts as a broken stream.
    pub async fn next(&mut self) -> Result<Option<StreamEvent>, RelayError> {
        while let Some(frame) = self.events.next().await? {
            match StreamEvent::read(&frame) {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "a generation's stream cannot be read");
                    return Err(RelayError::Unreadable { status: 200, source: None });
                }
            }
        }
        Ok(None)
    }
}
