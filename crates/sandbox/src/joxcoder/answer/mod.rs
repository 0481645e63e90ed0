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
pub(super) struct Conversation<'a> {
    /// The last message of the person, without files.
    pub(super) prompt: String,
    /// Tokens of everything sent.
    pub(super) tokens: usize,
    messages: &'a [Value],
    nonce: Option<String>,
    project: Option<String>,
    files: Vec<File>,
}

impl<'a> Conversation<'a> {
    /// None if there is no user message.
    pub(super) fn read(body: &'a Value) -> Option<Self> {
        Self::of(body["messages"].as_array()?)
    }

    fn of(messages: &'a [Value]) -> Option<Self> {
        let mut found = Self {
            prompt: String::new(),
            tokens: 0,
            messages,
            nonce: None,
            project: None,
            files: Vec::new(),
        };
        let mut asked = false;
        for message in messages {
            let text = text_of(&message["content"]);
            found.tokens += tokens(&text);
            match message["role"].as_str() {
                Some("system" | "developer") => {
                    found.nonce = frame::nonce(&text).or(found.nonce);
                    found.project = project(&text).or(found.project);
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

/// The name that the system prompt gives the project.
fn project(system: &str) -> Option<String> {
    let line = system.lines().find_map(|line| {
        line.strip_prefix("Proyecto: ").or_else(|| line.strip_prefix("Project: "))
    });
    let name = line?.trim();
    (!name.is_empty() && name.chars().count() <= 48).then(|| name.to_owned())
}

/// The whole answer.
pub(super) fn answer(conversation: &Conversation<'_>) -> String {
    if let Some(rest) = continuation(conversation.messages) {
        return rest;
    }
    let language = prompt::language(&conversation.prompt);
    let made = if conversation.files.is_empty() {
        pages::make(&conversation.prompt, conversation.project.as_deref(), language)
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

/// What is missing of an answer that broke off, when the last message only asks for the rest.
fn continuation(messages: &[Value]) -> Option<String> {
    let [before @ .., partial, _] = messages else {
        return None;
    };
    if partial["role"] != "assistant" {
        return None;
    }
    let partial = text_of(&partial["content"]);
    let whole = answer(&Conversation::of(before)?);
    let rest = whole.strip_prefix(&partial)?;
    (!partial.is_empty() && !rest.is_empty()).then(|| rest.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    proptest! {
        /// Whatever is asked, of whatever files, the answer is made and its frames read back.
        #[test]
        fn anything_can_be_asked(
            prompt in "\\PC{0,80}( título| verde|app.js| footer| más grande)?[\"'« a:]{0,4}\\PC{0,30}",
            html in "(<h1>|<title>|</h1>|<style>|</style>|</main>|\\PC){0,40}",
            css in "(--accent:|;|--bg|\\PC){0,20}",
            project in prop::bool::ANY,
        ) {
            let mut user = String::new();
            if project {
                for (path, text) in [("index.html", html), ("app.css", css)] {
                    let file = File { path: path.to_owned(), text };
                    user.push_str(&frame::write(&file, Some("n0nce")));
                }
            }
            user.push_str(&prompt);
            let body = json!({ "messages": [
                { "role": "system", "content": "AUTOCREA-FILES n0nce" },
                { "role": "user", "content": user },
            ]});
            let said = answer(&Conversation::read(&body).expect("a conversation"));
            let (files, words) = frame::part(&said);
            prop_assert!(!files.is_empty() || words.contains("<<<"), "{said}");
            prop_assert!(!words.contains("<<<FILE"), "{said}");
        }
    }
}
