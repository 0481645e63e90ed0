//! From a draft to the messages that are sent, and what they can cost at most.

use crate::Studio;
use crate::error::Error;
use crate::ipc::{ContextFile, Draft};
use autocrea_protocol::Tokens;
use autocrea_protocol::generation::Message;

/// A draft made ready to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Composed {
    /// The conversation.
    pub messages: Vec<Message>,
    /// What the answer's frames carry.
    pub nonce: String,
    /// The version that it is made from.
    pub base_version: Option<u32>,
    /// Estimated input.
    pub input_tokens: Tokens,
    /// The limit of the output that is sent.
    pub max_output_tokens: Tokens,
    /// Files of the base version, with whether they go along.
    pub context: Vec<ContextFile>,
}

/// Limits that a draft has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The model's window, input and output together.
    pub context_tokens: Tokens,
    /// Text of one message, in bytes.
    pub max_prompt_bytes: u64,
    /// The plan's output ceiling.
    pub max_output_tokens: Tokens,
    /// What is left, if it is known.
    pub remaining: Option<Tokens>,
}

impl Studio {
    /// Makes a draft ready to send.
    ///
    /// # Errors
    /// If it cannot be sent as it stands.
    pub async fn compose(&self, draft: &Draft, limits: Limits) -> Result<Composed, Error> {
        let _ = (draft, limits, self.store()?);
        Err(Error::Invalid(crate::messages::WorkMessage::PromptEmpty))
    }
}
