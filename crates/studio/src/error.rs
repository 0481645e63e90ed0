//! What can go wrong in the studio, and the one place that turns it into what a person is told.

use crate::ipc::{Language, Problem, ProblemCode};
use crate::messages::{Say, StoreMessage, WorkMessage};
use crate::store::StoreError;
use std::sync::Arc;

/// A failure of a use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not do its work this time.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store could not be opened at start; nothing works until that is mended.
    #[error("the store could not be opened")]
    StoreClosed(#[source] Arc<StoreError>),
    /// Something that was named is not there.
    #[error("{0:?} is not there")]
    NotFound(Thing),
    /// What was sent cannot be accepted.
    #[error("refused: {0:?}")]
    Invalid(WorkMessage),
}

/// Things that may not be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    /// A project.
    Project,
    /// A version of one.
    Version,
    /// A file of a version.
    File,
}

impl Error {
    /// What the page can act on.
    #[must_use]
    pub const fn code(&self) -> ProblemCode {
        match self {
            Self::Store(_) | Self::StoreClosed(_) => ProblemCode::Store,
            Self::NotFound(_) => ProblemCode::NotFound,
            Self::Invalid(WorkMessage::NotEnoughTokens { .. }) => ProblemCode::TokenLimit,
            Self::Invalid(_) => ProblemCode::Invalid,
        }
    }

    /// As a person is told of it.
    #[must_use]
    pub fn problem(&self, language: Language) -> Problem {
        let message = match self {
            Self::Store(error) => StoreMessage(error).say(language),
            Self::StoreClosed(error) => StoreMessage(error).say(language),
            Self::NotFound(Thing::Project) => WorkMessage::ProjectGone.say(language),
            Self::NotFound(Thing::Version) => WorkMessage::VersionGone.say(language),
            Self::NotFound(Thing::File) => WorkMessage::FileGone.say(language),
            Self::Invalid(message) => message.say(language),
        };
        Problem { code: self.code(), message }
    }
}
