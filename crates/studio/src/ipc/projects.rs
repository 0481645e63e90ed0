//! Projects.

use super::{Generation, Version};
use autocrea_protocol::{Tokens, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

/// A project in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Project {
    /// Ours, UUIDv7.
    pub id: Uuid,
    /// For people.
    pub name: String,
    /// For people; may be empty.
    pub description: String,
    /// Where it stands.
    pub status: ProjectStatus,
    /// Charged by all its generations.
    pub tokens_used: Tokens,
    /// Pinned to the top.
    pub favourite: bool,
    /// The newest version, if there is one.
    pub version: Option<u32>,
    /// Files of the newest version.
    pub file_count: u32,
    /// Made.
    pub created_at: UnixMillis,
    /// Last change.
    pub updated_at: UnixMillis,
}

/// Where a project stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum ProjectStatus {
    /// No version yet.
    Draft,
    /// A generation is running.
    Generating,
    /// The last generation made a version.
    Completed,
    /// The last generation failed.
    Failed,
    /// Published at an address.
    Deployed,
}

/// A new project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NewProject {
    /// 1 to 120 characters after trimming.
    pub name: String,
    /// Up to 2,000 characters.
    pub description: String,
}

/// A change of a project: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct ProjectPatch {
    /// A new name.
    pub name: Option<String>,
    /// A new description.
    pub description: Option<String>,
    /// Pin or unpin.
    pub favourite: Option<bool>,
}

/// A project with its history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ProjectDetail {
    /// The project.
    pub project: Project,
    /// Newest first.
    pub versions: Vec<Version>,
    /// Newest first.
    pub generations: Vec<Generation>,
}
