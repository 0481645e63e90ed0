//! A generation on the wire: the request, and the events of its stream.

use crate::{GenerationId, Tokens};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `POST /api/joxcoder/generate`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GenerateRequest {
    /// The client's, and the idempotency key.
    pub generation_id: GenerationId,
    /// A label, `[a-z0-9_-]{1,64}`; the prompt itself is in `messages`.
    #[schemars(regex(pattern = r"^[a-z0-9_-]{1,64}$"))]
    pub role: String,
    /// The conversation.
    #[schemars(length(min = 1))]
    pub messages: Vec<Message>,
    /// The most output wanted; absent = the plan's ceiling.
    #[schemars(range(min = 1))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<Tokens>,
}

/// One message, in OpenAI's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: MessageRole,
    /// Text, or parts.
    pub content: Content,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// Instructions.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// What a message says: a string, or OpenAI's parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Text and images.
    Parts(Vec<Part>),
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// An image, as a `data:` URL.
    ImageUrl {
        /// Where it is.
        image_url: ImageUrl,
    },
}

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageUrl {
    /// A `data:` URL; nothing is fetched.
    pub url: String,
    /// How closely the model is to look, in the model's own words (`low`, `high`, `auto`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Content {
    /// The pieces of text, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (whole, parts) = match self {
            Self::Text(text) => (Some(text.as_str()), &[][..]),
            Self::Parts(parts) => (None, parts.as_slice()),
        };
        whole.into_iter().chain(parts.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            Part::ImageUrl { .. } => None,
        }))
    }

    /// How many images go along.
    #[must_use]
    pub fn images(&self) -> usize {
        match self {
            Self::Text(_) => 0,
            Self::Parts(parts) => {
                parts.iter().filter(|part| matches!(part, Part::ImageUrl { .. })).count()
            }
        }
    }
}

/// `event: reserved`, first on every stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reserved {
    /// Which generation.
    pub generation_id: GenerationId,
    /// The ceiling: it can never cost more.
    pub reserved: Tokens,
    /// What is left besides.
    pub remaining: Tokens,
}

/// `event: waking`: the endpoint is scaling up from zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Waking {
    /// The relay's next try.
    pub retry_in_ms: u64,
}

/// `event: delta`, the only ones with an id (1, 2, 3 …).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delta {
    /// Concatenated, they are what the model said, exactly.
    pub text: String,
}

/// `event: done`, one of the two endings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// Adds up to `charged`.
    pub usage: Usage,
    /// What it cost.
    pub charged: Tokens,
    /// What is left.
    pub remaining: Tokens,
}

/// `event: failed`, the other ending. `charged` is 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// What happened.
    pub code: StreamCode,
    /// One sentence for a person.
    pub error: String,
    /// Always 0: nobody pays for a failure.
    pub charged: Tokens,
    /// What is left.
    pub remaining: Tokens,
}

/// Why a generation ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The model had said all.
    Stop,
    /// The maximum length was reached.
    Length,
    /// The creator pressed Stop.
    Cancelled,
}

/// Why a stream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum StreamCode {
    /// The model's endpoint answered with an error, or broke off.
    UpstreamFailed,
    /// It was silent, or slow, for too long.
    UpstreamTimeout,
    /// It ended without a word.
    EmptyOutput,
    /// The relay died or was stopped.
    Interrupted,
}

/// Tokens of one generation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Of the messages.
    pub input_tokens: Tokens,
    /// Of the answer.
    pub output_tokens: Tokens,
}

/// One event of the stream, as its reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// Tokens are held.
    Reserved(Reserved),
    /// The endpoint is starting.
    Waking(Waking),
    /// A piece, with its sequence number (1, 2, 3 …).
    Delta {
        /// Position in the stream.
        seq: u64,
        /// The text.
        text: String,
    },
    /// Ended well.
    Done(Done),
    /// Ended badly.
    Failed(Failed),
}

/// What a stream's reader can stumble over.
#[derive(Debug, thiserror::Error)]
pub enum StreamEventError {
    /// A `delta` without a number for an id.
    #[error("a delta came without a sequence number")]
    MissingSequence,
    /// The data is not the JSON that the event's name promises.
    #[error("the data of `{event}` could not be read")]
    Data {
        /// Name of the event.
        event: String,
        /// serde's reason.
        source: serde_json::Error,
    },
}

impl StreamEvent {
    /// Reads an SSE frame; `None` for an event of a name that this version does not know.
    ///
    /// # Errors
    /// If the data does not fit the event's name.
    pub fn read(frame: &crate::sse::Frame) -> Result<Option<Self>, StreamEventError> {
        fn data<T: serde::de::DeserializeOwned>(
            frame: &crate::sse::Frame,
        ) -> Result<T, StreamEventError> {
            serde_json::from_str(&frame.data)
                .map_err(|source| StreamEventError::Data { event: frame.event.clone(), source })
        }
        Ok(Some(match frame.event.as_str() {
            "reserved" => Self::Reserved(data(frame)?),
            "waking" => Self::Waking(data(frame)?),
            "delta" => {
                let seq = frame
                    .id
                    .as_deref()
                    .and_then(|id| id.parse().ok())
                    .ok_or(StreamEventError::MissingSequence)?;
                Self::Delta { seq, text: data::<Delta>(frame)?.text }
            }
            "done" => Self::Done(data(frame)?),
            "failed" => Self::Failed(data(frame)?),
            _ => return Ok(None),
        }))
    }
}
