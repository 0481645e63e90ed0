//! Table `generations`.
//!
//! While one runs, what arrives is kept piece by piece (`pieces`); at its end the pieces become
//! `output`, in the transaction that ends it. A row ends once.

use super::StoreError;
use super::columns::{readable, uuid, word};
use super::fault::{Fault, name, named};
use super::pieces;
use crate::ipc::{Generation, GenerationStatus, Language};
use autocrea_protocol::generation::{FinishReason, Usage};
use autocrea_protocol::{GenerationId, Tokens, UnixMillis, UserId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

/// A generation about to be sent, or queued.
#[derive(Clone, Debug)]
pub struct NewGeneration {
    /// Ours, and the relay's key.
    pub id: GenerationId,
    /// The account that it is sent under.
    pub user_id: UserId,
    /// Its project.
    pub project_id: Option<Uuid>,
    /// The version that it is made from.
    pub base_version: Option<u32>,
    /// The role it is asked to act as.
    pub role: String,
    /// The model's name.
    pub model: String,
    /// The creator's words.
    pub prompt: String,
    /// What the answer's frames carry.
    pub nonce: String,
    /// The one whose output it goes on from.
    pub continues: Option<GenerationId>,
    /// The request, JSON.
    pub payload: String,
    /// Waits for its turn.
    pub queued: bool,
}

/// What running one needs.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which.
    pub id: GenerationId,
    /// The account that it was sent under.
    pub user_id: UserId,
    /// Its project.
    pub project_id: Option<Uuid>,
    /// The version that it is made from.
    pub base_version: Option<u32>,
    /// Queued, or pending.
    pub queued: bool,
    /// What the answer's frames carry.
    pub nonce: String,
    /// The last piece that is stored.
    pub last_seq: u64,
    /// The request, JSON.
    pub payload: String,
    /// The relay has held tokens for it.
    pub accepted: bool,
    /// When it left the queue.
    pub sent_at: Option<UnixMillis>,
}

/// How a generation ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Where it stands now.
    pub status: GenerationStatus,
    /// Why, if well.
    pub finish_reason: Option<FinishReason>,
    /// Why, if not.
    pub fault: Option<Fault>,
    /// What it cost; unknown where the relay could not be asked in time.
    pub charged: Option<Tokens>,
    /// As the model reported.
    pub usage: Option<Usage>,
    /// What the model said outside its files.
    pub explanation: String,
    /// The version that it made.
    pub version: Option<u32>,
    /// When.
    pub at: UnixMillis,
}

const STATUSES: [(GenerationStatus, &str); 6] = [
    (GenerationStatus::Queued, "queued"),
    (GenerationStatus::Pending, "pending"),
    (GenerationStatus::Completed, "completed"),
    (GenerationStatus::Failed, "failed"),
    (GenerationStatus::Cancelled, "cancelled"),
    (GenerationStatus::Interrupted, "interrupted"),
];

fn status_word(status: GenerationStatus) -> &'static str {
    STATUSES.iter().find(|(known, _)| *known == status).map_or("failed", |(_, word)| word)
}

fn status_of(text: &str) -> Option<GenerationStatus> {
    STATUSES.iter().find(|(_, word)| *word == text).map(|(status, _)| *status)
}

const SELECT: &str = "SELECT id, project_id, role, prompt, model, status, waking, finish_reason,
        error_code, error_text, base_version, version, reserved, charged, tokens_in, tokens_out,
        created_at, completed_at FROM generations";

fn read(row: &Row<'_>, language: Language) -> rusqlite::Result<Generation> {
    let project: Option<String> = row.get(1)?;
    let finish: Option<String> = row.get(7)?;
    let fault: Option<String> = row.get(8)?;
    let text: Option<String> = row.get(9)?;
    let tokens = |index| row.get::<_, Option<i64>>(index).map(|count| count.map(Tokens));
    let usage = match (tokens(14)?, tokens(15)?) {
        (Some(input_tokens), Some(output_tokens)) => Some(Usage { input_tokens, output_tokens }),
        _ => None,
    };
    Ok(Generation {
        id: GenerationId(uuid(row, 0)?),
        project_id: project.and_then(|id| id.parse().ok()),
        role: row.get(2)?,
        prompt: row.get(3)?,
        model: row.get(4)?,
        status: word(row, 5, status_of)?,
        waking: row.get(6)?,
        finish_reason: finish.as_deref().and_then(named),
        problem: fault.map(|code| Fault::read(&code, text).problem(language)),
        base_version: row.get(10)?,
        version: row.get(11)?,
        reserved: tokens(12)?,
        charged: tokens(13)?,
        usage,
        created_at: UnixMillis(row.get(16)?),
        completed_at: row.get::<_, Option<i64>>(17)?.map(UnixMillis),
    })
}

