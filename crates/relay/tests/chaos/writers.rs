//! People who generate: read to the end, come back after an interruption, leave and come back,
//! press Stop. What each client saw is kept, to be held against the ledger and the model.

use super::form::Chances;
use super::relay::{PATIENCE, Relay};
use super::stage::Stage;
use autocrea_protocol::generation::{Done, Failed, StreamEvent};
use autocrea_protocol::sse::{Decoder, Frame};
use reqwest::{Method, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::timeout;
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
    fn of(person: usize, number: u64) -> Self {
        Self {
            person,
            id: Uuid::now_v7(),
            number,
            reserved: None,
            pieces: BTreeMap::new(),
            end: None,
            refused: false,
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some() || self.refused
    }

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
    let (mut all, mut set_aside) = (Vec::new(), Vec::new());
    // The only relay breaks off what it streams when it dies.
    let silence = if stage.relays.len() > 1 { SILENCE } else { PATIENCE };
    while !stop.is_cancelled() {
        let mut seen = Seen::of(person, chances.any());
        generate(stage, &mut seen, &chances, silence).await;
        if seen.is_over() {
            all.push(seen);
        } else {
            set_aside.push(seen);
        }
        chances.pause(1, 60).await;
    }
    for mut seen in set_aside {
        while !seen.is_over() {
            generate(stage, &mut seen, &chances, PATIENCE).await;
        }
        all.push(seen);
    }
    all
}

/// With several relays nobody knows at once that one has died; a generation that says nothing for
/// so long is come back to later.
const SILENCE: Duration = Duration::from_secs(2);

/// Until it is over, or silent for too long.
async fn generate(stage: &Stage, seen: &mut Seen, chances: &Chances, silence: Duration) {
    let mut leaves_after = chances.once_in(4).then(|| chances.below(12));
    let mut stops_after = chances.once_in(5).then(|| chances.below(20));
    while !seen.is_over() {
        let relay = chances.of_these(&stage.relays);
        let attached = timeout(silence, attach(stage, relay, seen, chances)).await;
        let Ok(attached) = attached else { return };
        let Some(response) = attached else { continue };
        let mut events = Events::of(response);
        loop {
            let Ok(event) = timeout(silence, events.next()).await else { return };
            let Some(event) = event else { break };
            seen.take(event);
            let so_far = seen.pieces.len() as u64;
            if stops_after.is_some_and(|after| so_far >= after) {
                stops_after = None;
                // Through whichever relay answers.
                stop_it(stage, seen).await;
            }
            if leaves_after.is_some_and(|after| so_far >= after) {
                leaves_after = None;
                chances.pause(1, 250).await;
                break;
            }
        }
    }
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
        person.begin(relay, seen.id, seen.number)
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

/// Presses Stop until somebody has heard it.
async fn stop_it(stage: &Stage, seen: &Seen) {
    let person = &stage.people[seen.person];
    let path = format!("/api/joxcoder/generate/{}", seen.id);
    let answer = stage.insist(|relay| person.ask(relay, Method::DELETE, &path)).await;
    assert_eq!(answer.status(), 204, "{}", seen.id);
}

/// Reads a generation again from its start, when all is quiet.
pub async fn read_again(stage: &Stage, seen: &Seen) -> Seen {
    let mut again = Seen { pieces: BTreeMap::new(), end: None, ..seen.clone() };
    let person = &stage.people[seen.person];
    let path = format!("/api/joxcoder/generate/{}", seen.id);
    let response = stage.insist(|relay| person.ask(relay, Method::GET, &path)).await;
    assert_eq!(response.status(), 200, "{} can be read again", seen.id);
    let mut events = Events::of(response);
    while let Some(event) = events.next().await {
        again.take(event);
    }
    again
}

/// The events of a stream, until it ends or breaks.
pub struct Events {
    response: Response,
    decoder: Decoder,
    frames: Vec<Frame>,
}

impl Events {
    pub fn of(response: Response) -> Self {
        Self { response, decoder: Decoder::new(1 << 20), frames: Vec::new() }
    }

    async fn frame(&mut self) -> Option<Frame> {
        while self.frames.is_empty() {
            let bytes = self.response.chunk().await.ok()??;
            self.decoder.push(&bytes, &mut self.frames).expect("small frames");
        }
        Some(self.frames.remove(0))
    }

    /// The next event of a generation.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        let frame = self.frame().await?;
        Some(StreamEvent::read(&frame).expect("readable").expect("a known event"))
    }

    /// The next text of a generation.
    pub async fn first_text(&mut self) -> String {
        loop {
            if let StreamEvent::Delta { text, .. } = self.next().await.expect("text") {
                return text;
            }
        }
    }

    /// How a generation ends.
    pub async fn end(&mut self) -> End {
        loop {
            match self.next().await.expect("an end") {
                StreamEvent::Done(done) => return End::Done(done),
                StreamEvent::Failed(failed) => return End::Failed(failed),
                _ => {}
            }
        }
    }

    /// The next snapshot of an account.
    pub async fn account(&mut self) -> Option<Value> {
        let frame = self.frame().await?;
        Some(serde_json::from_str(&frame.data).expect("JSON"))
    }
}
