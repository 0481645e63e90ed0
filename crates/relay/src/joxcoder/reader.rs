//! Reading the model's answer: bytes in, text out, whatever the chunking.
//!
//! The network's bytes go through the protocol's event reader, each event is read as a chunk of an
//! OpenAI-compatible completion, and the text of all events that one read completed comes out as
//! one [`Batch`], so nothing waits and nothing is sent in smaller pieces than it came. What the
//! stream says about its own end (finish reason, usage, `[DONE]`) is kept in an [`Ending`].
//!
//! Deliberately not here: the network, time, and what an ending costs.

use super::text::Text;
use autocrea_protocol::generation::FinishReason;
use autocrea_protocol::sse::{Decoder, Frame, TooLarge};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::borrow::Cow;

/// The largest event that is read. A token's event has a few hundred bytes; a server that sends
/// the whole answer in one event still fits.
const EVENT_LIMIT: usize = 1 << 20;

/// What one read of the network brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The text, in order; may be empty.
    pub text: String,
    /// How many of the model's events carried that text.
    pub pieces: u64,
}

/// What the stream has said about its end so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ending {
    /// The model's reason, once it has given one.
    pub reason: Option<FinishReason>,
    /// `[DONE]` has been seen: nothing of interest follows.
    pub done: bool,
    /// Tokens as the model counted them. Some servers send them with every event: the last counts.
    pub usage: Reported,
}

impl Ending {
    /// Whether the stream may stop here without having been broken off.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.done || self.reason.is_some()
    }
}

/// The model's own counts. An explicit zero is a zero; only what was not said is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// `usage.prompt_tokens`.
    pub input: Option<i64>,
    /// `usage.completion_tokens`.
    pub output: Option<i64>,
}

/// Why an answer cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// An event larger than [`EVENT_LIMIT`].
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// An event that is not a chunk of a completion. What it held is not repeated: it may be text.
    #[error("the model sent an event that is not a completion chunk")]
    NotAChunk,
    /// The model reported an error inside the stream.
    #[error("the model reported an error in its stream")]
    Reported,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Option<Vec<Choice<'a>>>,
    usage: Option<UsageField>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    delta: Option<DeltaField<'a>>,
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct DeltaField<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
}

/// What is no whole number says nothing.
#[derive(Deserialize)]
struct UsageField {
    prompt_tokens: Option<Value>,
    completion_tokens: Option<Value>,
}

/// An incremental reader of one answer.
#[derive(Debug)]
pub struct AnswerReader {
    decoder: Decoder,
    ending: Ending,
    /// The first half of a character whose second half is to come.
    half: Option<u16>,
}

impl Default for AnswerReader {
    fn default() -> Self {
        Self { decoder: Decoder::new(EVENT_LIMIT), ending: Ending::default(), half: None }
    }
}

