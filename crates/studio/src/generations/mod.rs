//! Generations: sent, followed, stored piece by piece, ended once.
//!
//! The row is written first, then the request goes out under its id (`start`). One task drives each
//! running generation (`drive`): what arrives is committed with its sequence number, and only then
//! read out and told to whoever watches (`live`). The ending, the version that it makes and the
//! project's new state are one transaction (`end`). In one project they run one after the other;
//! those that waited when the app was closed wait on until a person says so.
//!
//! Deliberately not here: what is in a request (`compose`), and what an output means (`parser`).

mod drive;
mod end;
mod live;
mod start;

use crate::Studio;
use crate::account::Online;
use crate::clock;
use crate::error::Error;
use crate::ipc::{
    Generation, GenerationDetail, GenerationStatus, GenerationUpdate, ProjectStatus, StudioEvent,
};
use crate::messages::OnlineMessage;
use crate::parser::Parser;
use crate::store::generations::Job;
use crate::store::{self, StoreError};
use autocrea_protocol::GenerationId;
use drive::Drive;
use live::Live;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::sync::Notify;
use uuid::Uuid;

/// All generations that have not ended.
pub(crate) struct Generations {
    online: Arc<Online>,
    live: Mutex<HashMap<GenerationId, Arc<Live>>>,
    /// Queued ones that start by themselves: those that were queued, or let go on, in this run.
    released: Mutex<HashSet<GenerationId>>,
    /// Who runs next is decided by one at a time.
    turn: tokio::sync::Mutex<()>,
    /// One has ended: the plan may have room for another.
    place_freed: Notify,
}

impl Generations {
    pub(crate) fn new(online: Arc<Online>) -> Arc<Self> {
        Arc::new(Self {
            online,
            live: Mutex::default(),
            released: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            place_freed: Notify::new(),
        })
    }

    /// Goes on with what an earlier run left pending. The queued ones wait for a person.
    pub(crate) async fn go_on(self: &Arc<Self>) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        for job in self.online.store.read(store::generations::jobs).await? {
            if !job.queued {
                let live = self.load(&job).await?;
                self.drive(live, job, true);
            }
        }
        Ok(())
    }

    /// Brings one that has not ended into memory.
    async fn load(&self, job: &Job) -> Result<Arc<Live>, Error> {
        if let Some(live) = self.live.lock().get(&job.id) {
            return Ok(Arc::clone(live));
        }
        let (id, language) = (job.id, (self.online.language)());
        let reading = self.online.store.read(move |db| {
            let generation = store::generations::get(db, id, language)?;
            Ok((generation, store::pieces::said_in_all(db, id)?))
        });
        let (generation, text) = reading.await?;
        let mut generation = generation.ok_or(Error::Online(OnlineMessage::GenerationGone))?;
        if job.queued && !self.released.lock().contains(&id) {
            generation.problem = Some(OnlineMessage::QueuedBefore.problem(language));
        }
        let live = Arc::new(Live::new(generation, &job.nonce, &text, job.last_seq));
        Ok(Arc::clone(self.live.lock().entry(id).or_insert(live)))
    }

    /// Sets a task to work on it, unless one is.
    fn drive(self: &Arc<Self>, live: Arc<Live>, job: Job, left_over: bool) {
        if !live.take() {
            return;
        }
        let stop = self.online.stop.clone();
        let driving = Drive::new(Arc::clone(self), live, job, left_over).run();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = driving => {}
            }
        });
    }

    /// It is over and stored: whoever watches is told, and the next one starts.
    fn over(self: &Arc<Self>, generation: Generation) {
        let (id, project) = (generation.id, generation.project_id);
        self.released.lock().remove(&id);
        let live = self.live.lock().remove(&id);
        if let Some(live) = live {
            live.end(generation);
        }
        self.place_freed.notify_waiters();
        let Some(project) = project else { return };
        self.announce(project);
        let all = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = all.start_next(project).await {
                tracing::warn!(%error, "the next generation could not be started");
            }
        });
    }

    /// Starts the oldest released one of a project, if none runs there.
    async fn start_next(self: &Arc<Self>, project: Uuid) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let queue =
            self.online.store.read(move |db| store::generations::queue(db, project)).await?;
        let next = {
            let released = self.released.lock();
            queue.into_iter().find(|id| released.contains(id))
        };
        let Some(id) = next else { return Ok(()) };
        // One that the relay has put off starts by itself.
        let put_off = self.live.lock().get(&id).is_some_and(|live| live.is_driven());
        if put_off {
            return Ok(());
        }
        let Some(job) = self.claim(id).await? else { return Ok(()) };
        let live = self.load(&job).await?;
        live.change(|generation| {
            generation.status = GenerationStatus::Pending;
            generation.problem = None;
        });
        self.released.lock().remove(&id);
        self.drive(live, job, false);
        self.announce(project);
        Ok(())
    }

    /// From queued to pending, and the project with it; `None` if it cannot be.
    async fn claim(&self, id: GenerationId) -> Result<Option<Job>, StoreError> {
        let claiming = self.online.store.write(move |db| {
            if !store::generations::claim(db, id, clock::now())? {
                return Ok(None);
            }
            let job = store::generations::job(db, id)?;
            if let Some(project) = job.as_ref().and_then(|job| job.project_id) {
                let status = ProjectStatus::Generating;
                store::projects::set_status(db, project, status, clock::now())?;
            }
            Ok(job)
        });
        claiming.await
    }

    fn announce(&self, project: Uuid) {
        self.online.announce(StudioEvent::Project { id: project });
        self.online.announce(StudioEvent::Projects);
    }

    /// One that has not ended, in memory; `None` if it has.
    async fn find(&self, id: GenerationId) -> Result<Option<Arc<Live>>, Error> {
        let known = self.live.lock().get(&id).cloned();
        if known.is_some() {
            return Ok(known);
        }
        // Under the lock, so that it does not end between being read and being put in.
        let _turn = self.turn.lock().await;
        let job = self.online.store.read(move |db| store::generations::job(db, id)).await?;
        match job {
            Some(job) => self.load(&job).await.map(Some),
            None => Ok(None),
        }
    }

    /// One that has ended, as the store has it.
    async fn ended(&self, id: GenerationId) -> Result<GenerationDetail, Error> {
        let language = (self.online.language)();
        let reading = self.online.store.read(move |db| {
            let Some(generation) = store::generations::get(db, id, language)? else {
                return Ok(None);
            };
            let nonce = store::generations::sent(db, id)?.map(|sent| sent.nonce);
            let text = store::pieces::said_in_all(db, id)?;
            let seq = store::pieces::last_seq(db, id)?;
            Ok(Some((generation, nonce.unwrap_or_default(), text, seq)))
        });
        let (generation, nonce, text, seq) =
            reading.await?.ok_or(Error::Online(OnlineMessage::GenerationGone))?;
        let parsed = Parser::read(&nonce, &text);
        let files = parsed.files();
        let explanation = parsed.explained(language);
        Ok(GenerationDetail { generation, explanation, files, seq })
    }
}

