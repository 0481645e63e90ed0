//! A generation that has not ended, in memory: as it stands, what has been read out of it, and who
//! watches. Nothing gets in here that is not in the store already.

use crate::ipc::{GeneratedFile, Generation, GenerationDetail, GenerationUpdate, Language, Piece};
use crate::messages::OnlineMessage;
use crate::parser::Parser;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Told of updates; says whether there is still somebody.
type Tell = Box<dyn FnMut(GenerationUpdate) -> bool + Send>;

struct Watcher {
    /// Messages with pieces so far.
    n: u64,
    tell: Tell,
}

struct State {
    generation: Generation,
    reading: Reading,
    seq: u64,
    watchers: Vec<Watcher>,
}

/// What has been read out of it.
enum Reading {
    /// So far.
    On(Box<Parser>),
    /// In all.
    Over { explanation: String, files: Vec<GeneratedFile> },
}

/// A generation that has not ended.
pub(super) struct Live {
    state: Mutex<State>,
    /// The creator pressed Stop.
    pub(super) stop: CancellationToken,
    /// A task is at work on it.
    driven: Mutex<bool>,
}

impl Live {
    /// With all that the store has of it: `text` is everything said so far.
    pub(super) fn new(generation: Generation, nonce: &str, text: &str, seq: u64) -> Self {
        let mut parser = Parser::new(nonce);
        parser.push(text);
        Self {
            state: Mutex::new(State {
                generation,
                reading: Reading::On(Box::new(parser)),
                seq,
                watchers: Vec::new(),
            }),
            stop: CancellationToken::new(),
            driven: Mutex::new(false),
        }
    }

    /// Takes the right to work on it; false if somebody has it.
    pub(super) fn take(&self) -> bool {
        !std::mem::replace(&mut *self.driven.lock(), true)
    }

    pub(super) fn is_driven(&self) -> bool {
        *self.driven.lock()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().has_ended()
    }

    /// As it stands.
    pub(super) fn generation(&self) -> Generation {
        self.state.lock().generation.clone()
    }

    /// With its files so far.
    pub(super) fn detail(&self) -> GenerationDetail {
        self.state.lock().detail()
    }

    /// Begins to tell somebody: first all there is, then what comes.
    pub(super) fn watch(&self, mut tell: Tell) {
        let mut state = self.state.lock();
        if !tell(GenerationUpdate::Snapshot { detail: state.detail() }) {
            return;
        }
        if state.has_ended() {
            tell(GenerationUpdate::Ended { generation: state.generation.clone() });
            return;
        }
        state.watchers.push(Watcher { n: 0, tell });
    }

    /// More has been stored, up to piece `seq`.
    pub(super) fn arrived(&self, seq: u64, text: &str) {
        let mut state = self.state.lock();
        state.seq = seq;
        if std::mem::take(&mut state.generation.waking) {
            state.tell_status();
        }
        if let Reading::On(parser) = &mut state.reading {
            let pieces = parser.push(text);
            state.tell_pieces(&pieces);
        }
    }

    /// Its own figures have changed.
    pub(super) fn change(&self, change: impl FnOnce(&mut Generation)) {
        let mut state = self.state.lock();
        let before = state.generation.clone();
        change(&mut state.generation);
        if state.generation != before {
            state.tell_status();
        }
    }

    /// It cannot go on for the moment; or it can again.
    pub(super) fn trouble(&self, message: Option<&OnlineMessage>, language: Language) {
        self.change(|generation| {
            generation.problem = message.map(|message| message.problem(language));
        });
    }

    /// It is over, and stored.
    pub(super) fn end(&self, generation: Generation) {
        let mut state = self.state.lock();
        state.generation = generation;
        let over = Reading::Over { explanation: String::new(), files: Vec::new() };
        if let Reading::On(parser) = std::mem::replace(&mut state.reading, over) {
            let parsed = parser.finish();
            let files = parsed.files();
            state.reading = Reading::Over { explanation: parsed.explanation, files };
            state.tell_pieces(&parsed.last_pieces);
        }
        let generation = state.generation.clone();
        for mut watcher in state.watchers.drain(..) {
            (watcher.tell)(GenerationUpdate::Ended { generation: generation.clone() });
        }
    }
}

impl State {
    const fn has_ended(&self) -> bool {
        matches!(self.reading, Reading::Over { .. })
    }

    fn detail(&self) -> GenerationDetail {
        let (explanation, files) = match &self.reading {
            Reading::On(parser) => parser.so_far(),
            Reading::Over { explanation, files } => (explanation.clone(), files.clone()),
        };
        GenerationDetail { generation: self.generation.clone(), explanation, files, seq: self.seq }
    }

    fn tell_status(&mut self) {
        let generation = self.generation.clone();
        self.watchers.retain_mut(|watcher| {
            (watcher.tell)(GenerationUpdate::Status { generation: generation.clone() })
        });
    }

    fn tell_pieces(&mut self, pieces: &[Piece]) {
        if pieces.is_empty() {
            return;
        }
        self.watchers.retain_mut(|watcher| {
            watcher.n += 1;
            (watcher.tell)(GenerationUpdate::Pieces { n: watcher.n, pieces: pieces.to_vec() })
        });
    }
}
