//! Driving one generation to its end, through whatever the network does.
//!
//! A connection is made (the request the first time, its id afterwards), and followed. What comes
//! is committed at most once a frame, and told after that. When the connection breaks, or the store
//! cannot take more, it is made again after a pause, from the last piece that is stored. All this
//! within an hour of sending, by when a spool must have expired.

use super::Generations;
use super::end::Outcome;
use super::live::Live;
use crate::account::Online;
use crate::clock;
use crate::error::Error;
use crate::ipc::GenerationStatus;
use crate::messages::OnlineMessage;
use crate::relay::{Backoff, GenerationStream, RelayError};
use crate::store::generations::Job;
use crate::store::{self, StoreError};
use autocrea_protocol::generation::StreamEvent;
use autocrea_protocol::{ErrorCode, Tokens};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What is committed and told in one go: a frame of the screen.
const FRAME: Duration = Duration::from_millis(16);
/// More than this is committed without waiting for the frame's end.
const BATCH_BYTES: usize = 64 << 10;
/// No spool lives longer: ten minutes of waking, fifteen of running, fifteen after that, and some.
const SPOOL_SURELY_GONE: Duration = Duration::from_secs(60 * 60);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// While only a person can help.
const PATIENCE: Duration = Duration::from_secs(60);
/// A rate limit that is over sooner is waited for.
const SHORT_WAIT: Duration = Duration::from_secs(120);
/// How often a relay in trouble is sent the same request.
const MOST_REFUSALS: u32 = 6;

/// What to do next.
enum Step {
    Ended,
    /// Wait, for this reason, this long at most.
    Pause(OnlineMessage, Duration),
    /// Wait in the queue: the plan has no room.
    Queue,
    /// At once.
    Again,
}

/// One generation at work.
pub(super) struct Drive {
    all: Arc<Generations>,
    live: Arc<Live>,
    job: Job,
    /// An earlier run began it: it is only asked after, never sent.
    left_over: bool,
    /// The relay may know of it.
    sent: bool,
    refusals: u32,
    backoff: Backoff,
    deadline: Instant,
}

impl Drive {
    pub(super) fn new(all: Arc<Generations>, live: Arc<Live>, job: Job, left_over: bool) -> Self {
        let mut drive = Self {
            all,
            live,
            sent: left_over,
            left_over,
            refusals: 0,
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            deadline: Instant::now(),
            job,
        };
        drive.set_deadline();
        drive
    }

    /// By the clock on the wall, as far as it can be believed, and never more than the whole hour
    /// from now, wherever it was set to.
    fn set_deadline(&mut self) {
        let age = self.job.sent_at.map_or(0, |sent| clock::now().millis_since(sent)).max(0);
        let age = Duration::from_millis(u64::try_from(age).unwrap_or(0));
        self.deadline = Instant::now() + SPOOL_SURELY_GONE.saturating_sub(age);
    }

    fn online(&self) -> &Arc<Online> {
        &self.all.online
    }

