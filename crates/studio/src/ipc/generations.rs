//! Generations: what is about to be sent, and what becomes of it.

use super::Problem;
use autocrea_protocol::generation::{FinishReason, Usage};
use autocrea_protocol::{GenerationId, Tokens, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

/// A role that a generation is asked to act as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// `fullstack`, `arquitecto` …
    pub id: String,
    /// For people.
    pub name: String,
    /// What it is good at, one sentence.
    pub summary: String,
    /// Output length unless said otherwise.
    pub default_output_tokens: Tokens,
}

/// What a creator is about to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Draft {
    /// In which project.
    pub project_id: Uuid,
    /// Which role.
    pub role: String,
    /// The creator's words.
    pub prompt: String,
    /// The version to work from; null = the newest.
    pub base_version: Option<u32>,
    /// The most output wanted; null = the role's default.
    pub max_output_tokens: Option<Tokens>,
    /// Files of the base version to send along; null = chosen automatically.
    pub context_paths: Option<Vec<String>>,
}

/// What a draft would cost at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Estimate {
    /// Estimated input.
    pub input_tokens: Tokens,
    /// What will be sent as the limit of the output.
    pub max_output_tokens: Tokens,
    /// It can never cost more than this.
    pub ceiling: Tokens,
    /// What is left now, if it is known.
    pub remaining: Option<Tokens>,
    /// This creator's own median for the role, once there are three of them.
    pub usual: Option<Tokens>,
    /// Files that go along.
    pub context: Vec<ContextFile>,
    /// Why it cannot be sent as it stands.
    pub problem: Option<Problem>,
}

/// A file that can go along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ContextFile {
    /// Which.
    pub path: String,
    /// What it costs.
    pub tokens: Tokens,
    /// Whether it goes along.
    pub included: bool,
}

/// A generation in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Generation {
    /// Also the relay's key.
    pub id: GenerationId,
    /// Its project, unless that was erased.
    pub project_id: Option<Uuid>,
    /// The role it was asked to act as.
    pub role: String,
    /// The creator's words.
    pub prompt: String,
    /// The model's name.
    pub model: String,
    /// Where it stands.
    pub status: GenerationStatus,
    /// The endpoint is scaling up from zero.
    pub waking: bool,
    /// Why it ended, if it ended well.
    pub finish_reason: Option<FinishReason>,
    /// Why it did not.
    pub problem: Option<Problem>,
    /// Version that it was made from.
    pub base_version: Option<u32>,
    /// Version that it made.
    pub version: Option<u32>,
    /// Held while it runs.
    pub reserved: Option<Tokens>,
    /// What it cost.
    pub charged: Option<Tokens>,
    /// As the model reported.
    pub usage: Option<Usage>,
    /// Sent.
    pub created_at: UnixMillis,
    /// Ended.
    pub completed_at: Option<UnixMillis>,
}

/// Where a generation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum GenerationStatus {
    /// Waits for its turn.
    Queued,
    /// Runs.
    Pending,
    /// Ended with all it had to say (or at its maximum length).
    Completed,
    /// Ended badly; nothing was charged.
    Failed,
    /// The creator pressed Stop.
    Cancelled,
    /// Cut off; what arrived is kept, nothing was charged.
    Interrupted,
}

/// A generation with what has been read out of it so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct GenerationDetail {
    /// The generation.
    pub generation: Generation,
    /// What the model said outside its files.
    pub explanation: String,
    /// Files written so far, in order of first appearance.
    pub files: Vec<GeneratedFile>,
    /// Sequence number of the last piece that is in here.
    #[ts(type = "number")]
    pub seq: u64,
}

/// A file as it grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct GeneratedFile {
    /// Where it goes.
    pub path: String,
    /// So far.
    pub text: String,
    /// Whether its end has been seen.
    pub complete: bool,
}

/// What a watcher of a generation is told. The first message is `snapshot`; pieces follow, at most
/// one message a frame; `ended` is the last. A watcher that misses one (the `n` of pieces is
/// consecutive) asks for the detail again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum GenerationUpdate {
    /// All there is so far.
    Snapshot {
        /// The generation and its files.
        detail: GenerationDetail,
    },
    /// More of it.
    Pieces {
        /// 1, 2, 3 …, per watcher.
        #[ts(type = "number")]
        n: u64,
        /// What happened, in order.
        pieces: Vec<Piece>,
    },
    /// The generation's own figures changed (waking, reserved …).
    Status {
        /// As it is now.
        generation: Generation,
    },
    /// It is over: read the detail and the project again.
    Ended {
        /// As it is now.
        generation: Generation,
    },
}

/// One thing that the parser saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Piece {
    /// More explanation.
    Explanation {
        /// Append this.
        text: String,
    },
    /// A file begins (again: what it had is gone).
    FileStarted {
        /// Which.
        path: String,
    },
    /// More of a file.
    FileText {
        /// Which.
        path: String,
        /// Append this.
        text: String,
    },
    /// A file is whole.
    FileEnded {
        /// Which.
        path: String,
    },
    /// A file of the base version goes.
    FileDeleted {
        /// Which.
        path: String,
    },
    /// A file of the base version moves.
    FileRenamed {
        /// From.
        from: String,
        /// To.
        to: String,
    },
}
