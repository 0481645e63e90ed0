//! The client against a scripted endpoint on a real port.

use super::*;
use crate::counter::Counter;
use autocrea_protocol::generation::{Content, FinishReason, MessageRole};
use axum::Router;
use axum::body::Body as HttpBody;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

type Script = Arc<Mutex<VecDeque<Response>>>;
type Seen = Arc<Mutex<Vec<(HeaderMap, serde_json::Value)>>>;

struct Endpoint {
    url: String,
    seen: Seen,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State((script, seen)): State<(Script, Seen)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let body = serde_json::from_slice(&body).expect("JSON");
    seen.lock().push((head.headers, body));
    let next = script.lock().pop_front();
    next.unwrap_or_else(|| StatusCode::IM_A_TEAPOT.into_response())
}

async fn endpoint(script: impl IntoIterator<Item = Response>) -> Endpoint {
    let seen = Seen::default();
    let script = Arc::new(Mutex::new(script.into_iter().collect()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let routes = Router::new()
        .route("/v1/chat/completions", axum::routing::post(answer))
        .with_state((script, Arc::clone(&seen)));
    let task = tokio::spawn(async move { axum::serve(listener, routes).await.expect("served") });
    Endpoint { url, seen, task }
}

fn patience() -> GenerationSettings {
    let patience = Duration::from_millis(300);
    GenerationSettings {
        idle_timeout: patience,
        total_timeout: patience * 10,
        waking: patience * 10,
        spool_ttl: patience,
        max_prompt_bytes: 1 << 18,
        max_body_bytes: 1 << 23,
    }
}

fn client(url: &str) -> JoxCoder {
    client_with(url, patience())
}

fn client_with(url: &str, patience: GenerationSettings) -> JoxCoder {
    let settings = JoxCoderSettings {
        url: url.to_owned(),
        token: Some("hf_secret".into()),
        model: "joxcoder".into(),
        counter: Counter::Estimate,
        context_tokens: Tokens(32_768),
        images: false,
    };
    JoxCoder::new(&settings, patience).expect("a client")
}

fn question() -> Question {
    let hello = Message { role: MessageRole::User, content: Content::Text("hola".into()) };
    Question { messages: vec![hello], max_output: Tokens(300) }
}

fn said(text: &str) -> String {
    let chunk = serde_json::json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
    format!("data: {chunk}\n\n")
}

fn whole(wire: &str) -> Response {
    HttpBody::from(wire.to_owned()).into_response()
}

const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";

/// A response that the test writes as it goes; it stays open while the sender lives.
fn open() -> (mpsc::Sender<Bytes>, Response) {
    let (sender, receiver) = mpsc::channel::<Bytes>(16);
    let body = stream::unfold(receiver, async |mut receiver| {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, std::io::Error>(bytes), receiver))
    });
    (sender, HttpBody::from_stream(body).into_response())
}

async fn read_all(answer: &mut Answer) -> (String, Result<(), JoxCoderError>) {
    let mut text = String::new();
    loop {
        let mut batch = Batch::default();
        let more = answer.next(&mut batch).await;
        text.push_str(&batch.text);
        match more {
            Ok(true) => {}
            Ok(false) => return (text, Ok(())),
            Err(fault) => return (text, Err(fault)),
        }
    }
}

#[tokio::test]
async fn the_question_asks_for_a_stream_with_usage_and_carries_the_token() {
    let endpoint = endpoint([whole(&format!("{}{STOP}{DONE}", said("hola")))]).await;
    let mut answer = client(&endpoint.url).ask(&question(), |_| ()).await.expect("an answer");
    let (text, end) = read_all(&mut answer).await;
    end.expect("whole");
    assert_eq!(text, "hola");
    assert_eq!(answer.ending().reason, Some(FinishReason::Stop));
    let seen = endpoint.seen.lock();
    let (headers, body) = &seen[0];
    assert_eq!(headers["authorization"], "Bearer hf_secret");
    assert!(!headers.contains_key(SCALE_UP_HEADER));
    assert_eq!(
        *body,
        serde_json::json!({
            "model": "joxcoder", "max_tokens": 300, "stream": true,
            "stream_options": { "include_usage": true },
            "messages": [{ "role": "user", "content": "hola" }],
        })
    );
}