/// One generation.
pub fn get(
    db: &Connection,
    id: GenerationId,
    language: Language,
) -> Result<Option<Generation>, StoreError> {
    Ok(db
        .prepare_cached(&format!("{SELECT} WHERE id = ?1"))?
        .query_row([id.to_string()], |row| read(row, language))
        .optional()?)
}

/// The generations of a project, newest first.
pub fn list(
    db: &Connection,
    project: Uuid,
    language: Language,
) -> Result<Vec<Generation>, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "{SELECT} WHERE project_id = ?1 ORDER BY created_at DESC, key DESC"
    ))?;
    Ok(readable(statement.query_map([project.to_string()], |row| read(row, language))?)?)
}

/// Writes the row, before anything is sent.
pub fn insert(db: &Connection, new: &NewGeneration, now: UnixMillis) -> Result<(), StoreError> {
    let (status, sent_at) = if new.queued { ("queued", None) } else { ("pending", Some(now.0)) };
    db.prepare_cached(
        "INSERT INTO generations (id, user_id, project_id, base_version, role, provider, model,
             status, nonce, continues, created_at, sent_at, prompt, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, 'relay', ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        new.id.to_string(),
        new.user_id.as_str(),
        new.project_id.map(|id| id.to_string()),
        new.base_version,
        new.role,
        new.model,
        status,
        new.nonce,
        new.continues.map(|id| id.to_string()),
        now.0,
        sent_at,
        new.prompt,
        new.payload,
    ])?;
    Ok(())
}

const SELECT_JOB: &str = "SELECT id, user_id, project_id, base_version, status, nonce, last_seq,
        payload, reserved IS NOT NULL OR last_seq > 0, sent_at FROM generations
    WHERE provider = 'relay' AND user_id IS NOT NULL AND status IN ('queued', 'pending')";

fn read_job(row: &Row<'_>) -> rusqlite::Result<Job> {
    let project: Option<String> = row.get(2)?;
    Ok(Job {
        id: GenerationId(uuid(row, 0)?),
        user_id: UserId(row.get(1)?),
        project_id: project.and_then(|id| id.parse().ok()),
        base_version: row.get(3)?,
        queued: word(row, 4, status_of)? == GenerationStatus::Queued,
        nonce: row.get(5)?,
        last_seq: u64::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
        payload: row.get(7)?,
        accepted: row.get(8)?,
        sent_at: row.get::<_, Option<i64>>(9)?.map(UnixMillis),
    })
}

/// One that has not ended.
pub fn job(db: &Connection, id: GenerationId) -> Result<Option<Job>, StoreError> {
    Ok(db
        .prepare_cached(&format!("{SELECT_JOB} AND id = ?1"))?
        .query_row([id.to_string()], read_job)
        .optional()?)
}

/// All that have not ended, oldest first.
pub fn jobs(db: &Connection) -> Result<Vec<Job>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{SELECT_JOB} ORDER BY key"))?;
    Ok(readable(statement.query_map([], read_job)?)?)
}

/// Whether one is running in a project.
pub fn is_busy(db: &Connection, project: Uuid) -> Result<bool, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM generations
                            WHERE project_id = ?1 AND status = 'pending')",
        )?
        .query_row([project.to_string()], |row| row.get(0))?)
}

/// The queued ones of a project, oldest first.
pub fn queue(db: &Connection, project: Uuid) -> Result<Vec<GenerationId>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT id FROM generations WHERE project_id = ?1 AND status = 'queued' ORDER BY key",
    )?;
    let rows = statement.query_map([project.to_string()], |row| Ok(GenerationId(uuid(row, 0)?)))?;
    Ok(readable(rows)?)
}

