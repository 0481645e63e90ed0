//! Versions: snapshots of a project's files, by content.
//!
//! A version is a map from path to bytes that is never changed. A new one is made from its parent
//! and an ordered list of changes, in the transaction of whatever caused it; restoring makes a
//! new version out of an old one's map, so that going back can itself be undone.

use crate::Studio;
use crate::clock;
use crate::error::{Error, Thing};
use crate::ipc::{FileChange, FileContent, FileEntry, StudioEvent, Version, VersionCause};
use crate::parser::{Change, Parsed};
use crate::store::blobs::{self, BlobKey};
use crate::store::{self, StoreError};
use autocrea_protocol::{GenerationId, UnixMillis};
use rusqlite::Connection;
use std::collections::BTreeMap;
use uuid::Uuid;

type Files = BTreeMap<String, BlobKey>;

/// Makes the version of a generation: the files of `base`, changed as the model said, in its
/// order. `None` if it changed nothing, and then no version is made.
///
/// # Errors
/// If it cannot be stored.
pub fn create_from_generation(
    db: &Connection,
    project: Uuid,
    base: Option<u32>,
    generation: GenerationId,
    parsed: &Parsed,
    now: UnixMillis,
) -> Result<Option<Version>, StoreError> {
    let before = match base {
        Some(number) => store::versions::blobs(db, project, number)?,
        None => Files::new(),
    };
    let mut after = before.clone();
    for change in &parsed.changes {
        match change {
            Change::Write { path, text, .. } => {
                after.insert(path.clone(), blobs::put(db, text.as_bytes())?);
            }
            Change::Delete { path } => {
                after.remove(path);
            }
            Change::Rename { from, to } => {
                if let Some(blob) = after.remove(from) {
                    after.insert(to.clone(), blob);
                }
            }
        }
    }
    if after == before {
        return Ok(None);
    }
    let cause = VersionCause::Generation { id: generation };
    append(db, project, base, cause, &before, after, now).map(Some)
}

/// Writes the next version of a project.
fn append(
    db: &Connection,
    project: Uuid,
    parent: Option<u32>,
    cause: VersionCause,
    before: &Files,
    after: Files,
    now: UnixMillis,
) -> Result<Version, StoreError> {
    let number = store::versions::newest(db, project)?.unwrap_or(0).saturating_add(1);
    let removed = before.keys().filter(|path| !after.contains_key(*path)).count();
    let files: BTreeMap<_, _> = after
        .into_iter()
        .map(|(path, blob)| {
            let change = match before.get(&path) {
                None => FileChange::Added,
                Some(old) if *old == blob => FileChange::Same,
                Some(_) => FileChange::Changed,
            };
            (path, (blob, change))
        })
        .collect();
    let count = |wanted: FileChange| {
        as_count(files.values().filter(|(_, change)| *change == wanted).count())
    };
    let version = Version {
        number,
        parent,
        cause,
        label: None,
        file_count: as_count(files.len()),
        added: count(FileChange::Added),
        changed: count(FileChange::Changed),
        removed: as_count(removed),
        created_at: now,
    };
    store::versions::insert(db, project, &version, &files)?;
    store::projects::version_made(db, project, now)?;
    Ok(version)
}

fn as_count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Makes a version with the files of version `number`. Its parent is the newest, which it changes.
fn restore(
    db: &Connection,
    project: Uuid,
    number: u32,
    now: UnixMillis,
) -> Result<Option<Version>, StoreError> {
    if store::versions::get(db, project, number)?.is_none() {
        return Ok(None);
    }
    let after = store::versions::blobs(db, project, number)?;
    let parent = store::versions::newest(db, project)?;
    let before = match parent {
        Some(newest) => store::versions::blobs(db, project, newest)?,
        None => Files::new(),
    };
    append(db, project, parent, VersionCause::Restore { number }, &before, after, now).map(Some)
}

impl Studio {
    /// The files of a version, by path.
    ///
    /// # Errors
    /// If it is not there, or the store cannot be read.
    pub async fn version_files(&self, project: Uuid, number: u32) -> Result<Vec<FileEntry>, Error> {
        let files = self
            .store()?
            .read(move |db| {
                if store::versions::get(db, project, number)?.is_none() {
                    return Ok(None);
                }
                store::versions::files(db, project, number).map(Some)
            })
            .await?;
        files.ok_or(Error::NotFound(Thing::Version))
    }

    /// What is in a file of a version.
    ///
    /// # Errors
    /// If it is not there, or the store cannot be read.
    pub async fn version_file(
        &self,
        project: Uuid,
        number: u32,
        path: String,
    ) -> Result<FileContent, Error> {
        let bytes = self
            .store()?
            .read(move |db| match store::versions::file(db, project, number, &path)? {
                Some(blob) => blobs::get(db, blob).map(Some),
                None => Ok(None),
            })
            .await?
            .ok_or(Error::NotFound(Thing::File))?;
        Ok(match String::from_utf8(bytes) {
            Ok(text) => FileContent::Text { text },
            Err(error) => FileContent::Binary { size: error.as_bytes().len() as u64 },
        })
    }

    /// Goes back to a version by making a new one with its files; nothing is taken away.
    ///
    /// # Errors
    /// If it is not there, or it cannot be stored.
    pub async fn version_restore(&self, project: Uuid, number: u32) -> Result<Version, Error> {
        let version = self
            .store()?
            .write(move |db| restore(db, project, number, clock::now()))
            .await?
            .ok_or(Error::NotFound(Thing::Version))?;
        self.announce(StudioEvent::Project { id: project });
        self.announce(StudioEvent::Projects);
        Ok(version)
    }
}

#[cfg(test)]
mod tests;