#[tokio::test]
async fn a_sleeping_endpoint_is_asked_again_and_told_to_hold_the_request() {
    let asleep = || StatusCode::SERVICE_UNAVAILABLE.into_response();
    let endpoint = endpoint([
        asleep(),
        StatusCode::BAD_GATEWAY.into_response(),
        whole(&format!("{}{DONE}", said("buenos días"))),
    ])
    .await;
    let mut pauses = Vec::new();
    let mut answer =
        client(&endpoint.url).ask(&question(), |pause| pauses.push(pause)).await.expect("awake");
    assert_eq!(read_all(&mut answer).await.0, "buenos días");
    assert_eq!(pauses, [FIRST_PAUSE, FIRST_PAUSE * 2]);
    let seen = endpoint.seen.lock();
    assert!(!seen[0].0.contains_key(SCALE_UP_HEADER));
    for (headers, _) in &seen[1..] {
        let hold: u64 = headers[SCALE_UP_HEADER].to_str().expect("text").parse().expect("seconds");
        assert!((1..=30).contains(&hold));
    }
}

#[tokio::test]
async fn an_endpoint_that_does_not_wake_up_in_time_is_a_timeout() {
    let asleep = (0..20).map(|_| StatusCode::SERVICE_UNAVAILABLE.into_response());
    let endpoint = endpoint(asleep).await;
    let fault = client(&endpoint.url).ask(&question(), |_| ()).await.expect_err("asleep");
    assert!(matches!(fault, JoxCoderError::Timeout(Patience::Waking)), "{fault:?}");
}

#[tokio::test]
async fn other_refusals_and_a_refused_connection_are_not_tried_again() {
    let endpoint = endpoint([StatusCode::INTERNAL_SERVER_ERROR.into_response()]).await;
    let fault = client(&endpoint.url).ask(&question(), |_| ()).await.expect_err("refused");
    assert!(matches!(fault, JoxCoderError::Status(StatusCode::INTERNAL_SERVER_ERROR)));
    assert_eq!(endpoint.seen.lock().len(), 1);

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", closed.local_addr().expect("an address"));
    drop(closed);
    let fault = client(&url).ask(&question(), |_| ()).await.expect_err("nobody there");
    assert!(matches!(fault, JoxCoderError::Connection(_)), "{fault:?}");
}

