//! Table `projects`.

use super::StoreError;
use super::columns::{readable, uuid, word};
use crate::ipc::{Project, ProjectStatus};
use autocrea_protocol::{Tokens, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

const SELECT: &str = "SELECT p.id, p.name, p.description, p.status, p.tokens_used, p.favourite,
        v.number, v.file_count, p.created_at, p.updated_at
    FROM projects p
    LEFT JOIN versions v ON v.project_id = p.id
        AND v.number = (SELECT max(number) FROM versions WHERE project_id = p.id)";

fn read(row: &Row<'_>) -> rusqlite::Result<Project> {
    Ok(Project {
        id: uuid(row, 0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        status: word(row, 3, status_of)?,
        tokens_used: Tokens(row.get(4)?),
        favourite: row.get(5)?,
        version: row.get(6)?,
        file_count: row.get::<_, Option<u32>>(7)?.unwrap_or(0),
        created_at: UnixMillis(row.get(8)?),
        updated_at: UnixMillis(row.get(9)?),
    })
}

fn status_of(text: &str) -> Option<ProjectStatus> {
    Some(match text {
        "draft" => ProjectStatus::Draft,
        "generating" => ProjectStatus::Generating,
        "completed" => ProjectStatus::Completed,
        "failed" => ProjectStatus::Failed,
        "deployed" => ProjectStatus::Deployed,
        _ => return None,
    })
}

const fn status_word(status: ProjectStatus) -> &'static str {
    match status {
        ProjectStatus::Draft => "draft",
        ProjectStatus::Generating => "generating",
        ProjectStatus::Completed => "completed",
        ProjectStatus::Failed => "failed",
        ProjectStatus::Deployed => "deployed",
    }
}

/// Favourites first, then by newest change; the trash is left out.
pub fn list(db: &Connection) -> Result<Vec<Project>, StoreError> {
    let mut statement = db.prepare_cached(&format!(
        "{SELECT} WHERE p.trashed_at IS NULL
         ORDER BY p.favourite DESC, p.updated_at DESC, p.key DESC"
    ))?;
    Ok(readable(statement.query_map([], read)?)?)
}

/// One project, also from the trash.
pub fn get(db: &Connection, id: Uuid) -> Result<Option<Project>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{SELECT} WHERE p.id = ?1"))?;
    Ok(statement.query_row([id.to_string()], read).optional()?)
}

/// A new project, a draft.
pub fn insert(
    db: &Connection,
    id: Uuid,
    name: &str,
    description: &str,
    now: UnixMillis,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "INSERT INTO projects (id, name, description, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?4)",
    )?
    .execute(params![id.to_string(), name, description, now.0])?;
    Ok(())
}

/// Changes what is given; false if there is no such project.
pub fn update(
    db: &Connection,
    id: Uuid,
    name: Option<&str>,
    description: Option<&str>,
    favourite: Option<bool>,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    // Pinning is not a change of the project: it does not move it among the newest.
    let changed = db
        .prepare_cached(
            "UPDATE projects SET
                 name = coalesce(?2, name),
                 description = coalesce(?3, description),
                 favourite = coalesce(?4, favourite),
                 updated_at = CASE WHEN ?2 IS NULL AND ?3 IS NULL THEN updated_at
                                   ELSE max(updated_at, ?5) END
             WHERE id = ?1",
        )?
        .execute(params![id.to_string(), name, description, favourite, now.0])?;
    Ok(changed > 0)
}

/// Puts a project in the trash (`Some`) or takes it out; false if there is no such project.
pub fn set_trashed(db: &Connection, id: Uuid, at: Option<UnixMillis>) -> Result<bool, StoreError> {
    let changed = db
        .prepare_cached("UPDATE projects SET trashed_at = ?2 WHERE id = ?1")?
        .execute(params![id.to_string(), at.map(|at| at.0)])?;
    Ok(changed > 0)
}

/// Sets where a project stands, and that it changed now.
pub fn set_status(
    db: &Connection,
    id: Uuid,
    status: ProjectStatus,
    now: UnixMillis,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE projects SET status = ?2, updated_at = max(updated_at, ?3) WHERE id = ?1",
    )?
    .execute(params![id.to_string(), status_word(status), now.0])?;
    Ok(())
}

/// Adds what a generation cost.
pub fn add_tokens(db: &Connection, id: Uuid, charged: Tokens) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE projects SET tokens_used = tokens_used + ?2 WHERE id = ?1")?
        .execute(params![id.to_string(), charged.at_least_zero().get()])?;
    Ok(())
}

/// That a project has a new version: it is completed, unless a generation is running in it.
pub fn version_made(db: &Connection, id: Uuid, now: UnixMillis) -> Result<(), StoreError> {
    db.prepare_cached(
        "UPDATE projects SET updated_at = max(updated_at, ?2),
             status = CASE status WHEN 'generating' THEN status ELSE 'completed' END
         WHERE id = ?1",
    )?
    .execute(params![id.to_string(), now.0])?;
    Ok(())
}
