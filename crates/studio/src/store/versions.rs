//! Tables `versions` and `version_files`.

use super::StoreError;
use super::blobs::BlobKey;
use super::columns::{readable, word};
use crate::ipc::{FileChange, FileEntry, Version, VersionCause};
use autocrea_protocol::{GenerationId, UnixMillis};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;
use std::str::FromStr;
use uuid::Uuid;

const SELECT: &str = "SELECT number, parent, cause, cause_generation, cause_number, label,
        file_count, added, changed, removed, created_at FROM versions WHERE project_id = ?1";

fn read(row: &Row<'_>) -> rusqlite::Result<Version> {
    let generation: Option<String> = row.get(3)?;
    let number: Option<u32> = row.get(4)?;
    let cause = word(row, 2, |text| match text {
        "generation" => {
            let id = GenerationId::from_str(generation.as_deref()?).ok()?;
            Some(VersionCause::Generation { id })
        }
        "restore" => Some(VersionCause::Restore { number: number? }),
        "edit" => Some(VersionCause::Edit),
        "import" => Some(VersionCause::Import),
        _ => None,
    })?;
    Ok(Version {
        number: row.get(0)?,
        parent: row.get(1)?,
        cause,
        label: row.get(5)?,
        file_count: row.get(6)?,
        added: row.get(7)?,
        changed: row.get(8)?,
        removed: row.get(9)?,
        created_at: UnixMillis(row.get(10)?),
    })
}

/// Newest first.
pub fn list(db: &Connection, project: Uuid) -> Result<Vec<Version>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{SELECT} ORDER BY number DESC"))?;
    Ok(readable(statement.query_map([project.to_string()], read)?)?)
}

/// One version.
pub fn get(db: &Connection, project: Uuid, number: u32) -> Result<Option<Version>, StoreError> {
    let mut statement = db.prepare_cached(&format!("{SELECT} AND number = ?2"))?;
    Ok(statement.query_row(params![project.to_string(), number], read).optional()?)
}

/// The number of the newest, if there is one.
pub fn newest(db: &Connection, project: Uuid) -> Result<Option<u32>, StoreError> {
    Ok(db
        .prepare_cached("SELECT max(number) FROM versions WHERE project_id = ?1")?
        .query_row([project.to_string()], |row| row.get(0))?)
}

/// Writes a version with its files.
pub fn insert(
    db: &Connection,
    project: Uuid,
    version: &Version,
    files: &BTreeMap<String, (BlobKey, FileChange)>,
) -> Result<(), StoreError> {
    let (cause, generation, number) = match &version.cause {
        VersionCause::Generation { id } => ("generation", Some(id.to_string()), None),
        VersionCause::Restore { number } => ("restore", None, Some(*number)),
        VersionCause::Edit => ("edit", None, None),
        VersionCause::Import => ("import", None, None),
    };
    db.prepare_cached(
        "INSERT INTO versions (project_id, number, parent, cause, cause_generation, cause_number,
             label, file_count, added, changed, removed, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?
    .execute(params![
        project.to_string(),
        version.number,
        version.parent,
        cause,
        generation,
        number,
        version.label,
        version.file_count,
        version.added,
        version.changed,
        version.removed,
        version.created_at.0,
    ])?;
    let key = db.last_insert_rowid();
    let mut insert = db.prepare_cached(
        "INSERT INTO version_files (version, path, blob, change) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (path, (blob, change)) in files {
        let change = match change {
            FileChange::Added => "added",
            FileChange::Changed => "changed",
            FileChange::Same => "same",
        };
        insert.execute(params![key, path, blob.0, change])?;
    }
    Ok(())
}

/// The blobs of a version by path; empty if there is no such version.
pub fn blobs(
    db: &Connection,
    project: Uuid,
    number: u32,
) -> Result<BTreeMap<String, BlobKey>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT f.path, f.blob FROM version_files f JOIN versions v ON v.key = f.version
         WHERE v.project_id = ?1 AND v.number = ?2",
    )?;
    let rows = statement.query_map(params![project.to_string(), number], |row| {
        Ok((row.get(0)?, BlobKey(row.get(1)?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The files of a version, by path.
pub fn files(db: &Connection, project: Uuid, number: u32) -> Result<Vec<FileEntry>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT f.path, b.size, f.change
         FROM version_files f JOIN versions v ON v.key = f.version JOIN blobs b ON b.key = f.blob
         WHERE v.project_id = ?1 AND v.number = ?2 ORDER BY f.path",
    )?;
    let rows = statement.query_map(params![project.to_string(), number], |row| {
        Ok(FileEntry {
            path: row.get(0)?,
            size: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
            change: word(row, 2, |text| match text {
                "added" => Some(FileChange::Added),
                "changed" => Some(FileChange::Changed),
                "same" => Some(FileChange::Same),
                _ => None,
            })?,
        })
    })?;
    Ok(readable(rows)?)
}

/// The blob of one file.
pub fn file(
    db: &Connection,
    project: Uuid,
    number: u32,
    path: &str,
) -> Result<Option<BlobKey>, StoreError> {
    Ok(db
        .prepare_cached(
            "SELECT f.blob FROM version_files f JOIN versions v ON v.key = f.version
             WHERE v.project_id = ?1 AND v.number = ?2 AND f.path = ?3",
        )?
        .query_row(params![project.to_string(), number, path], |row| row.get(0).map(BlobKey))
        .optional()?)
}
