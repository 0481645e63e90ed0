//! Versions of a project, and their files.

use autocrea_protocol::{GenerationId, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A version: a snapshot of files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// 1, 2, 3 … in its project.
    pub number: u32,
    /// The version that it was made from.
    pub parent: Option<u32>,
    /// Why it was made.
    pub cause: VersionCause,
    /// A name given by the creator.
    pub label: Option<String>,
    /// How many files it has.
    pub file_count: u32,
    /// Files that its parent does not have.
    pub added: u32,
    /// Files that differ from its parent's.
    pub changed: u32,
    /// Files that only its parent has.
    pub removed: u32,
    /// When.
    pub created_at: UnixMillis,
}

/// Why a version was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum VersionCause {
    /// A generation made it.
    Generation {
        /// Which.
        id: GenerationId,
    },
    /// An older version was restored.
    Restore {
        /// Which number.
        number: u32,
    },
    /// Files were edited in the app.
    Edit,
    /// Files were brought in.
    Import,
}

/// A file of a version, in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct FileEntry {
    /// Relative, `/` between folders.
    pub path: String,
    /// Bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// Compared with the version's parent.
    pub change: FileChange,
}

/// Compared with the parent version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum FileChange {
    /// New.
    Added,
    /// Different.
    Changed,
    /// The same bytes.
    Same,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FileContent {
    /// Valid UTF-8.
    Text {
        /// All of it.
        text: String,
    },
    /// Anything else.
    Binary {
        /// Bytes.
        #[ts(type = "number")]
        size: u64,
    },
}

/// How a version can be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PreviewTarget {
    /// In a frame, at this address.
    Page {
        /// Under the preview scheme.
        url: String,
    },
    /// Not in a page.
    None {
        /// Why, in the person's language.
        reason: String,
    },
}
