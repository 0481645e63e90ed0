//! Reading what a model says, as it says it, into files and explanation.
//!
//! Text goes in as it arrives ([`Parser::push`]) and comes out at once as [`Piece`]s for whoever
//! watches; [`Parser::finish`] says what the whole of it means. The result never depends on how
//! the text was cut, nothing panics, and every byte ends up in a file, in the explanation, or is
//! part of a marker.
//!
//! Models are asked to frame files ([`frame`] has the exact rule). Those that do not are read
//! tolerantly: a fenced block with a file name in its info string, in its first comment or in the
//! line above it is a file. As soon as one frame is seen fences are explanation, also those seen
//! before, so that an example in an obedient answer overwrites nothing.

mod fence;
mod markers;
mod names;
mod scanner;
#[cfg(test)]
mod tests;

pub use markers::frame;

use crate::ipc::{GeneratedFile, Language, Piece};
use crate::messages::{Say, WorkMessage};
use scanner::{Event, Scanner};

/// An incremental reader.
#[derive(Debug)]
pub struct Parser {
    scanner: Scanner,
    reading: Reading,
}

/// What a whole output says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    /// What belongs to no file.
    pub explanation: String,
    /// What happens to the files of the base version, in the model's order.
    pub changes: Vec<Change>,
    /// Paths that were refused, as they were written; their content is in the explanation.
    pub refused: Vec<String>,
    /// What [`Parser::push`] had still held back, for whoever watches.
    pub last_pieces: Vec<Piece>,
}

impl Parsed {
    /// The explanation as a person reads it: with a note for each path that was refused.
    #[must_use]
    pub fn explained(&self, language: Language) -> String {
        let mut text = self.explanation.clone();
        for path in &self.refused {
            let path = path.chars().filter(|c| !c.is_control()).take(200).collect();
            text.push_str("\n\n> ");
            text.push_str(&WorkMessage::PathRefused { path }.say(language));
        }
        text
    }

    /// The files as they end up, in order of first appearance.
    #[must_use]
    pub fn files(&self) -> Vec<GeneratedFile> {
        files(self.changes.iter())
    }
}

/// One thing that happens to the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A file is written.
    Write {
        /// Where.
        path: String,
        /// Its bytes.
        text: String,
        /// Whether its end was seen.
        complete: bool,
    },
    /// A file goes.
    Delete {
        /// Which.
        path: String,
    },
    /// A file moves.
    Rename {
        /// From.
        from: String,
        /// To.
        to: String,
    },
}

impl Parser {
    /// A reader of an answer to a prompt that gave this nonce.
    #[must_use]
    pub fn new(nonce: &str) -> Self {
        Self { scanner: Scanner::new(nonce), reading: Reading::default() }
    }

    /// Takes more of the output and tells what it means.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        let events = self.scanner.push(text);
        events.into_iter().filter_map(|event| self.reading.take(event)).collect()
    }

    /// What has been read so far, for somebody who begins to watch now: explanation and files.
    #[must_use]
    pub fn so_far(&self) -> (String, Vec<GeneratedFile>) {
        (self.reading.explanation(), files(self.reading.changes()))
    }

    /// The output has ended, whole or not.
    #[must_use]
    pub fn finish(self) -> Parsed {
        let Self { scanner, mut reading } = self;
        let last_pieces = scanner.finish().into_iter().filter_map(|e| reading.take(e)).collect();
        Parsed {
            explanation: reading.explanation(),
            changes: reading.changes().cloned().collect(),
            refused: reading.refused,
            last_pieces,
        }
    }

    /// Reads a whole output.
    #[must_use]
    pub fn read(nonce: &str, output: &str) -> Parsed {
        let mut parser = Self::new(nonce);
        parser.push(output);
        parser.finish()
    }
}

/// What the events have amounted to.
#[derive(Debug, Default)]
struct Reading {
    /// The explanation, with the fenced files where they stand in it.
    segments: Vec<Segment>,
    /// What frames said.
    framed: Vec<Change>,
    /// A frame was seen.
    obedient: bool,
    /// The open file, if there is one.
    open: Option<Open>,
    refused: Vec<String>,
}

