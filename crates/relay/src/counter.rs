//! Counting tokens: exactly, by the model's own tokenizer, where there is a `tokenizer.json`; else
//! by the documented estimate, which the app uses too.
//!
//! One counter serves what a generation is taken to cost before it is sent and what is charged
//! where the model reports nothing. The framing of messages, and images, are estimated either way:
//! the chat template is the endpoint's. A long text takes a good while to count exactly, so that is
//! done on a thread that may be blocked; and what no context window would hold is not counted
//! exactly at all, so that nobody keeps our processors busy with it.

use autocrea_protocol::generation::Message;
use autocrea_protocol::{Tokens, counting};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tokenizers::Tokenizer;

/// How tokens are counted.
#[derive(Clone, Default)]
pub enum Counter {
    /// By the documented estimate.
    #[default]
    Estimate,
    /// By the model's own tokenizer.
    Exact {
        /// What the file says.
        tokenizer: Arc<Tokenizer>,
        /// What is estimated to be longer is not counted.
        longest: Tokens,
    },
}

/// No text has so many times more tokens by the estimate than by a tokenizer.
const FAR_TOO_LONG: i64 = 4;

/// The file is not there, or is no `tokenizer.json`.
#[derive(Debug, thiserror::Error)]
#[error("the tokenizer cannot be used: {0}")]
pub struct UnusableTokenizer(#[source] tokenizers::Error);

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_exact() { "Exact" } else { "Estimate" })
    }
}

impl Counter {
    /// Reads a `tokenizer.json` of a model with this context window. What the file says of cutting
    /// and of filling up is for training.
    ///
    /// # Errors
    /// [`UnusableTokenizer`].
    pub fn exact(file: &Path, context: Tokens) -> Result<Self, UnusableTokenizer> {
        let mut tokenizer = Tokenizer::from_file(file).map_err(UnusableTokenizer)?;
        tokenizer.with_truncation(None).map_err(UnusableTokenizer)?.with_padding(None);
        let longest = Tokens(context.get().saturating_mul(FAR_TOO_LONG));
        Ok(Self::Exact { tokenizer: Arc::new(tokenizer), longest })
    }

    /// Whether the model's own tokenizer counts.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        matches!(self, Self::Exact { .. })
    }

    /// Tokens of a text.
    pub async fn text(&self, text: String) -> Tokens {
        let estimate = counting::estimate_text(&text);
        self.beside(estimate, move |tokenizer| count(tokenizer, &text)).await
    }

    /// Input of a conversation.
    pub async fn messages(&self, messages: &Arc<Vec<Message>>) -> Tokens {
        let (estimate, messages) = (counting::estimate_messages(messages), Arc::clone(messages));
        let exactly = move |tokenizer: &Tokenizer| {
            counting::estimate_messages_with(&messages, |text| count(tokenizer, text))
        };
        self.beside(estimate, exactly).await
    }

    async fn beside(
        &self,
        estimate: Tokens,
        exactly: impl FnOnce(&Tokenizer) -> Tokens + Send + 'static,
    ) -> Tokens {
        let tokenizer = match self {
            Self::Exact { tokenizer, longest } if estimate <= *longest => Arc::clone(tokenizer),
            _ => return estimate,
        };
        let counted = tokio::task::spawn_blocking(move || exactly(&tokenizer)).await;
        counted.unwrap_or_else(|_| {
            tracing::error!("counting tokens failed; the estimate counts instead");
            estimate
        })
    }
}

fn count(tokenizer: &Tokenizer, text: &str) -> Tokens {
    match tokenizer.encode_fast(text, false) {
        Ok(encoded) => Tokens(i64::try_from(encoded.len()).unwrap_or(i64::MAX)),
        Err(error) => {
            tracing::error!(%error, "a text could not be counted; the estimate counts instead");
            counting::estimate_text(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autocrea_protocol::generation::{Content, MessageRole};
    use serde_json::{Value, json};

    fn written(change: impl FnOnce(&mut Value)) -> Result<Counter, UnusableTokenizer> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tokenizer.json");
        let mut content: Value =
            serde_json::from_str(include_str!("../tests/relay/support/tokenizer.json"))
                .expect("JSON");
        change(&mut content);
        std::fs::write(&file, content.to_string()).expect("written");
        Counter::exact(&file, Tokens(64))
    }

    #[tokio::test]
    async fn the_models_tokenizer_counts_what_the_model_would() {
        let exact = written(|_| {}).expect("a tokenizer");
        for (text, tokens) in [("", 0), ("hola", 1), ("hola hola", 2), ("ola", 2), ("hol", 2)] {
            assert_eq!(exact.text(text.to_owned()).await, Tokens(tokens), "{text}");
        }
        let said = Message { role: MessageRole::User, content: Content::Text("hola hola".into()) };
        let said = Arc::new(vec![said]);
        assert_eq!(exact.messages(&said).await, Tokens(2 + 4 + 3));
        assert_eq!(Counter::Estimate.messages(&said).await, Tokens(3 + 4 + 3));
    }

    #[tokio::test]
    async fn what_a_tokenizer_cuts_off_in_training_is_counted_here() {
        let cutting = written(|content| {
            content["truncation"] = json!({
                "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0,
            });
            content["padding"] = json!({
                "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
                "pad_id": 0, "pad_type_id": 0, "pad_token": "h",
            });
        });
        let text = "hola".to_owned() + &" hola".repeat(49);
        assert_eq!(cutting.expect("a tokenizer").text(text).await, Tokens(50));
    }

    #[tokio::test]
    async fn what_no_context_window_holds_is_not_counted_but_estimated() {
        let exact = written(|_| {}).expect("a tokenizer");
        let longest = 4 * 64 * counting::BYTES_PER_TOKEN;
        let text = " hola".repeat(longest / 5);
        assert_eq!(exact.text(text.clone()).await, Tokens(153));
        let longer = text + &" hola".repeat(2);
        assert_eq!(exact.text(longer.clone()).await, counting::estimate_text(&longer));
    }

    #[test]
    fn a_file_that_is_no_tokenizer_is_refused() {
        assert!(written(|content| *content = json!({"model": "none"})).is_err());
        assert!(Counter::exact(Path::new("no/such/tokenizer.json"), Tokens(64)).is_err());
    }
}
