//! People who generate: read to the end, come back after an interruption, leave and come back,
//! press Stop. What each client saw is kept, to be held against the ledger and the model.

use super::form::Chances;
use super::model;
use super::relay::Relay;
use super::stage::{Person, Stage};
use autocrea_protocol::generation::{Done, Failed, StreamEvent};
use autocrea_protocol::sse::Decoder;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How a stream ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Done(Done),
    Failed(Failed),
}

/// What a client has seen of a generation.
#[derive(Clone, Debug)]
pub struct Seen {
    pub person: usize,
    pub id: Uuid,
    pub number: u64,
    /// The ceiling, if it was ever told.
    pub reserved: Option<i64>,
    pub pieces: BTreeMap<u64, String>,
    pub end: Option<End>,
    /// It was refused before it began.
    pub refused: bool,
}

impl Seen {
    /// All the text that came, which has no gaps.
    pub fn text(&self) -> String {
        let numbers: Vec<u64> = self.pieces.keys().copied().collect();
        let whole: Vec<u64> = (1..=self.pieces.len() as u64).collect();
        assert_eq!(numbers, whole, "{}: pieces are missing", self.id);
        self.pieces.values().map(String::as_str).collect()
    }

    fn take(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Reserved(told) => {
                let told = told.reserved.get();
                assert_eq!(*self.reserved.get_or_insert(told), told, "one ceiling");
            }
            StreamEvent::Delta { seq, text } => {
                let known = self.pieces.entry(seq).or_insert_with(|| text.clone());
                assert_eq!(*known, text, "a piece never changes");
            }
            StreamEvent::Done(done) => self.ends(End::Done(done)),
            StreamEvent::Failed(failed) => self.ends(End::Failed(failed)),
            StreamEvent::Waking(_) => {}
        }
    }

    /// An end that was told once is the end.
    fn ends(&mut self, end: End) {
        match (&self.end, &end) {
            (None, _) => self.end = Some(end),
            (Some(End::Done(before)), End::Done(now)) => assert_eq!(before, now),
            (Some(End::Failed(before)), End::Failed(now)) => assert_eq!(before.code, now.code),
            (Some(before), now) => panic!("{}: it was {before:?} and is {now:?}", self.id),
        }
    }

    fn last(&self) -> u64 {
        self.pieces.keys().next_back().copied().unwrap_or(0)
    }
}

/// Somebody generates, one after the other, until told to stop.
pub async fn write(
    stage: &Stage,
    person: usize,
    chances: Chances,
    stop: &CancellationToken,
) -> Vec<Seen> {
    let mut all = Vec::new();
    while !stop.is_cancelled() {
        all.push(generate(stage, person, &chances).await);
        chances.pause(1, 60).await;
    }
    all
}

async fn generate(stage: &Stage, person: usize, chances: &Chances) -> Seen {
    // The low bits choose, and what is asked for must not have been asked for before.
    let number = chances.any();
    let mut seen = Seen {
        person,
        id: Uuid::now_v7(),
        number,
        reserved: None,
        pieces: BTreeMap::new(),
        end: None,
        refused: false,
    };
    let leaves_after = chances.once_in(4).then(|| chances.below(12));
    let stops_after = chances.once_in(5).then(|| chances.below(20));
    let (mut leaves_after, mut stops_after) = (leaves_after, stops_after);
    while seen.end.is_none() && !seen.refused {
        let relay = chances.of_these(&stage.relays);
        let Some(response) = attach(stage, relay, &mut seen, chances).await else { continue };
        let mut events = Events::of(response);
        while let Some(event) = events.next().await {
            seen.take(event);
            let so_far = seen.pieces.len() as u64;
            if stops_after.is_some_and(|after| so_far >= after) {
                stops_after = None;
                // Through whichever relay answers.
                stop_it(stage, &seen, chances).await;
            }
            if leaves_after.is_some_and(|after| so_far >= after) {
                leaves_after = None;
                chances.pause(1, 250).await;
                break;
            }
        }
    }
    seen
}

/// Begins it, or attaches to it again; none if nobody is there, or not yet.
async fn attach(
    stage: &Stage,
    relay: &Relay,
    seen: &mut Seen,
    chances: &Chances,
) -> Option<Response> {
    let person = &stage.people[seen.person];
    let again = seen.reserved.is_some() && chances.once_in(2);
    let request = if again {
        person.ask(relay, Method::GET, &format!("/api/joxcoder/generate/{}", seen.id))
    } else {
        begin(relay, person, seen)
    };
    // From where it was left, or from the start: both must do.
    let after = if chances.once_in(3) { 0 } else { seen.last() };
    let request = request.header("last-event-id", after.to_string());
    let Ok(response) = request.send().await else {
        chances.pause(10, 40).await;
        return None;
    };
    match response.status().as_u16() {
        200 => Some(response),
        // It has been promised by nobody yet.
        429 if seen.reserved.is_none() => {
            let refusal: Value = response.json().await.ok()?;
            assert_eq!(refusal["code"], "token_limit", "{refusal}");
            seen.refused = true;
            None
        }
        // A relay that is stopping.
        503 => None,
        status => panic!("{}: {status} {}", seen.id, response.text().await.unwrap_or_default()),
    }
}

fn begin(relay: &Relay, person: &Person, seen: &Seen) -> RequestBuilder {
    let body = json!({
        "generationId": seen.id, "role": "fullstack", "maxOutputTokens": 300,
        "messages": [{"role": "user", "content": model::prompt(seen.number)}],
    });
    person.ask(relay, Method::POST, "/api/joxcoder/generate").json(&body)
}

/// Presses Stop until somebody has heard it.
async fn stop_it(stage: &Stage, seen: &Seen, chances: &Chances) {
    let person = &stage.people[seen.person];
    let path = format!("/api/joxcoder/generate/{}", seen.id);
    let answer = stage.relays[0]
        .insist(|| person.ask(chances.of_these(&stage.relays), Method::DELETE, &path));
    assert_eq!(answer.await.status(), 204, "{}", seen.id);
}

/// Reads a generation again from its start, when all is quiet.
pub async fn read_again(stage: &Stage, seen: &Seen) -> Seen {
    let mut again = Seen { pieces: BTreeMap::new(), end: None, ..seen.clone() };
    let person = &stage.people[seen.person];
    let relay = chances_last(stage);
    let path = format!("/api/joxcoder/generate/{}", seen.id);
    let response = relay.insist(|| person.ask(relay, Method::GET, &path)).await;
    assert_eq!(response.status(), 200, "{} can be read again", seen.id);
    let mut events = Events::of(response);
    while let Some(event) = events.next().await {
        again.take(event);
    }
    again
}

/// The last relay: with several, it is not the one that most was said to.
fn chances_last(stage: &Stage) -> &Relay {
    stage.relays.last().expect("a relay")
}

/// The events of a stream, until it ends or breaks.
struct Events {
    response: Response,
    decoder: Decoder,
    frames: Vec<autocrea_protocol::sse::Frame>,
}

impl Events {
    fn of(response: Response) -> Self {
        Self { response, decoder: Decoder::new(1 << 20), frames: Vec::new() }
    }

    async fn next(&mut self) -> Option<StreamEvent> {
        while self.frames.is_empty() {
            let bytes = self.response.chunk().await.ok()??;
            self.decoder.push(&bytes, &mut self.frames).expect("small frames");
        }
        let frame = self.frames.remove(0);
        Some(StreamEvent::read(&frame).expect("readable").expect("a known event"))
    }
}
