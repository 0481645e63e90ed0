//! What can go wrong between the app and its relay, told apart by what the app does about it.

use autocrea_protocol::{ErrorBody, ErrorCode};
use std::time::Duration;

/// A call that did not bring what it should.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// No connection, or it broke. Trying again later is right.
    #[error("the relay cannot be reached")]
    Unreachable {
        /// The HTTP client's reason, without the address.
        source: Box<reqwest::Error>,
    },
    /// Connected, but no sign of life for too long. Trying again later is right.
    #[error("the relay is silent")]
    Silent,
    /// The relay said no, in its own words.
    #[error("the relay refused with {status} ({:?}, request {})", body.code, body.request_id)]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its sentence and its code.
        body: Box<ErrorBody>,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// Something answered that does not keep to the contract: an older relay, a proxy's page.
    #[error("an answer with status {status} is not the relay's")]
    Unreadable {
        /// HTTP status.
        status: u16,
        /// Why it could not be read, where there was something to read.
        source: Option<Box<serde_json::Error>>,
    },
    /// The relay's address and a route do not make an address.
    #[error("the relay's address cannot be used")]
    Address,
}

impl From<reqwest::Error> for RelayError {
    fn from(source: reqwest::Error) -> Self {
        // Addresses carry ids and session names; logs should not.
        Self::Unreachable { source: Box::new(source.without_url()) }
    }
}

impl RelayError {
    /// The relay's code, if it was the relay that said no.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { body, .. } => Some(body.code),
            _ => None,
        }
    }

    /// Whether the same call may well succeed a little later: the network, or a relay or proxy in
    /// trouble. What the relay refuses for a reason of the caller's is not in this.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent => true,
            Self::Refused { status, body, .. } => {
                *status >= 500 || body.code == ErrorCode::RateLimited
            }
            Self::Unreadable { status, .. } => *status >= 500,
            Self::Address => false,
        }
    }

    /// Whether the relay did not answer at all, as far as a person is concerned.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Silent => true,
            // A gateway in front of a relay that is down, or a captive portal's page.
            Self::Unreadable { status, .. } => *status >= 500,
            Self::Refused { .. } | Self::Address => false,
        }
    }

    /// How long the relay asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
