//! Why a generation ended badly, in the columns `error_code` and `error_text`.
//!
//! What we say ourselves is stored as a code and said in the language of the moment; what the relay
//! said is kept in its words.

use crate::error::problem_code;
use crate::ipc::{Language, Problem};
use crate::messages::OnlineMessage;
use autocrea_protocol::ErrorCode;
use autocrea_protocol::generation::StreamCode;
use serde::de::DeserializeOwned;

/// Why a generation ended badly, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The stream said so.
    Stream(StreamCode),
    /// The relay refused it, in its own words.
    Refused(ErrorCode, String),
    /// It never reached the relay.
    NotSent,
    /// It could not be asked after in time.
    LostTrack,
}

const NOT_SENT: &str = "not_sent";
const LOST_TRACK: &str = "lost_track";

impl Fault {
    pub(super) fn columns(&self) -> (String, Option<&str>) {
        match self {
            Self::Stream(code) => (name(code), None),
            Self::Refused(code, text) => (name(code), Some(text)),
            Self::NotSent => (NOT_SENT.to_owned(), None),
            Self::LostTrack => (LOST_TRACK.to_owned(), None),
        }
    }

    pub(super) fn read(code: &str, text: Option<String>) -> Self {
        match (code, named::<StreamCode>(code), named::<ErrorCode>(code)) {
            (NOT_SENT, ..) => Self::NotSent,
            (LOST_TRACK, ..) => Self::LostTrack,
            (_, Some(stream), _) => Self::Stream(stream),
            (_, None, Some(refused)) => Self::Refused(refused, text.unwrap_or_default()),
            _ => Self::Stream(StreamCode::UpstreamFailed),
        }
    }

    pub(super) fn problem(&self, language: Language) -> Problem {
        let message = match self {
            Self::Refused(code, text) => {
                return Problem { code: problem_code(*code), message: text.clone() };
            }
            Self::Stream(StreamCode::UpstreamFailed) => OnlineMessage::ModelFailed,
            Self::Stream(StreamCode::UpstreamTimeout) => OnlineMessage::ModelTimeout,
            Self::Stream(StreamCode::EmptyOutput) => OnlineMessage::ModelEmpty,
            Self::Stream(StreamCode::Interrupted) => OnlineMessage::Interrupted,
            Self::NotSent => OnlineMessage::NotSent,
            Self::LostTrack => OnlineMessage::LostTrack,
        };
        message.problem(language)
    }
}

/// The word of a code on the wire, which is its word here too.
pub(super) fn name<T: serde::Serialize>(code: &T) -> String {
    match serde_json::to_value(code) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

pub(super) fn named<T: DeserializeOwned>(name: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
}
