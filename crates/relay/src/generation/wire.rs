//! The events of a generation's stream, as bytes.

use super::live::{End, Outcome};
use autocrea_protocol::Tokens;
use autocrea_protocol::generation::{Delta, Done, Failed, Reserved, StreamCode, Waking};
use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;

/// A comment that keeps proxies and clients from taking silence for death.
pub const HEARTBEAT: Bytes = Bytes::from_static(b": \n\n");
/// How often it is sent when there is nothing else to send.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

/// `event: reserved`.
#[must_use]
pub fn reserved(reserved: &Reserved) -> Bytes {
    event("event: reserved\n", reserved)
}

/// `event: waking`.
#[must_use]
pub fn waking(retry_in: Duration) -> Bytes {
    let retry_in_ms = u64::try_from(retry_in.as_millis()).unwrap_or(u64::MAX);
    event("event: waking\n", &Waking { retry_in_ms })
}

/// `event: delta`, with its number.
#[must_use]
pub fn delta(seq: u64, text: &str) -> Bytes {
    event(&format!("id: {seq}\nevent: delta\n"), &Delta { text: text.to_owned() })
}

/// `event: done` or `event: failed`, its sentence in `language` (`en`, else Spanish).
#[must_use]
pub fn end(end: &End, language: &str) -> Bytes {
    match end.outcome {
        Outcome::Done(finish_reason, usage) => event(
            "event: done\n",
            &Done { finish_reason, usage, charged: end.charged, remaining: end.remaining },
        ),
        Outcome::Failed(code) => event(
            "event: failed\n",
            &Failed {
                code,
                error: sentence(code, language).to_owned(),
                charged: Tokens::ZERO,
                remaining: end.remaining,
            },
        ),
    }
}

fn event<T: Serialize>(head: &str, data: &T) -> Bytes {
    let mut bytes = Vec::with_capacity(head.len() + 96);
    bytes.extend_from_slice(head.as_bytes());
    bytes.extend_from_slice(b"data: ");
    // These types hold text and numbers only: serialising them into memory has no way to fail, and
    // JSON escapes line feeds, so the data is always one line.
    serde_json::to_writer(&mut bytes, data).ok();
    bytes.extend_from_slice(b"\n\n");
    bytes.into()
}

fn sentence(code: StreamCode, language: &str) -> &'static str {
    let english = language == "en";
    match code {
        StreamCode::UpstreamFailed if english => {
            "The model failed before it had finished. Nothing was charged; please try again."
        }
        StreamCode::UpstreamFailed => {
            "El modelo falló antes de terminar. No se te ha cobrado nada; vuelve a intentarlo."
        }
        StreamCode::UpstreamTimeout if english => {
            "The model took too long to answer. Nothing was charged; please try again in a while."
        }
        StreamCode::UpstreamTimeout => {
            "El modelo tardó demasiado en responder. No se te ha cobrado nada; vuelve a intentarlo en un rato."
        }
        StreamCode::EmptyOutput if english => {
            "The model ended without writing anything. Nothing was charged; try describing it in other words."
        }
        StreamCode::EmptyOutput => {
            "El modelo terminó sin escribir nada. No se te ha cobrado nada; prueba a describirlo con otras palabras."
        }
        StreamCode::Interrupted if english => {
            "The service was interrupted while the model was writing. Nothing was charged; what had arrived is kept."
        }
        StreamCode::Interrupted => {
            "El servicio se interrumpió mientras el modelo escribía. No se te ha cobrado nada; se conserva lo que había llegado."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use autocrea_protocol::generation::{FinishReason, StreamEvent, Usage};
    use autocrea_protocol::sse::Decoder;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Vec<StreamEvent> {
        let mut frames = Vec::new();
        Decoder::new(1 << 20).push(bytes, &mut frames).expect("small");
        frames.iter().map(|frame| StreamEvent::read(frame).expect("ours").expect("known")).collect()
    }

    #[test]
    fn the_end_is_written_as_the_contract_says() {
        let usage = Usage { input_tokens: Tokens(3), output_tokens: Tokens(4) };
        let outcome = Outcome::Done(FinishReason::Length, usage);
        let done = end(&End { outcome, charged: Tokens(7), remaining: Tokens(90) }, "es");
        assert_eq!(
            &done[..],
            b"event: done\ndata: {\"finishReason\":\"length\",\"usage\":{\"inputTokens\":3,\
              \"outputTokens\":4},\"charged\":7,\"remaining\":90}\n\n"
        );
        let outcome = Outcome::Failed(StreamCode::UpstreamTimeout);
        let failed = end(&End { outcome, charged: Tokens(0), remaining: Tokens(90) }, "en");
        assert!(failed.starts_with(
            b"event: failed\ndata: {\"code\":\"upstream_timeout\",\"error\":\"The model"
        ));
        assert!(failed.ends_with(b"\"charged\":0,\"remaining\":90}\n\n"));
    }

    #[test]
    fn a_waking_notice_says_when_the_next_try_is() {
        assert_eq!(
            &waking(Duration::from_millis(500))[..],
            b"event: waking\ndata: {\"retryInMs\":500}\n\n"
        );
    }

    proptest! {
        #[test]
        fn whatever_the_text_its_reader_gets_it_back(text in any::<String>(), seq in 1_u64..) {
            prop_assert_eq!(read(&delta(seq, &text)), [StreamEvent::Delta { seq, text }]);
        }
    }
}
