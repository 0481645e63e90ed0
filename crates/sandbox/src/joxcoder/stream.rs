//! A reply on the wire: server-sent events in OpenAI's shape, paced, and cut where it is asked.

use super::fault::{Reply, Usage};
use super::record::{Entry, Outcome};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// What every chunk says besides its text.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) model: String,
    /// `stream_options.include_usage`
    pub(super) include_usage: bool,
}

impl Envelope {
    fn chunk(&self, choices: &Value, usage: Option<Usage>) -> Value {
        let mut chunk = json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": "sandbox",
            "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage_object(usage);
        } else if self.include_usage {
            chunk["usage"] = Value::Null;
        }
        chunk
    }
}

/// The answer to a request with `stream: true`.
pub(super) fn respond(
    envelope: Envelope,
    reply: Reply,
    gate: Arc<Semaphore>,
    entry: Entry,
) -> Response {
    let (sender, receiver) = mpsc::channel(32);
    let writer = Writer { sender, cut_bytes: reply.cut_bytes };
    tokio::spawn(async move {
        let outcome = write(&writer, &envelope, reply, &gate).await;
        entry.end(outcome.unwrap_or(Outcome::ClientLeft));
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Body::from_stream(ReceiverStream::new(receiver))).into_response()
}

/// The answer to a request without streaming.
pub(super) fn whole(envelope: &Envelope, reply: &Reply) -> Value {
    json!({
        "id": envelope.id,
        "object": "chat.completion",
        "created": envelope.created,
        "model": envelope.model,
        "choices": [{
            "index": 0,
            "message": { "role": "assistant", "content": reply.pieces.concat() },
            "finish_reason": reply.finish_reason,
        }],
        "usage": reply.usage.map(usage_object),
    })
}

/// The client went away.
struct Left;

struct Writer {
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
    cut_bytes: Option<usize>,
}

impl Writer {
    async fn event(&self, data: &str) -> Result<(), Left> {
        let event = Bytes::from(format!("data: {data}\n\n"));
        let Some(cut) = self.cut_bytes else {
            return self.send(Ok(event)).await;
        };
        for part in event.chunks(cut) {
            self.send(Ok(Bytes::copy_from_slice(part))).await?;
            // Letting the connection write each part is what keeps them apart on the wire.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn send(&self, part: Result<Bytes, io::Error>) -> Result<(), Left> {
        self.sender.send(part).await.map_err(|_| Left)
    }
}

async fn write(
    writer: &Writer,
    envelope: &Envelope,
    reply: Reply,
    gate: &Semaphore,
) -> Result<Outcome, Left> {
    let opening = json!([{
        "index": 0,
        "delta": { "role": "assistant", "content": "" },
        "finish_reason": null,
    }]);
    writer.event(&envelope.chunk(&opening, None).to_string()).await?;
    for sent in 0..=reply.pieces.len() {
        if reply.hold_after == Some(sent) {
            wait_for_release(writer, gate).await?;
        }
        if reply.break_after == Some(sent) {
            let cut = io::Error::new(io::ErrorKind::ConnectionReset, "cut on request");
            writer.send(Err(cut)).await?;
            return Ok(Outcome::Broken);
        }
        let Some(piece) = reply.pieces.get(sent) else {
            break;
        };
        if !reply.delay.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(reply.delay) => {}
                () = writer.sender.closed() => return Err(Left),
            }
        }
        let choice = json!([{ "index": 0, "delta": { "content": piece }, "finish_reason": null }]);
        writer.event(&envelope.chunk(&choice, None).to_string()).await?;
    }
    close(writer, envelope, &reply).await?;
    Ok(Outcome::Finished)
}

async fn close(writer: &Writer, envelope: &Envelope, reply: &Reply) -> Result<(), Left> {
    if let Some(reason) = &reply.finish_reason {
        let last = json!([{ "index": 0, "delta": {}, "finish_reason": reason }]);
        let usage = reply.usage.filter(|_| reply.usage_on_choice);
        writer.event(&envelope.chunk(&last, usage).to_string()).await?;
    }
    if let Some(usage) = reply.usage
        && envelope.include_usage
        && !reply.usage_on_choice
    {
        writer.event(&envelope.chunk(&json!([]), Some(usage)).to_string()).await?;
    }
    if reply.done {
        writer.event("[DONE]").await?;
    }
    Ok(())
}

async fn wait_for_release(writer: &Writer, gate: &Semaphore) -> Result<(), Left> {
    tokio::select! {
        permit = gate.acquire() => {
            if let Ok(permit) = permit {
                permit.forget();
            }
            Ok(())
        }
        () = writer.sender.closed() => Err(Left),
    }
}

fn usage_object(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
    })
}
