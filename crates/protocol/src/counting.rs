//! Counting tokens without the model's tokenizer.
//!
//! The documented estimate: text of any language is at most about one token for three bytes of
//! UTF-8 in the byte-pair vocabularies of code models (English prose is nearer to four, dense
//! punctuation nearer to two and a half); a message costs four more for its framing, and the
//! answer's opening three. The app uses the same rule as a relay that has no `tokenizer.json`,
//! so that both show the same ceiling.

use crate::Tokens;
use crate::generation::Message;

/// UTF-8 bytes that one token is taken to stand for.
pub const BYTES_PER_TOKEN: usize = 3;
/// What the framing of a message costs.
pub const TOKENS_PER_MESSAGE: i64 = 4;
/// What the opening of the answer costs.
pub const TOKENS_PER_ANSWER: i64 = 3;
/// What an image is taken to cost.
pub const TOKENS_PER_IMAGE: i64 = 1_100;

/// Estimated tokens of a text; 0 for none.
#[must_use]
pub fn estimate_text(text: &str) -> Tokens {
    Tokens(i64::try_from(text.len().div_ceil(BYTES_PER_TOKEN)).unwrap_or(i64::MAX))
}

/// Estimated input of a conversation.
#[must_use]
pub fn estimate_messages(messages: &[Message]) -> Tokens {
    estimate_messages_with(messages, estimate_text)
}

/// Input of a conversation, its texts counted by `count` (the model's own tokenizer, say).
#[must_use]
pub fn estimate_messages_with(messages: &[Message], count: impl Fn(&str) -> Tokens) -> Tokens {
    let of_message = |message: &Message| {
        let images = i64::try_from(message.content.images()).unwrap_or(i64::MAX);
        message.content.texts().map(&count).sum::<Tokens>()
            + Tokens(TOKENS_PER_MESSAGE)
            + Tokens(images.saturating_mul(TOKENS_PER_IMAGE))
    };
    messages.iter().map(of_message).sum::<Tokens>() + Tokens(TOKENS_PER_ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::{Content, MessageRole};

    #[test]
    fn an_estimate_is_never_below_one_token_for_three_bytes() {
        assert_eq!(estimate_text(""), Tokens(0));
        assert_eq!(estimate_text("a"), Tokens(1));
        assert_eq!(estimate_text("menú"), Tokens(2));
    }

    #[test]
    fn a_conversation_costs_its_framing_too() {
        let hello = Message { role: MessageRole::User, content: Content::Text("hola".into()) };
        assert_eq!(estimate_messages(&[hello]), Tokens(2 + 4 + 3));
    }
}
