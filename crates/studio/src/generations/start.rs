//! Starting a generation, again or anew, stopping one, and using what has arrived of it.

use super::Generations;
use super::end::Outcome;
use super::live::Live;
use crate::Studio;
use crate::account::Online;
use crate::clock;
use crate::compose::continuation;
use crate::error::Error;
use crate::ipc::{Draft, Generation, GenerationStatus, Language, ProjectStatus, Version};
use crate::messages::OnlineMessage;
use crate::parser::Parser;
use crate::relay::Backoff;
use crate::store::generations::{Job, NewGeneration};
use crate::store::{self, StoreError};
use crate::versions::create_from_generation;
use autocrea_protocol::generation::GenerateRequest;
use autocrea_protocol::{ErrorCode, GenerationId, UserId};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The name of a relay's model that has not said one.
const UNNAMED_MODEL: &str = "joxcoder";
/// While a relay that may not have the request yet is told to stop it.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

const GONE: Error = Error::Online(OnlineMessage::GenerationGone);
const WRONG_STATE: Error = Error::Online(OnlineMessage::GenerationState);

impl Generations {
    /// Writes the row, then sends it or lets it wait for its turn.
    async fn begin(self: &Arc<Self>, mut new: NewGeneration) -> Result<Generation, Error> {
        let _turn = self.turn.lock().await;
        let (id, language) = (new.id, (self.online.language)());
        let released = self.released.lock().clone();
        let writing = self.online.store.write(move |db| {
            if let Some(project) = new.project_id {
                let queue = store::generations::queue(db, project)?;
                new.queued = store::generations::is_busy(db, project)?
                    || queue.iter().any(|id| released.contains(id));
            }
            store::generations::insert(db, &new, clock::now())?;
            if let Some(project) = new.project_id.filter(|_| !new.queued) {
                let status = ProjectStatus::Generating;
                store::projects::set_status(db, project, status, clock::now())?;
            }
            let job = store::generations::job(db, id)?;
            let row = store::generations::get(db, id, language)?;
            Ok(job.zip(row).map(|row| (row, store::pieces::said_in_all(db, id))))
        });
        let ((job, generation), before) = writing.await?.ok_or(GONE)?;
        let live = Arc::new(Live::new(generation.clone(), &job.nonce, &before?, 0));
        self.live.lock().insert(id, Arc::clone(&live));
        if job.queued {
            self.released.lock().insert(id);
        } else {
            self.drive(live, job, false);
        }
        if let Some(project) = generation.project_id {
            self.announce(project);
        }
        Ok(generation)
    }

    /// Lets one that waits since before the app was closed go on.
    async fn release(self: &Arc<Self>, job: &Job) -> Result<(), Error> {
        self.released.lock().insert(job.id);
        if let Some(live) = self.find(job.id).await? {
            live.change(|generation| generation.problem = None);
        }
        if let Some(project) = job.project_id {
            self.start_next(project).await?;
        }
        Ok(())
    }

    /// Ends one that nobody drives; false if it is driven or has ended.
    async fn withdraw(self: &Arc<Self>, id: GenerationId) -> Result<bool, Error> {
        let _turn = self.turn.lock().await;
        let is_driven = self.live.lock().get(&id).is_some_and(|live| live.is_driven());
        if is_driven {
            return Ok(false);
        }
        self.finish(id, Outcome::withdrawn()).await?;
        Ok(true)
    }

    /// Tells the relay, until it has heard or there is nothing left to stop.
    fn stop_there(self: &Arc<Self>, live: Arc<Live>, user: UserId, id: GenerationId) {
        let online = Arc::clone(&self.online);
        tokio::spawn(async move {
            let stopped = online.stop.clone();
            tokio::select! {
                () = stopped.cancelled() => {}
                () = tell_stop(&online, &live, &user, id) => {}
            }
        });
    }
}

