//! What a model's endpoint can be made to do: faults, and replies that a test writes itself.
//!
//! A fault asked for with [`super::JoxCoder::next`] concerns one request; the switch on the index
//! page concerns all until it is turned off; a word in the prompt (`#drop`) concerns that prompt.

use std::time::Duration;

/// Something that goes wrong on request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A pause before each piece.
    Slow(Duration),
    /// 503 until this long after the first request that meets it, as an endpoint scaled to zero.
    /// With `X-Scale-Up-Timeout` the request is held instead, for at most that many seconds.
    Waking(Duration),
    /// 503 for this many requests, held by none.
    WakingTimes(u32),
    /// That HTTP status, with an error body.
    Status(u16),
    /// The connection is cut after this many pieces.
    DropAfter(usize),
    /// Nothing more comes after this many pieces (0: not even the headers), until
    /// [`super::JoxCoder::release`].
    HangAfter(usize),
    /// The stream ends after this many pieces with neither a finish reason nor `[DONE]`.
    EndAfter(usize),
    /// No usage is reported, even if it was asked for.
    NoUsage,
    /// A proper stream without any text.
    Empty,
    /// Usage comes on the last chunk that has choices, and on no other.
    UsageOnChoice,
    /// `max_tokens` is ignored: the text goes on and on.
    IgnoresMaxTokens,
    /// The body arrives in pieces of this many bytes, which cut letters and lines in two.
    CutBytes(usize),
}

/// Tokens as a reply reports them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// `prompt_tokens`
    pub input: u64,
    /// `completion_tokens`
    pub output: u64,
}

/// A reply as a test writes it. `max_tokens` changes nothing about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The text of each chunk.
    pub pieces: Vec<String>,
    /// Before each piece.
    pub delay: Duration,
    /// None: no usage is reported.
    pub usage: Option<Usage>,
    /// Usage comes on the last chunk with choices.
    pub usage_on_choice: bool,
    /// None: no finish reason is given.
    pub finish_reason: Option<String>,
    /// The stream ends with `[DONE]`.
    pub done: bool,
    /// The body is written in cuts of this many bytes.
    pub cut_bytes: Option<usize>,
    /// After this many pieces the reply waits for [`super::JoxCoder::release`].
    pub hold_after: Option<usize>,
    /// After this many pieces the connection is cut.
    pub break_after: Option<usize>,
}

impl Reply {
    /// These pieces, at once, with usage (a token a piece after ten of input), `stop` and `[DONE]`.
    pub fn pieces<T: Into<String>>(pieces: impl IntoIterator<Item = T>) -> Self {
        let pieces: Vec<String> = pieces.into_iter().map(Into::into).collect();
        let output = pieces.len() as u64;
        Self {
            pieces,
            delay: Duration::ZERO,
            usage: Some(Usage { input: 10, output }),
            usage_on_choice: false,
            finish_reason: Some("stop".to_owned()),
            done: true,
            cut_bytes: None,
            hold_after: None,
            break_after: None,
        }
    }

    /// One piece.
    pub fn text(text: impl Into<String>) -> Self {
        Self::pieces([text.into()])
    }

    /// Reports these tokens.
    #[must_use]
    pub fn usage(mut self, input: u64, output: u64) -> Self {
        self.usage = Some(Usage { input, output });
        self
    }

    /// Reports no tokens.
    #[must_use]
    pub fn without_usage(mut self) -> Self {
        self.usage = None;
        self
    }

    /// A pause before each piece.
    #[must_use]
    pub fn every(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits for [`super::JoxCoder::release`] after that many pieces.
    #[must_use]
    pub fn hold_after(mut self, pieces: usize) -> Self {
        self.hold_after = Some(pieces);
        self
    }

    /// Another finish reason.
    #[must_use]
    pub fn finish(mut self, reason: &str) -> Self {
        self.finish_reason = Some(reason.to_owned());
        self
    }

    /// The reply as this fault leaves it. What happens before a reply is no part of it.
    pub(super) fn spoil(&mut self, fault: &Fault) {
        match fault {
            Fault::Slow(delay) => self.delay = *delay,
            Fault::DropAfter(pieces) => self.break_after = Some(*pieces),
            Fault::HangAfter(pieces) => self.hold_after = Some(*pieces),
            Fault::EndAfter(pieces) => {
                self.pieces.truncate(*pieces);
                self.finish_reason = None;
                self.usage = None;
                self.done = false;
            }
            Fault::NoUsage => self.usage = None,
            Fault::Empty => {
                self.pieces.clear();
                if let Some(usage) = &mut self.usage {
                    usage.output = 0;
                }
            }
            Fault::UsageOnChoice => self.usage_on_choice = true,
            Fault::CutBytes(bytes) => self.cut_bytes = Some((*bytes).max(1)),
            Fault::Waking(_)
            | Fault::WakingTimes(_)
            | Fault::Status(_)
            | Fault::IgnoresMaxTokens => {}
        }
    }
}

/// The words, what each does, and the fault behind it: read in prompts, listed on the index page.
pub(crate) fn words() -> Vec<(&'static str, &'static str, Fault)> {
    vec![
        ("#slow", "half a second between pieces", Fault::Slow(Duration::from_millis(500))),
        (
            "#waking",
            "503 for eight seconds, as an endpoint that wakes up",
            Fault::Waking(Duration::from_secs(8)),
        ),
        ("#error", "500", Fault::Status(500)),
        ("#drop", "the connection breaks after 40 pieces", Fault::DropAfter(40)),
        ("#hang", "nothing more comes after 40 pieces", Fault::HangAfter(40)),
        ("#cut-short", "the stream ends after 40 pieces without saying so", Fault::EndAfter(40)),
        ("#no-usage", "no token counts are reported", Fault::NoUsage),
        ("#empty", "a proper answer without any text", Fault::Empty),
        ("#usage-on-choice", "token counts come on a chunk with choices", Fault::UsageOnChoice),
        ("#endless", "max_tokens is ignored", Fault::IgnoresMaxTokens),
        ("#split", "the bytes arrive cut in the middle of letters", Fault::CutBytes(5)),
    ]
}

/// The faults that a prompt asks for by its words.
pub(super) fn in_prompt(prompt: &str) -> Vec<Fault> {
    let asked: Vec<&str> = prompt
        .split_whitespace()
        .map(|word| word.trim_end_matches(['.', ',', ';', ':', '!', ')']))
        .collect();
    words()
        .into_iter()
        .filter(|(word, ..)| asked.contains(word))
        .map(|(_, _, fault)| fault)
        .collect()
}