    pub(super) async fn run(mut self) {
        let mut session = self.online().session_changes();
        loop {
            session.mark_unchanged();
            let wait = match self.step().await {
                Step::Ended => return,
                Step::Again => continue,
                Step::Queue => match self.wait_in_queue().await {
                    Step::Ended => return,
                    _ => continue,
                },
                Step::Pause(..) if Instant::now() >= self.deadline => {
                    let outcome =
                        if self.sent { Outcome::lost_track() } else { Outcome::not_sent() };
                    match self.end(outcome).await {
                        Step::Pause(reason, wait) => self.say_trouble(&reason, wait),
                        _ => return,
                    }
                }
                Step::Pause(reason, wait) => {
                    // Past the deadline only the store can be in the way.
                    let left = self.deadline.saturating_duration_since(Instant::now());
                    self.say_trouble(&reason, wait.min(left))
                }
            };
            let stop = self.live.stop.clone();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = session.changed() => {}
                () = stop.cancelled(), if !self.sent => {}
            }
        }
    }

    fn say_trouble(&self, reason: &OnlineMessage, wait: Duration) -> Duration {
        self.live.trouble(Some(reason), (self.online().language)());
        wait
    }

    fn pause(&mut self, reason: OnlineMessage) -> Step {
        Step::Pause(reason, self.backoff.pause())
    }

    /// Connects, and follows for as long as it lasts.
    async fn step(&mut self) -> Step {
        if self.live.stop.is_cancelled() && !self.sent {
            return self.end(Outcome::withdrawn()).await;
        }
        let sends = !self.left_over && !self.job.accepted && !self.live.stop.is_cancelled();
        let stream = match self.connect(sends).await {
            Ok(stream) => stream,
            Err(Error::Relay(error)) => return self.judge(error, sends).await,
            Err(error) => return self.judge_other(&error),
        };
        self.sent = true;
        self.refusals = 0;
        self.live.trouble(None, (self.online().language)());
        match self.follow(stream).await {
            Ok(Some(outcome)) => self.end(outcome).await,
            Ok(None) => self.pause(OnlineMessage::WaitingForNetwork),
            Err(error) => {
                tracing::warn!(%error, "what arrives cannot be stored");
                self.pause(OnlineMessage::WaitingForStore)
            }
        }
    }

    async fn connect(&mut self, sends: bool) -> Result<GenerationStream, Error> {
        let (id, from) = (self.job.id, self.job.last_seq);
        if self.online().user().as_ref() != Some(&self.job.user_id) {
            return Err(Error::Online(OnlineMessage::WaitingForAccount));
        }
        let payload = sends.then(|| self.job.payload.clone());
        self.online()
            .call_as(&self.job.user_id, move |relay, access| {
                let payload = payload.clone();
                async move {
                    match payload {
                        Some(payload) => relay.generate(access.secret(), payload, from).await,
                        None => relay.attach(access.secret(), id, from).await,
                    }
                }
            })
            .await
    }

    /// What a refusal of the relay means for this generation.
    async fn judge(&mut self, error: RelayError, sends: bool) -> Step {
        if let RelayError::Unreachable { source } = &error
            && source.is_connect()
        {
            return self.pause(OnlineMessage::WaitingForNetwork);
        }
        let RelayError::Refused { body, retry_after, .. } = error else {
            // It may have arrived and only the answer was lost.
            self.sent |= sends;
            return self.pause(OnlineMessage::WaitingForNetwork);
        };
        match body.code {
            ErrorCode::NotFound if !sends => self.unknown_there().await,
            ErrorCode::TooManyGenerations if sends => Step::Queue,
            ErrorCode::RateLimited => {
                let wait = retry_after.unwrap_or(FIRST_PAUSE);
                if sends && wait > SHORT_WAIT {
                    return self.end(Outcome::refused(body.code, body.error)).await;
                }
                Step::Pause(OnlineMessage::WaitingForPlace, wait.max(self.backoff.pause()))
            }
            ErrorCode::Unauthenticated => Step::Pause(OnlineMessage::SignedOut, PATIENCE),
            ErrorCode::UpstreamUnavailable | ErrorCode::Internal => {
                self.refusals += 1;
                if sends && self.refusals >= MOST_REFUSALS && !self.sent {
                    return self.end(Outcome::refused(body.code, body.error)).await;
                }
                self.pause(OnlineMessage::WaitingForNetwork)
            }
            // The same id with the same payload: its spool has expired.
            ErrorCode::GenerationConflict if self.sent => self.end(Outcome::lost_track()).await,
            _ if sends => self.end(Outcome::refused(body.code, body.error)).await,
            _ => self.pause(OnlineMessage::RelayStrange),
        }
    }

    /// The relay does not know it (any more).
    async fn unknown_there(&mut self) -> Step {
        if self.job.accepted {
            return self.end(Outcome::lost_track()).await;
        }
        if self.live.stop.is_cancelled() {
            return self.end(Outcome::withdrawn()).await;
        }
        if self.left_over {
            return self.end(Outcome::not_sent()).await;
        }
        Step::Again
    }

    fn judge_other(&mut self, error: &Error) -> Step {
        match error {
            Error::Online(OnlineMessage::WaitingForAccount | OnlineMessage::SignedOut) => {
                Step::Pause(OnlineMessage::WaitingForAccount, PATIENCE)
            }
            Error::Online(reason @ OnlineMessage::UpdateNeeded { .. }) => {
                Step::Pause(reason.clone(), PATIENCE)
            }
            Error::Store(_) => self.pause(OnlineMessage::WaitingForStore),
            _ => self.pause(OnlineMessage::WaitingForNetwork),
        }
    }

    /// Reads until the end (`Some`) or until the connection breaks (`None`).
    async fn follow(
        &mut self,
        mut stream: GenerationStream,
    ) -> Result<Option<Outcome>, StoreError> {
        let mut batch = Batch::default();
        let mut frame_ends = Instant::now();
        loop {
            let event = if batch.texts.is_empty() {
                stream.next().await
            } else {
                match timeout_at(frame_ends, stream.next()).await {
                    Ok(event) => event,
                    Err(_) => {
                        self.keep(&mut batch).await?;
                        frame_ends = Instant::now() + FRAME;
                        continue;
                    }
                }
            };
            let outcome = match event {
                Ok(Some(StreamEvent::Delta { seq, text })) => {
                    let expected = self.job.last_seq + batch.texts.len() as u64 + 1;
                    if seq > expected {
                        tracing::warn!(seq, expected, "a piece is missing; asked for again");
                        self.keep(&mut batch).await?;
                        return Ok(None);
                    }
                    if seq == expected {
                        batch.add(text);
                    }
                    if batch.bytes >= BATCH_BYTES || Instant::now() >= frame_ends {
                        self.keep(&mut batch).await?;
                        frame_ends = Instant::now() + FRAME;
                    }
                    continue;
                }
                Ok(Some(StreamEvent::Reserved(reserved))) => {
                    self.accepted(reserved.reserved).await?;
                    continue;
                }
                Ok(Some(StreamEvent::Waking(_))) => {
                    let id = self.job.id;
                    let saving =
                        self.online().store.write(move |db| store::generations::set_waking(db, id));
                    saving.await?;
                    self.live.change(|generation| generation.waking = true);
                    continue;
                }
                Ok(Some(StreamEvent::Done(done))) => Some(Outcome::done(&done)),
                Ok(Some(StreamEvent::Failed(failed))) => Some(Outcome::failed(&failed)),
                Ok(None) => None,
                Err(error) => {
                    tracing::debug!(%error, "a generation's stream broke");
                    self.online().note::<()>(&Err(error));
                    None
                }
            };
            self.keep(&mut batch).await?;
            return Ok(outcome);
        }
    }

    /// Commits what has arrived, and only then shows it.
    async fn keep(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        if batch.texts.is_empty() {
            return Ok(());
        }
        let (texts, id) = (Arc::new(std::mem::take(&mut batch.texts)), self.job.id);
        batch.bytes = 0;
        let (copy, first) = (Arc::clone(&texts), self.job.last_seq + 1);
        let saving =
            self.online().store.write(move |db| store::pieces::append(db, id, first, &copy));
        saving.await?;
        self.job.last_seq += texts.len() as u64;
        self.backoff.reset();
        self.live.arrived(self.job.last_seq, &texts.concat());
        Ok(())
    }

    async fn accepted(&mut self, held: Tokens) -> Result<(), StoreError> {
        let id = self.job.id;
        let saving =
            self.online().store.write(move |db| store::generations::set_reserved(db, id, held));
        saving.await?;
        self.job.accepted = true;
        self.live.change(|generation| generation.reserved = Some(held));
        Ok(())
    }

    async fn end(&mut self, outcome: Outcome) -> Step {
        match self.all.finish(self.job.id, outcome).await {
            Ok(()) => Step::Ended,
            Err(error) => {
                tracing::warn!(%error, "the end of a generation cannot be stored");
                self.pause(OnlineMessage::WaitingForStore)
            }
        }
    }

    /// The plan has no room: back to the queue, until one has ended or some time has passed.
    async fn wait_in_queue(&mut self) -> Step {
        let id = self.job.id;
        self.all.released.lock().insert(id);
        let queueing = self.online().store.write(move |db| store::generations::requeue(db, id));
        if let Err(error) = queueing.await {
            tracing::warn!(%error, "a generation could not be put back into the queue");
        }
        self.live.change(|generation| generation.status = GenerationStatus::Queued);
        let language = (self.online().language)();
        self.live.trouble(Some(&OnlineMessage::WaitingForPlace), language);
        let wait = self.backoff.pause().max(LONGEST_PAUSE / 5);
        loop {
            let freed = self.all.place_freed.notified();
            tokio::select! {
                () = freed => {}
                () = tokio::time::sleep(wait) => {}
                () = self.live.stop.cancelled() => return Step::Again,
            }
            match self.all.claim(id).await {
                Ok(Some(job)) => {
                    self.job = job;
                    self.set_deadline();
                    self.all.released.lock().remove(&id);
                    self.live.change(|generation| {
                        generation.status = GenerationStatus::Pending;
                        generation.problem = None;
                    });
                    return Step::Again;
                }
                Ok(None) => match self.still_queued().await {
                    // Another of the project runs.
                    Ok(Some(true)) => {}
                    Ok(Some(false)) => return Step::Again,
                    Ok(None) => return Step::Ended,
                    Err(error) => tracing::warn!(%error, "the queue cannot be read"),
                },
                Err(error) => tracing::warn!(%error, "a generation could not leave the queue"),
            }
        }
    }
}

impl Drive {
    /// Whether it waits in the queue; `None` if it has ended.
    async fn still_queued(&self) -> Result<Option<bool>, StoreError> {
        let id = self.job.id;
        let job = self.online().store.read(move |db| store::generations::job(db, id)).await?;
        Ok(job.map(|job| job.queued))
    }
}

/// What has arrived and is not stored yet.
#[derive(Default)]
struct Batch {
    texts: Vec<String>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, text: String) {
        self.bytes += text.len();
        self.texts.push(text);
    }
}