async fn tell_stop(online: &Arc<Online>, live: &Live, user: &UserId, id: GenerationId) {
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    while !live.has_ended() {
        let telling = online.call_as(user, move |relay, access| async move {
            relay.stop(access.secret(), id).await
        });
        match telling.await {
            Ok(()) => return,
            Err(Error::Relay(error)) if error.code() == Some(ErrorCode::NotFound) => {
                // Not there yet, or not any more: whoever drives it finds out which.
            }
            Err(error) => tracing::debug!(%error, "the relay is told to stop again later"),
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

/// The request of a stored generation, under another id.
fn request_of(sent: &NewGeneration) -> Result<GenerateRequest, StoreError> {
    serde_json::from_str(&sent.payload)
        .map_err(|source| StoreError::Value { column: "generations.payload", source })
}

fn payload_of(request: &GenerateRequest) -> Result<String, StoreError> {
    serde_json::to_string(request)
        .map_err(|source| StoreError::Value { column: "generations.payload", source })
}

/// The same again.
fn again(mut sent: NewGeneration, user: UserId) -> Result<NewGeneration, StoreError> {
    let mut request = request_of(&sent)?;
    request.generation_id = GenerationId(Uuid::now_v7());
    sent.payload = payload_of(&request)?;
    sent.id = request.generation_id;
    sent.user_id = user;
    Ok(sent)
}

/// On from where its text ends.
fn onward(
    sent: NewGeneration,
    user: UserId,
    said: &str,
    language: Language,
) -> Result<NewGeneration, StoreError> {
    let before = sent.id;
    let mut next = again(sent, user)?;
    let mut request = request_of(&next)?;
    request.messages = continuation(&request.messages, said, &next.nonce, language);
    next.payload = payload_of(&request)?;
    next.continues = Some(before);
    Ok(next)
}

impl Studio {
    /// Sends a draft.
    ///
    /// # Errors
    /// If nobody is signed in, it cannot be sent as it stands, or it cannot be stored.
    pub async fn generation_start(&self, draft: Draft) -> Result<Generation, Error> {
        let (online, user) = self.signed_in()?;
        online.check_version()?;
        let composed = self.compose(&draft).await?;
        let id = GenerationId(Uuid::now_v7());
        let request = GenerateRequest {
            generation_id: id,
            role: draft.role.clone(),
            messages: composed.messages,
            max_output_tokens: Some(composed.max_output_tokens),
        };
        let model = online.state().config.map(|config| config.generation.model);
        let new = NewGeneration {
            id,
            user_id: user,
            project_id: Some(draft.project_id),
            base_version: composed.base_version,
            role: draft.role,
            model: model.unwrap_or_else(|| UNNAMED_MODEL.to_owned()),
            prompt: composed.prompt,
            nonce: composed.nonce,
            continues: None,
            payload: payload_of(&request)?,
            queued: false,
        };
        self.generations()?.begin(new).await
    }

    /// Stops one. What has arrived is kept; the end comes as with every other.
    ///
    /// # Errors
    /// If it is not there, or the store fails.
    pub async fn generation_stop(&self, id: GenerationId) -> Result<(), Error> {
        let all = self.generations()?;
        let job = all.online.store.read(move |db| store::generations::job(db, id)).await?;
        let Some(job) = job else {
            // Stopping what has ended is not worth a complaint.
            return all.ended(id).await.map(drop);
        };
        if let Some(live) = all.find(id).await?.filter(|live| live.is_driven()) {
            live.stop.cancel();
            all.stop_there(live, job.user_id, id);
            return Ok(());
        }
        if !all.withdraw(id).await?
            && let Some(live) = all.find(id).await?
        {
            live.stop.cancel();
            all.stop_there(live, job.user_id, id);
        }
        Ok(())
    }

    /// Sends the same again as a new generation; one that waits since before the app was closed goes
    /// on itself.
    ///
    /// # Errors
    /// If it is not there or still runs, nobody is signed in, or the store fails.
    pub async fn generation_retry(&self, id: GenerationId) -> Result<Generation, Error> {
        let (_, user) = self.signed_in()?;
        let all = self.generations()?;
        let job = all.online.store.read(move |db| store::generations::job(db, id)).await?;
        if let Some(job) = job {
            if !job.queued {
                return Err(WRONG_STATE);
            }
            all.release(&job).await?;
            return self.generation_get(id).await.map(|detail| detail.generation);
        }
        let sent = all.online.store.read(move |db| store::generations::sent(db, id)).await?;
        all.begin(again(sent.ok_or(GONE)?, user)?).await
    }

    /// Has the model go on where its answer broke off, as a new generation.
    ///
    /// # Errors
    /// If it is not there, still runs, or said nothing; nobody is signed in, or the store fails.
    pub async fn generation_continue(&self, id: GenerationId) -> Result<Generation, Error> {
        let (_, user) = self.signed_in()?;
        let all = self.generations()?;
        let reading = all.online.store.read(move |db| {
            let is_open = store::generations::job(db, id)?.is_some();
            let sent = store::generations::sent(db, id)?;
            Ok((is_open, sent, store::pieces::said(db, id)?))
        });
        let (is_open, sent, said) = reading.await?;
        if is_open {
            return Err(WRONG_STATE);
        }
        if said.is_empty() {
            return Err(Error::Online(OnlineMessage::NothingArrived));
        }
        let language = self.language();
        all.begin(onward(sent.ok_or(GONE)?, user, &said, language)?).await
    }

    /// Makes a version from what has arrived of one that did not end well.
    ///
    /// # Errors
    /// If it is not there, still runs, has made a version, or holds no file; or the store fails.
    pub async fn generation_use_partial(&self, id: GenerationId) -> Result<Version, Error> {
        let all = self.generations()?;
        let language = self.language();
        let writing = all.online.store.write(move |db| {
            let generation = store::generations::get(db, id, language)?;
            let sent = store::generations::sent(db, id)?;
            let Some((generation, sent)) = generation.zip(sent) else { return Ok(Err(GONE)) };
            let is_open =
                matches!(generation.status, GenerationStatus::Queued | GenerationStatus::Pending);
            let Some(project) = generation.project_id else { return Ok(Err(GONE)) };
            if is_open || generation.version.is_some() {
                return Ok(Err(WRONG_STATE));
            }
            let parsed = Parser::read(&sent.nonce, &store::pieces::said_in_all(db, id)?);
            let (base, now) = (generation.base_version, clock::now());
            let Some(version) = create_from_generation(db, project, base, id, &parsed, now)? else {
                return Ok(Err(Error::Online(OnlineMessage::NothingArrived)));
            };
            store::generations::set_version(db, id, version.number)?;
            store::projects::set_status(db, project, ProjectStatus::Completed, now)?;
            Ok(Ok((project, version)))
        });
        let (project, version) = writing.await??;
        all.announce(project);
        Ok(version)
    }
}
