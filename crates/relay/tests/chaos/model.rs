//! A model whose every word is known beforehand: what it says, how fast, and how it breaks off
//! follow from the number in the prompt. It also knows how often it was asked for each.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::stream;
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What it says: among it what could be taken for the stream's own words.
const WORDS: [&str; 12] = [
    "función ",
    "ñandú ",
    "{ return 1; }\n",
    "🦀🦀 ",
    "日本語",
    "<a href=\"x\">\\n</a>",
    "data: [DONE]\n\n",
    "\r\n",
    "event: done\ndata: {}\n\n",
    " ",
    "e\u{301}",
    "let it = 0;",
];

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All is said and counted.
    Whole,
    /// All is said, nothing is counted.
    Uncounted,
    /// The connection breaks in the middle.
    Broken,
    /// 500 before the first word.
    Refused,
}

/// What the model does with a number.
#[derive(Clone, Debug)]
pub struct Script {
    pub pieces: Vec<String>,
    pub pause: Duration,
    pub ending: Ending,
}

impl Script {
    pub fn of(number: u64) -> Self {
        if number == SLOW {
            let pieces = (0..600).map(|piece| format!("{piece} ")).collect();
            return Self { pieces, pause: Duration::from_millis(100), ending: Ending::Whole };
        }
        let count = 1 + usize::try_from(number % 60).expect("small");
        let mut word = number;
        let mut next = || {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            WORDS[usize::try_from(word >> 33).expect("31 bits") % WORDS.len()]
        };
        let pieces = (0..count).map(|_| format!("{}{}", next(), next())).collect();
        let ending = match (number >> 16) % 12 {
            0 => Ending::Broken,
            1 => Ending::Refused,
            2 | 3 => Ending::Uncounted,
            _ => Ending::Whole,
        };
        Self { pieces, pause: Duration::from_millis((number >> 8) % 14), ending }
    }

    /// All that it can come to say.
    pub fn text(&self) -> String {
        self.pieces.concat()
    }
}

/// A number whose answer is long and slow: it says all, a piece every fraction of a second.
pub const SLOW: u64 = u64::MAX;

/// The prompt that brings a number's answer.
pub fn prompt(number: u64) -> String {
    format!("number {number}")
}

/// Counts questions, by number.
#[derive(Clone, Default)]
pub struct Asked(Arc<Mutex<HashMap<u64, u32>>>);

impl Asked {
    pub fn times(&self, number: u64) -> u32 {
        self.0.lock().get(&number).copied().unwrap_or(0)
    }
}

/// Starts it; its address, ending in `/v1`.
pub async fn start() -> (String, Asked) {
    let asked = Asked::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let routes =
        Router::new().route("/v1/chat/completions", post(answer)).with_state(asked.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (url, asked)
}

async fn answer(State(asked): State<Asked>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let prompt = body["messages"][0]["content"].as_str().expect("a text");
    let number = prompt.strip_prefix("number ").and_then(|it| it.parse().ok()).expect("a number");
    *asked.0.lock().entry(number).or_default() += 1;
    let script = Script::of(number);
    if script.ending == Ending::Refused {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let mut response = Response::new(Body::from_stream(speak(script)));
    response.headers_mut().insert("content-type", "text/event-stream".parse().expect("a value"));
    response
}

fn speak(script: Script) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    let Script { pieces, pause, ending } = script;
    let half = pieces.len() / 2;
    let usage = json!({"prompt_tokens": 7, "completion_tokens": pieces.len()});
    stream::unfold((pieces, 0_usize), move |(pieces, at)| {
        let usage = usage.clone();
        async move {
            if pause > Duration::ZERO {
                tokio::time::sleep(pause).await;
            }
            if ending == Ending::Broken && at >= half {
                // The first error ends the body; the connection is cut.
                let cut = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                return (at == half).then(|| (Err(cut), (pieces, at + 1)));
            }
            let event = match pieces.get(at) {
                Some(text) => {
                    let choice = json!({"index": 0, "delta": {"content": text}});
                    format!("data: {}\n\n", json!({"choices": [choice]}))
                }
                None if at == pieces.len() => {
                    let choice = json!({"index": 0, "delta": {}, "finish_reason": "stop"});
                    let mut last = format!("data: {}\n\n", json!({"choices": [choice]}));
                    if ending != Ending::Uncounted {
                        let counted = json!({"choices": [], "usage": usage});
                        last.push_str(&format!("data: {counted}\n\n"));
                    }
                    last + "data: [DONE]\n\n"
                }
                None => return None,
            };
            Some((Ok(Bytes::from(event)), (pieces, at + 1)))
        }
    })
}