#[tokio::test]
async fn silence_is_a_timeout_and_so_is_an_answer_without_an_end() {
    let (writer, silent) = open();
    let (dripping, endless) = open();
    let endpoint = endpoint([silent, endless]).await;
    let client = client(&endpoint.url);

    let mut answer = client.ask(&question(), |_| ()).await.expect("headers");
    writer.send(said("uno").into()).await.expect("sent");
    let (text, end) = read_all(&mut answer).await;
    assert_eq!(text, "uno");
    assert!(matches!(end, Err(JoxCoderError::Timeout(Patience::Idle))));

    let drip = tokio::spawn(async move {
        while dripping.send(said("más ").into()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let mut answer = client.ask(&question(), |_| ()).await.expect("headers");
    let (_, end) = read_all(&mut answer).await;
    assert!(matches!(end, Err(JoxCoderError::Timeout(Patience::Total))), "{end:?}");
    drop(answer);
    drip.await.expect("the endpoint saw the connection close");
}

#[tokio::test]
async fn the_total_counts_from_the_question_and_not_from_the_first_word_of_an_answer() {
    // Connections come about, and nobody takes them up.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let idle_timeout = Duration::from_secs(600);
    let client = client_with(&url, GenerationSettings { idle_timeout, ..patience() });
    let asked = client.ask(&question(), |_| ()).await;
    assert!(matches!(asked, Err(JoxCoderError::Timeout(Patience::Total))), "{asked:?}");
}

#[tokio::test]
async fn the_last_try_is_when_the_time_to_wake_up_is_over() {
    let asleep = || StatusCode::SERVICE_UNAVAILABLE.into_response();
    let woken = whole(&format!("{}{STOP}{DONE}", said("ya")));
    let endpoint = endpoint([asleep(), asleep(), woken]).await;
    let waking = Duration::from_secs(1);
    let client = client_with(&endpoint.url, GenerationSettings { waking, ..patience() });
    let mut waits = Duration::ZERO;
    let mut answer = client.ask(&question(), |wait| waits += wait).await.expect("it woke up");
    assert!(waits <= waking, "{waits:?}");
    assert_eq!(read_all(&mut answer).await.0, "ya");
}

#[tokio::test]
async fn a_question_that_is_held_and_never_answered_ends_with_the_time_to_wake_up() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let asleep = axum::Router::new().fallback(async move || {
        if count.fetch_add(1, Ordering::Relaxed) > 0 {
            std::future::pending::<()>().await;
        }
        StatusCode::SERVICE_UNAVAILABLE
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, asleep).await });
    let (waking, idle_timeout) = (Duration::from_secs(1), Duration::from_secs(600));
    let client = client_with(
        &url,
        GenerationSettings { waking, idle_timeout, total_timeout: idle_timeout, ..patience() },
    );
    let ended = tokio::time::timeout(Duration::from_secs(60), async {
        client.ask(&question(), |_| ()).await
    });
    let ended = ended.await.expect("it ends");
    assert!(matches!(ended, Err(JoxCoderError::Timeout(Patience::Waking))), "{ended:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_last_event_without_its_blank_line_is_read() {
    let endpoint = endpoint([
        whole(&format!("{}data: [DONE]", said("entero"))),
        whole(said("cola").trim_end()),
    ])
    .await;
    let client = client(&endpoint.url);
    let mut answer = client.ask(&question(), |_| ()).await.expect("headers");
    let (text, end) = read_all(&mut answer).await;
    end.expect("whole");
    assert_eq!(text, "entero");
    let mut answer = client.ask(&question(), |_| ()).await.expect("headers");
    let (text, end) = read_all(&mut answer).await;
    assert_eq!(text, "cola");
    assert!(matches!(end, Err(JoxCoderError::BrokenOff)));
}

#[tokio::test]
async fn dropping_the_answer_closes_the_connection_to_the_endpoint() {
    let (writer, open) = open();
    let endpoint = endpoint([open]).await;
    let mut answer = client(&endpoint.url).ask(&question(), |_| ()).await.expect("headers");
    writer.send(said("uno").into()).await.expect("sent");
    let mut batch = Batch::default();
    assert!(answer.next(&mut batch).await.expect("text"));
    drop(answer);
    writer.closed().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_whole() {
    let endpoint = endpoint([whole(&said("a medias"))]).await;
    let mut answer = client(&endpoint.url).ask(&question(), |_| ()).await.expect("headers");
    let (text, end) = read_all(&mut answer).await;
    assert_eq!(text, "a medias");
    assert!(matches!(end, Err(JoxCoderError::BrokenOff)));
}

#[tokio::test]
async fn a_model_that_has_ended_and_keeps_the_line_open_has_ended() {
    let (writer, open) = open();
    let endpoint = endpoint([open]).await;
    let mut answer = client(&endpoint.url).ask(&question(), |_| ()).await.expect("headers");
    writer.send(format!("{}{STOP}", said("fin")).into()).await.expect("sent");
    let (text, end) = read_all(&mut answer).await;
    end.expect("whole");
    assert_eq!(text, "fin");
}

/// Answers `each` questions on every connection and closes it then; how many came is counted.
async fn hangs_up_after(each: usize) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let connections = Arc::new(AtomicUsize::new(0));
    let came = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            came.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                for _ in 0..each {
                    let (mut question, mut some) = (Vec::new(), [0; 4096]);
                    while !question.ends_with(b"]}") && !question.ends_with(b"}}") {
                        match stream.read(&mut some).await {
                            Ok(0) | Err(_) => return,
                            Ok(bytes) => question.extend_from_slice(&some[..bytes]),
                        }
                    }
                    let text = format!("{}{STOP}{DONE}", said("hola"));
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
                    let length = text.len();
                    let answer = format!("{head}content-length: {length}\r\n\r\n{text}");
                    stream.write_all(answer.as_bytes()).await.expect("written");
                }
            });
        }
    });
    (url, connections)
}

/// Asks so many questions, one after the other.
async fn converse(client: &JoxCoder, questions: usize) {
    for _ in 0..questions {
        let mut answer = client.ask(&question(), |_| ()).await.expect("an answer");
        let (text, end) = read_all(&mut answer).await;
        end.expect("whole");
        assert_eq!(text, "hola");
        answer.leave();
        // It is left in the background.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_connection_whose_answer_is_whole_carries_the_next_question() {
    let (url, connections) = hangs_up_after(usize::MAX).await;
    converse(&client(&url), 3).await;
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_meanwhile_costs_nobody_their_question() {
    let (url, connections) = hangs_up_after(2).await;
    converse(&client(&url), 5).await;
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}
