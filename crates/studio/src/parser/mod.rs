//! Reading what a model says, as it says it, into files and explanation.

use crate::ipc::{GeneratedFile, Piece};

/// An incremental reader.
#[derive(Debug)]
pub struct Parser {
    nonce: String,
    explanation: String,
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
        Self { nonce: nonce.to_owned(), explanation: String::new() }
    }

    /// Takes more of the output and tells what it means.
    pub fn push(&mut self, text: &str) -> Vec<Piece> {
        self.explanation.push_str(text);
        vec![Piece::Explanation { text: text.to_owned() }]
    }

    /// What has been read so far, for somebody who begins to watch now.
    #[must_use]
    pub fn so_far(&self) -> (String, Vec<GeneratedFile>) {
        let _ = &self.nonce;
        (self.explanation.clone(), Vec::new())
    }

    /// The output has ended.
    #[must_use]
    pub fn finish(self) -> Parsed {
        Parsed { explanation: self.explanation, ..Parsed::default() }
    }
}