#[derive(Debug)]
enum Segment {
    Text(String),
    Fenced { opening: String, file: Change, closing: String },
}

#[derive(Debug)]
struct Open {
    path: String,
    fenced: bool,
}

impl Reading {
    fn take(&mut self, event: Event) -> Option<Piece> {
        match event {
            Event::Explanation(text) => {
                match self.segments.last_mut() {
                    Some(Segment::Text(last)) => last.push_str(&text),
                    _ => self.segments.push(Segment::Text(text.clone())),
                }
                Some(Piece::Explanation { text })
            }
            Event::Open { path, opening, fenced } => {
                let file =
                    Change::Write { path: path.clone(), text: String::new(), complete: false };
                if fenced {
                    self.segments.push(Segment::Fenced { opening, file, closing: String::new() });
                } else {
                    self.obedient = true;
                    self.framed.push(file);
                }
                self.open = Some(Open { path: path.clone(), fenced });
                Some(Piece::FileStarted { path })
            }
            Event::Text(more) => {
                if let Some(Change::Write { text, .. }) = self.open_file() {
                    text.push_str(&more);
                }
                self.open
                    .as_ref()
                    .map(|open| Piece::FileText { path: open.path.clone(), text: more })
            }
            Event::Close { complete, closing } => self.close(complete, closing),
            Event::Delete { path } => {
                self.obedient = true;
                self.framed.push(Change::Delete { path: path.clone() });
                Some(Piece::FileDeleted { path })
            }
            Event::Rename { from, to } => {
                self.obedient = true;
                self.framed.push(Change::Rename { from: from.clone(), to: to.clone() });
                Some(Piece::FileRenamed { from, to })
            }
            Event::Refused { path } => {
                self.refused.push(path);
                None
            }
        }
    }

    fn open_file(&mut self) -> Option<&mut Change> {
        if self.open.as_ref()?.fenced {
            match self.segments.last_mut() {
                Some(Segment::Fenced { file, .. }) => Some(file),
                _ => None,
            }
        } else {
            self.framed.last_mut()
        }
    }

    fn close(&mut self, whole: bool, end: String) -> Option<Piece> {
        if let Some(Change::Write { complete, .. }) = self.open_file() {
            *complete = whole;
        }
        let open = self.open.take()?;
        if open.fenced
            && let Some(Segment::Fenced { closing, .. }) = self.segments.last_mut()
        {
            *closing = end;
        }
        // A watcher is told of an end only if it was seen: the file stays marked unfinished else.
        whole.then_some(Piece::FileEnded { path: open.path })
    }

    fn explanation(&self) -> String {
        let mut all = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Text(text) => all.push_str(text),
                Segment::Fenced { opening, file: Change::Write { text, .. }, closing }
                    if self.obedient =>
                {
                    all.extend([opening.as_str(), text, closing]);
                }
                Segment::Fenced { .. } => {}
            }
        }
        all
    }

    fn changes(&self) -> impl Iterator<Item = &Change> {
        let fenced = self.segments.iter().filter_map(|segment| match segment {
            Segment::Fenced { file, .. } if !self.obedient => Some(file),
            _ => None,
        });
        fenced.chain(&self.framed)
    }
}

/// The files that changes end up with, in order of first appearance.
fn files<'a>(changes: impl Iterator<Item = &'a Change>) -> Vec<GeneratedFile> {
    let mut files: Vec<GeneratedFile> = Vec::new();
    for change in changes {
        match change {
            Change::Write { path, text, complete } => {
                let file =
                    GeneratedFile { path: path.clone(), text: text.clone(), complete: *complete };
                match files.iter_mut().find(|known| known.path == *path) {
                    Some(known) => *known = file,
                    None => files.push(file),
                }
            }
            Change::Delete { path } => files.retain(|file| file.path != *path),
            Change::Rename { from, to } => {
                if let Some(at) = files.iter().position(|file| file.path == *from) {
                    let file = files.remove(at);
                    files.retain(|other| other.path != *to);
                    files.push(GeneratedFile { path: to.clone(), ..file });
                }
            }
        }
    }
    files
}
