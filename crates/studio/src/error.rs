//! What can go wrong in the studio, and the one place that turns it into what a person is told.

use crate::ipc::{Language, Problem, ProblemCode};
use crate::messages::{OnlineMessage, Say, StoreMessage, WorkMessage};
use crate::relay::RelayError;
use crate::sign_in::ProviderError;
use crate::store::StoreError;
use crate::vault::VaultError;
use autocrea_protocol::ErrorCode;
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
    /// Something that needs the network, an account or a link cannot be done, for a known reason.
    #[error("refused: {0:?}")]
    Online(OnlineMessage),
    /// The relay did not do what was asked of it.
    #[error(transparent)]
    Relay(#[from] RelayError),
    /// The sign-in provider did not.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A secret could not be kept or read.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The HTTP client could not be made at start: nothing online works.
    #[error("there is no HTTP client")]
    NoClient,
    /// Work in the background broke off: a defect of ours.
    #[error("work in the background broke off")]
    Unfinished,
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
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::Store(_) | Self::StoreClosed(_) => ProblemCode::Store,
            Self::NotFound(_) => ProblemCode::NotFound,
            Self::Invalid(WorkMessage::NotEnoughTokens { .. }) => ProblemCode::TokenLimit,
            Self::Invalid(_) => ProblemCode::Invalid,
            Self::Online(message) => message.code(),
            Self::Relay(error) => relay_code(error),
            Self::Provider(error) => provider_message(error).code(),
            Self::Vault(error) => vault_message(error).code(),
            Self::NoClient | Self::Unfinished => ProblemCode::Internal,
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
            Self::Online(message) => message.say(language),
            Self::Relay(RelayError::Refused { body, .. }) => body.error.clone(),
            Self::Relay(error) => relay_message(error).say(language),
            Self::Provider(error) => provider_message(error).say(language),
            Self::Vault(error) => vault_message(error).say(language),
            Self::NoClient | Self::Unfinished => {
                StoreMessage(&StoreError::Unfinished).say(language)
            }
        };
        Problem { code: self.code(), message }
    }
}

/// What the page can act on, of what the relay said or did not say.
fn relay_code(error: &RelayError) -> ProblemCode {
    error.code().map_or_else(|| relay_message(error).code(), problem_code)
}

/// What the page can act on, of a code of the relay.
pub(crate) const fn problem_code(code: ErrorCode) -> ProblemCode {
    match code {
        ErrorCode::Unauthenticated => ProblemCode::SignedOut,
        ErrorCode::TokenLimit => ProblemCode::TokenLimit,
        ErrorCode::RateLimited | ErrorCode::TooManyGenerations => ProblemCode::Busy,
        ErrorCode::NotFound | ErrorCode::NoSubscription => ProblemCode::NotFound,
        ErrorCode::Forbidden
        | ErrorCode::InvalidRequest
        | ErrorCode::InvalidPlan
        | ErrorCode::GenerationConflict
        | ErrorCode::PayloadTooLarge
        | ErrorCode::UnsupportedMediaType
        | ErrorCode::MethodNotAllowed => ProblemCode::Invalid,
        ErrorCode::UpstreamUnavailable => ProblemCode::Offline,
        ErrorCode::Internal => ProblemCode::Internal,
    }
}

/// What is said where the relay has said nothing itself.
fn relay_message(error: &RelayError) -> OnlineMessage {
    if error.is_offline() { OnlineMessage::Offline } else { OnlineMessage::RelayStrange }
}

fn provider_message(error: &ProviderError) -> OnlineMessage {
    match error {
        ProviderError::Unreachable(_) => OnlineMessage::ProviderOffline,
        ProviderError::Refused => OnlineMessage::CodeRefused,
        ProviderError::Unusable(_) => OnlineMessage::ProviderStrange,
    }
}

fn vault_message(error: &VaultError) -> OnlineMessage {
    match error {
        VaultError::NoKeyring(_) => OnlineMessage::SecretPlaceNeeded,
        VaultError::Slow => OnlineMessage::KeyringSlow,
        VaultError::File(_) => OnlineMessage::SecretFile,
    }
}