impl AnswerReader {
    /// Takes what the network delivered and gives the text that it completes. Once it has failed,
    /// the text that came before the fault in the same read is in `batch` all the same.
    ///
    /// # Errors
    /// [`ReadError`], after which the reader is of no more use.
    pub fn push(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<(), ReadError> {
        let Self { decoder, ending, half } = self;
        let mut read = Ok(());
        let decoded = decoder.read(bytes, |frame| {
            if read.is_ok() && !ending.done {
                read = read_frame(frame, ending, half, batch);
            }
        });
        read?;
        Ok(decoded?)
    }

    /// What is known of the end.
    #[must_use]
    pub const fn ending(&self) -> &Ending {
        &self.ending
    }
}

fn read_frame(
    frame: &Frame,
    ending: &mut Ending,
    half: &mut Option<u16>,
    batch: &mut Batch,
) -> Result<(), ReadError> {
    match frame.data.trim() {
        "[DONE]" => {
            ending.done = true;
            return Ok(());
        }
        // A sign of life.
        "" => return Ok(()),
        _ => {}
    }
    let chunk: Chunk<'_> = match serde_json::from_str(&frame.data) {
        Ok(chunk) => chunk,
        // Chunks have no name; what has one, such as a ping, may be anything.
        Err(_) if !matches!(frame.event.as_str(), "message" | "error") => return Ok(()),
        Err(_) => return Err(ReadError::NotAChunk),
    };
    if chunk.error.is_some() || frame.event == "error" {
        return Err(ReadError::Reported);
    }
    if let Some(usage) = chunk.usage {
        let count = |said: Option<Value>| said.and_then(|said| said.as_i64());
        ending.usage.input = count(usage.prompt_tokens).or(ending.usage.input);
        ending.usage.output = count(usage.completion_tokens).or(ending.usage.output);
    }
    // Only the first choice was asked for; a server that sends more must not interleave them.
    let choices = chunk.choices.unwrap_or_default().into_iter();
    for choice in choices.filter(|choice| choice.index.unwrap_or(0) == 0) {
        if let Some(text) = choice.delta.and_then(|delta| delta.content) {
            let before = batch.text.len();
            text.append_to(&mut batch.text, half);
            batch.pieces += u64::from(batch.text.len() > before);
        }
        if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
            ending.reason = Some(match reason.as_ref() {
                "length" => FinishReason::Length,
                _ => FinishReason::Stop,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(wire: &str) -> (Result<(), ReadError>, Batch, Ending) {
        let mut reader = AnswerReader::default();
        let mut batch = Batch::default();
        let result = reader.push(wire.as_bytes(), &mut batch);
        (result, batch, *reader.ending())
    }

    fn event(text: &str) -> String {
        let chunk =
            serde_json::json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
        format!("data: {chunk}\n\n")
    }

    #[test]
    fn usage_is_read_from_an_event_that_also_has_choices() {
        let (result, batch, ending) = read(
            "data: {\"choices\":[{\"delta\":{\"content\":\"ya\"},\"finish_reason\":\"stop\"}],\
             \"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}\n\n",
        );
        assert!(result.is_ok());
        assert_eq!(batch, Batch { text: "ya".into(), pieces: 1 });
        assert_eq!(ending.usage, Reported { input: Some(7), output: Some(1) });
        assert_eq!(ending.reason, Some(FinishReason::Stop));
    }

    #[test]
    fn an_explicit_zero_is_a_zero_and_null_says_nothing() {
        let (_, _, zero) =
            read("data: {\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n");
        assert_eq!(zero.usage, Reported { input: Some(0), output: Some(0) });
        let (_, _, null) = read("data: {\"choices\":[],\"usage\":null}\n\n");
        assert_eq!(null.usage, Reported::default());
    }

    #[test]
    fn an_error_inside_the_stream_is_a_failure_and_what_came_before_it_is_kept() {
        let (result, batch, _) =
            read(&format!("{}data: {{\"error\":{{\"message\":\"boom\"}}}}\n\n", event("antes")));
        assert!(matches!(result, Err(ReadError::Reported)));
        assert_eq!(batch.text, "antes");
    }

    #[test]
    fn a_character_that_is_cut_between_two_events_is_put_together() {
        let half = |escape: &str| {
            format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{escape}\"}}}}]}}\n\n")
        };
        let (result, batch, _) = read(&format!("{}{}", half("a\\ud83e"), half("\\udd80b")));
        assert!(result.is_ok());
        assert_eq!(batch, Batch { text: "a🦀b".into(), pieces: 2 });
        let (result, batch, _) = read(&format!("{}{}", half("\\ud83e"), half("b")));
        assert!(result.is_ok());
        assert_eq!(batch.text, "\u{fffd}b");
    }

    #[test]
    fn what_says_nothing_is_passed_over() {
        let (result, batch, ending) = read(
            "data:\n\ndata: {\"choices\":[{\"index\":null,\"delta\":{\"content\":\"ya\"}}],\
             \"usage\":{\"prompt_tokens\":7.5,\"completion_tokens\":\"x\"}}\n\n",
        );
        assert!(result.is_ok());
        assert_eq!(batch.text, "ya");
        assert_eq!(ending.usage, Reported::default());
    }

    #[test]
    fn a_stream_with_neither_reason_nor_done_is_not_whole() {
        assert!(!read(&event("a medias")).2.is_whole());
        assert!(read(&format!("{}data: [DONE]\n\n", event("entero"))).2.is_whole());
    }

    #[test]
    fn nothing_after_done_is_read() {
        let (result, batch, _) = read(&format!("data: [DONE]\n\n{}data: junk\n\n", event("tarde")));
        assert!(result.is_ok());
        assert_eq!(batch, Batch::default());
    }

    #[test]
    fn an_event_that_never_ends_is_an_error_and_not_an_allocation() {
        let mut reader = AnswerReader::default();
        let block = vec![b'x'; 1 << 16];
        let fault = (0..32).find_map(|_| reader.push(&block, &mut Batch::default()).err());
        assert!(matches!(fault, Some(ReadError::TooLarge(_))));
    }

    #[test]
    fn what_has_a_name_of_its_own_is_no_chunk_and_no_fault() {
        let wire = format!("event: ping\ndata: alive\n\n{}", event("hola"));
        let (result, batch, _) = read(&wire);
        assert!(result.is_ok());
        assert_eq!(batch.text, "hola");
        for fault in ["data: alive\n\n", "event: error\ndata: out of memory\n\n"] {
            assert!(read(fault).0.is_err(), "{fault}");
        }
    }

    proptest! {
        #[test]
        fn any_way_of_cutting_the_bytes_gives_the_same_text(
            texts in proptest::collection::vec("[a-z ñ€🦀\"\\\\\n\r\t]{0,12}", 0..8),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..12),
        ) {
            let wire = texts.iter().map(|text| event(text)).collect::<String>()
                + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n";
            let bytes = wire.as_bytes();
            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            at.extend([0, bytes.len()]);
            at.sort_unstable();
            let mut reader = AnswerReader::default();
            let mut batch = Batch::default();
            for pair in at.windows(2) {
                reader.push(&bytes[pair[0]..pair[1]], &mut batch).expect("well formed");
            }
            prop_assert_eq!(&batch.text, &texts.concat());
            prop_assert_eq!(reader.ending().reason, Some(FinishReason::Length));
            prop_assert!(reader.ending().done);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = AnswerReader::default().push(&bytes, &mut Batch::default());
        }
    }
}