/// From queued to pending; false if it is no longer queued, or its project is busy.
pub fn claim(db: &Connection, id: GenerationId, now: UnixMillis) -> Result<bool, StoreError> {
    let changed = db
        .prepare_cached(
            "UPDATE generations SET status = 'pending', sent_at = ?2
             WHERE id = ?1 AND status = 'queued' AND NOT EXISTS (
                 SELECT 1 FROM generations o
                 WHERE o.project_id = generations.project_id AND o.status = 'pending')",
        )?
        .execute(params![id.to_string(), now.0])?;
    Ok(changed > 0)
}

/// From pending back to queued: the relay has refused it for now.
pub fn requeue(db: &Connection, id: GenerationId) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE generations SET status = 'queued', sent_at = NULL, waking = 0
         WHERE id = ?1 AND status = 'pending'",
    )?
    .execute([id.to_string()])?;
    Ok(())
}

/// The relay holds tokens for it.
pub fn set_reserved(db: &Connection, id: GenerationId, held: Tokens) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE generations SET reserved = ?2 WHERE id = ?1 AND status = 'pending'")?
        .execute(params![id.to_string(), held.get()])?;
    Ok(())
}

/// The model's endpoint is starting.
pub fn set_waking(db: &Connection, id: GenerationId) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE generations SET waking = 1 WHERE id = ?1 AND status = 'pending'")?
        .execute([id.to_string()])?;
    Ok(())
}

/// Ends it; false if it has ended already, and then nothing changes.
pub fn end(db: &Connection, id: GenerationId, ending: &Ending) -> Result<bool, StoreError> {
    let key = id.to_string();
    let output = pieces::said(db, id)?;
    let (code, text) = match &ending.fault {
        Some(fault) => {
            let (code, text) = fault.columns();
            (Some(code), text)
        }
        None => (None, None),
    };
    let changed = db
        .prepare_cached(
            "UPDATE generations SET status = ?2, finish_reason = ?3, error_code = ?4,
                 error_text = ?5, charged = ?6, tokens_in = ?7, tokens_out = ?8, explanation = ?9,
                 version = ?10, completed_at = ?11, output = ?12, waking = 0
             WHERE id = ?1 AND status IN ('queued', 'pending')",
        )?
        .execute(params![
            key,
            status_word(ending.status),
            ending.finish_reason.as_ref().map(name),
            code,
            text,
            ending.charged.map(Tokens::get),
            ending.usage.map(|usage| usage.input_tokens.get()),
            ending.usage.map(|usage| usage.output_tokens.get()),
            ending.explanation,
            ending.version,
            ending.at.0,
            output,
        ])?;
    if changed > 0 {
        db.prepare_cached("DELETE FROM generation_pieces WHERE generation_id = ?1")?
            .execute([key])?;
    }
    Ok(changed > 0)
}

/// The version that was made from it afterwards.
pub fn set_version(db: &Connection, id: GenerationId, version: u32) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE generations SET version = ?2 WHERE id = ?1")?
        .execute(params![id.to_string(), version])?;
    Ok(())
}

/// What the ledger says it cost, where it ended without our knowing. Returns its project if that
/// is news.
pub fn learn_cost(
    db: &Connection,
    id: GenerationId,
    charged: Tokens,
) -> Result<Option<Uuid>, StoreError> {
    let project: Option<Option<String>> = db
        .prepare_cached(
            "UPDATE generations SET charged = ?2 WHERE id = ?1 AND charged IS NULL
                 AND status NOT IN ('queued', 'pending') RETURNING project_id",
        )?
        .query_row(params![id.to_string(), charged.get()], |row| row.get(0))
        .optional()?;
    Ok(project.flatten().and_then(|id| id.parse().ok()))
}

/// What sending it again needs.
pub fn sent(db: &Connection, id: GenerationId) -> Result<Option<NewGeneration>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT user_id, project_id, base_version, role, model, prompt, nonce, continues,
                 payload FROM generations WHERE id = ?1 AND user_id IS NOT NULL",
        )?
        .query_row([id.to_string()], |row| {
            let project: Option<String> = row.get(1)?;
            let continues: Option<String> = row.get(7)?;
            Ok(NewGeneration {
                id,
                user_id: UserId(row.get(0)?),
                project_id: project.and_then(|id| id.parse().ok()),
                base_version: row.get(2)?,
                role: row.get(3)?,
                model: row.get(4)?,
                prompt: row.get(5)?,
                nonce: row.get(6)?,
                continues: continues.and_then(|id| id.parse().ok()),
                payload: row.get(8)?,
                queued: false,
            })
        })
        .optional()?)
}
