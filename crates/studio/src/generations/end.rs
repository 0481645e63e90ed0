//! The end of a generation: its row, the version that it makes and the project's state, in one
//! transaction. Whoever comes second changes nothing.

use super::Generations;
use crate::clock;
use crate::ipc::{Generation, GenerationStatus, Language, ProjectStatus};
use crate::parser::Parser;
use crate::store::fault::Fault;
use crate::store::generations::Ending;
use crate::store::{self, StoreError};
use crate::versions::create_from_generation;
use autocrea_protocol::generation::{Done, Failed, FinishReason, StreamCode, Usage};
use autocrea_protocol::{ErrorCode, GenerationId, Tokens};
use rusqlite::Connection;
use std::sync::Arc;
use uuid::Uuid;

/// How it ends.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    status: GenerationStatus,
    finish_reason: Option<FinishReason>,
    fault: Option<Fault>,
    charged: Option<Tokens>,
    usage: Option<Usage>,
}

impl Outcome {
    /// The stream ended well.
    pub(super) const fn done(done: &Done) -> Self {
        let status = match done.finish_reason {
            FinishReason::Stop | FinishReason::Length => GenerationStatus::Completed,
            FinishReason::Cancelled => GenerationStatus::Cancelled,
        };
        Self {
            status,
            finish_reason: Some(done.finish_reason),
            fault: None,
            charged: Some(done.charged),
            usage: Some(done.usage),
        }
    }

    /// The stream ended badly.
    pub(super) fn failed(failed: &Failed) -> Self {
        let status = match failed.code {
            StreamCode::Interrupted => GenerationStatus::Interrupted,
            _ => GenerationStatus::Failed,
        };
        Self::bad(status, Fault::Stream(failed.code), Some(failed.charged))
    }

    /// The relay does not take it; nothing was reserved.
    pub(super) fn refused(code: ErrorCode, text: String) -> Self {
        Self::bad(GenerationStatus::Failed, Fault::Refused(code, text), Some(Tokens::ZERO))
    }

    /// It never reached the relay.
    pub(super) fn not_sent() -> Self {
        Self::bad(GenerationStatus::Interrupted, Fault::NotSent, Some(Tokens::ZERO))
    }

    /// The relay no longer knows it, or could not be asked in time. What it cost, the ledger says.
    pub(super) fn lost_track() -> Self {
        Self::bad(GenerationStatus::Interrupted, Fault::LostTrack, None)
    }

    /// The creator stopped it before it was sent.
    pub(super) const fn withdrawn() -> Self {
        Self {
            status: GenerationStatus::Cancelled,
            finish_reason: Some(FinishReason::Cancelled),
            fault: None,
            charged: Some(Tokens::ZERO),
            usage: None,
        }
    }

    const fn bad(status: GenerationStatus, fault: Fault, charged: Option<Tokens>) -> Self {
        Self { status, finish_reason: None, fault: Some(fault), charged, usage: None }
    }
}

impl Generations {
    /// Ends one, and tells. If another copy of the app has ended it already, that stands.
    pub(super) async fn finish(
        self: &Arc<Self>,
        id: GenerationId,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let language = (self.online.language)();
        let ending = self.online.store.write(move |db| write(db, id, outcome, language));
        if let Some(generation) = ending.await? {
            self.over(generation);
        }
        Ok(())
    }
}

fn write(
    db: &Connection,
    id: GenerationId,
    outcome: Outcome,
    language: Language,
) -> Result<Option<Generation>, StoreError> {
    if let Some(job) = store::generations::job(db, id)? {
        let parsed = Parser::read(&job.nonce, &store::pieces::said_in_all(db, id)?);
        let now = clock::now();
        let mut version = None;
        if outcome.status == GenerationStatus::Completed
            && let Some(project) = job.project_id
        {
            let base = job.base_version;
            version = create_from_generation(db, project, base, id, &parsed, now)?;
        }
        let charged = match outcome.charged {
            Some(charged) => Some(charged),
            None => store::ledger::cost_of(db, id)?,
        };
        let ending = Ending {
            status: outcome.status,
            finish_reason: outcome.finish_reason,
            fault: outcome.fault,
            charged,
            usage: outcome.usage,
            explanation: parsed.explained(language),
            version: version.map(|version| version.number),
            at: now,
        };
        store::generations::end(db, id, &ending)?;
        if let Some(project) = job.project_id {
            store::projects::add_tokens(db, project, charged.unwrap_or_default())?;
            let status = project_status(db, project, outcome.status)?;
            store::projects::set_status(db, project, status, now)?;
        }
    }
    store::generations::get(db, id, language)
}

/// Where a project stands once its latest generation has ended so.
fn project_status(
    db: &Connection,
    project: Uuid,
    ended: GenerationStatus,
) -> Result<ProjectStatus, StoreError> {
    if matches!(ended, GenerationStatus::Failed | GenerationStatus::Interrupted) {
        return Ok(ProjectStatus::Failed);
    }
    let has_version = store::versions::newest(db, project)?.is_some();
    Ok(if has_version { ProjectStatus::Completed } else { ProjectStatus::Draft })
}