impl Studio {
    pub(crate) fn generations(&self) -> Result<&Arc<Generations>, Error> {
        self.store()?;
        self.generations.as_ref().ok_or(Error::NoClient)
    }

    /// Adds what is known only while it goes on: why one waits, above all.
    pub(crate) fn add_what_goes_on(&self, generations: &mut [Generation]) {
        let Ok(all) = self.generations() else { return };
        let language = self.language();
        let live = all.live.lock();
        for generation in generations {
            match live.get(&generation.id) {
                Some(live) if !live.has_ended() => {
                    generation.problem = live.generation().problem;
                }
                None if generation.status == GenerationStatus::Queued => {
                    generation.problem = Some(OnlineMessage::QueuedBefore.problem(language));
                }
                _ => {}
            }
        }
    }

    /// A generation with what has been read out of it so far.
    ///
    /// # Errors
    /// If it is not there, or the store cannot be read.
    pub async fn generation_get(&self, id: GenerationId) -> Result<GenerationDetail, Error> {
        let all = self.generations()?;
        match all.find(id).await? {
            Some(live) if !live.has_ended() => Ok(live.detail()),
            _ => all.ended(id).await,
        }
    }

    /// Tells `tell` of a generation: all there is, then what comes, then its end. Returns once the
    /// first has been told. `tell` says whether there is still somebody; it is called from wherever
    /// the news is, so it must be quick and must not call the studio.
    ///
    /// # Errors
    /// If it is not there, or the store cannot be read.
    pub async fn generation_watch(
        &self,
        id: GenerationId,
        mut tell: impl FnMut(GenerationUpdate) -> bool + Send + 'static,
    ) -> Result<(), Error> {
        let all = self.generations()?;
        match all.find(id).await? {
            Some(live) if !live.has_ended() => live.watch(Box::new(tell)),
            _ => {
                let detail = all.ended(id).await?;
                let generation = detail.generation.clone();
                if tell(GenerationUpdate::Snapshot { detail }) {
                    tell(GenerationUpdate::Ended { generation });
                }
            }
        }
        Ok(())
    }
}
