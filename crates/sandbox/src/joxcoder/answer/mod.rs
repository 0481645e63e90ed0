//! What the demonstration model says.
//!
//! The conversation is read for four things: how files are to be framed, which files there are
//! already, what is asked, and in which language. Without files a page is made from one of the
//! templates ([`pages`]); with files they are changed ([`edit`]). The explanation around the files
//! says what was done, and that a demonstration model did it.

mod colours;
mod edit;
mod frame;
mod pages;
mod prompt;

use frame::File;
use prompt::Language;
use serde_json::Value;
use std::fmt::Write as _;

/// Bytes of text that the demonstration model counts as one token.
pub(super) const BYTES_PER_TOKEN: usize = 4;

/// What was asked, and what there is.
pub(super) struct Conversation {
    /// The last message of the person, without files.
    pub(super) prompt: String,
    /// Tokens of everything sent.
    pub(super) tokens: usize,
    nonce: Option<String>,
    files: Vec<File>,
}

impl Conversation {
    /// None if there is no user message.
    pub(super) fn read(body: &Value) -> Option<Self> {
        let mut found = Self { prompt: String::new(), tokens: 0, nonce: None, files: Vec::new() };
        let mut asked = false;
        for message in body["messages"].as_array()? {
            let text = text_of(&message["content"]);
            found.tokens += tokens(&text);
            match message["role"].as_str() {
                Some("system" | "developer") => {
                    found.nonce = frame::nonce(&text).or(found.nonce);
                }
                role => {
                    let (files, words) = frame::part(&text);
                    for file in files {
                        found.files.retain(|known| known.path != file.path);
                        found.files.push(file);
                    }
                    if role == Some("user") {
                        asked = true;
                        words.trim().clone_into(&mut found.prompt);
                    }
                }
            }
        }
        asked.then_some(found)
    }
}

/// The whole answer.
pub(super) fn answer(conversation: &Conversation) -> String {
    let language = prompt::language(&conversation.prompt);
    let made = if conversation.files.is_empty() {
        pages::make(&conversation.prompt, language)
    } else {
        edit::change(&conversation.files, &conversation.prompt, language)
    };
    let mut text = made.before;
    text.push_str("\n\n");
    for file in &made.files {
        text.push_str(&frame::write(file, conversation.nonce.as_deref()));
        text.push('\n');
    }
    if let Some(nonce) = &conversation.nonce {
        for path in &made.deleted {
            let _ = writeln!(text, "<<<DELETE {nonce} {path}>>>");
        }
        for (from, to) in &made.renamed {
            let _ = writeln!(text, "<<<RENAME {nonce} {from} -> {to}>>>");
        }
    }
    text.push_str(&made.after);
    text.push('\n');
    text
}

/// Files, and what is said around them.
struct Made {
    before: String,
    files: Vec<File>,
    deleted: Vec<String>,
    renamed: Vec<(String, String)>,
    after: String,
}

/// Tokens of a text, as this model counts.
pub(super) fn tokens(text: &str) -> usize {
    text.len().div_ceil(BYTES_PER_TOKEN)
}

/// The beginning of a text that is worth that many tokens.
pub(super) fn first_tokens(text: &str, tokens: usize) -> &str {
    let mut end = tokens.saturating_mul(BYTES_PER_TOKEN).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// One of two texts.
fn say<'a>(language: Language, es: &'a str, en: &'a str) -> &'a str {
    match language {
        Language::Es => es,
        Language::En => en,
    }
}
