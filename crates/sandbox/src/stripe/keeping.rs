//! The books on disk, for whoever starts the sandbox again on the same folder: a relay that kept
//! its customers and subscriptions finds them here too. What is written is the books, what time it
//! was by them, and how far the clock had been moved. Answers kept for idempotency keys are not
//! kept here. Each change is on disk a moment later; the file is replaced whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::books::Books;
use super::desk::Desk;
use crate::clock::Clock;

/// Changes within this time are written together.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    ahead: Duration,
    now: i64,
    books: T,
}

/// The books that were kept in `file`, with the clock moved to where it was; none if there are none
/// that can be read. Events that were still on their way are sent again.
pub(super) fn open(file: &Path, clock: &Clock) -> Option<Books> {
    let text = std::fs::read(file).ok()?;
    let kept: Kept<Books> = match serde_json::from_slice(&text) {
        Ok(kept) => kept,
        Err(error) => {
            tracing::warn!(%error, "the books that were kept cannot be read; starting anew");
            return None;
        }
    };
    clock.advance(kept.ahead);
    let mut books = kept.books;
    books.now = kept.now;
    let waiting = books.events.iter().filter(|event| !event.pending.is_empty());
    books.undelivered = waiting.map(|event| event.id.clone()).collect();
    Some(books)
}

/// Writes the books after every change, for as long as it is polled.
pub(super) async fn run(desk: Arc<Desk>, file: PathBuf) {
    loop {
        write(&desk, &file);
        desk.touched.notified().await;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes the books as they are.
pub(super) fn write(desk: &Desk, file: &Path) {
    let text = desk.look(|books| {
        serde_json::to_vec(&Kept { ahead: desk.clock.ahead(), now: books.now, books })
    });
    let new = file.with_extension("new");
    let written = text
        .map_err(std::io::Error::other)
        .and_then(|text| std::fs::write(&new, text))
        .and_then(|()| std::fs::rename(&new, file));
    if let Err(error) = written {
        tracing::warn!(%error, "the books could not be kept");
    }
}
