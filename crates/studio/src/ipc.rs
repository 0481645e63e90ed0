//! What the page and the studio say to each other.
//!
//! The page holds no truth: it shows these values and sends back what a person did. Everything
//! here is serialised across the webview's bridge, and its TypeScript twin is generated into
//! `ui/src/lib/bindings/`. Sentences for people arrive already in their language.

use autocrea_protocol::account::Interval;
use autocrea_protocol::generation::Usage;
use autocrea_protocol::ledger::LedgerEntry;
use autocrea_protocol::{AccountSnapshot, GenerationId, PlanId, RelayConfig, Tokens, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

/// A failure, as a person is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// For the page to act on (`offline`, `signed_out`, `token_limit`, `not_found` …).
    pub code: ProblemCode,
    /// What happened and what to do, in the person's language.
    pub message: String,
}

/// What the page can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// The relay cannot be reached; it goes on by itself when it can.
    Offline,
    /// Nobody is signed in, or the sign-in has ended.
    SignedOut,
    /// Not enough tokens: the way to more is Plans.
    TokenLimit,
    /// The plan's generations at once, or an hour, are reached.
    Busy,
    /// The thing is not there (any more).
    NotFound,
    /// What was sent cannot be accepted; the message says why.
    Invalid,
    /// The relay needs a newer app.
    UpdateNeeded,
    /// The model's endpoint failed.
    ModelFailed,
    /// The link, or the sign-in it answers, is unknown, used, or too old.
    LinkRefused,
    /// No keyring: a place for the secret has to be chosen first.
    SecretPlaceNeeded,
    /// No browser could be opened; the address is in the message.
    NoBrowser,
    /// The disk is full or the store cannot be written.
    Store,
    /// A defect of ours.
    Internal,
}

/// Everything that the page needs for its first paint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Boot {
    /// The app's version.
    pub version: String,
    /// What the person chose.
    pub settings: Settings,
    /// The language in force.
    pub language: Language,
    /// Where everything is kept.
    pub data_dir: String,
    /// The account as it is known now.
    pub account: AccountState,
    /// Where to begin, if a link opened the app.
    pub destination: Option<Destination>,
    /// The store could not be opened: why, and what to do. Nothing else works then.
    pub store_problem: Option<Problem>,
}

/// Languages of the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Español.
    Es,
    /// English.
    En,
}

/// What a person can choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Null follows the system.
    pub language: Option<Language>,
    /// Light, dark, or the system's.
    pub theme: Theme,
    /// The three steps of the first start have been seen or skipped.
    pub welcomed: bool,
}

/// Light or dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system.
    System,
    /// Dark.
    Dark,
    /// Light.
    Light,
}

/// A change of settings: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(optional_fields)]
pub struct SettingsPatch {
    /// Set the language.
    pub language: Option<Language>,
    /// Follow the system's language again.
    pub follow_system_language: Option<bool>,
    /// Set the theme.
    pub theme: Option<Theme>,
    /// The first start is over.
    pub welcomed: Option<bool>,
}

/// The account side, as far as the app knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AccountState {
    /// Signed in or not.
    pub session: Session,
    /// The last snapshot of the relay, kept while offline.
    pub snapshot: Option<AccountSnapshot>,
    /// When the snapshot was received or last confirmed.
    pub snapshot_at: Option<UnixMillis>,
    /// Whether the relay answers.
    pub relay: RelayStatus,
    /// The relay's public configuration, kept while offline.
    pub config: Option<RelayConfig>,
    /// A checkout that was opened and has not come back yet.
    pub checkout: Option<CheckoutWait>,
}

/// Signed in or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Session {
    /// Nobody.
    SignedOut,
    /// The browser is open; `url` can be opened by hand.
    #[serde(rename_all = "camelCase")]
    SigningIn {
        /// Where the browser was sent.
        url: String,
        /// When the attempt ends.
        expires_at: UnixMillis,
    },
    /// Somebody.
    #[serde(rename_all = "camelCase")]
    SignedIn {
        /// Clerk's id.
        user_id: String,
        /// The refresh token is kept here.
        secret_place: SecretPlace,
    },
    /// Somebody whose sign-in has ended: work goes on, the relay wants them to sign in again.
    #[serde(rename_all = "camelCase")]
    Expired {
        /// Clerk's id.
        user_id: String,
    },
}

/// Where the refresh token is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum SecretPlace {
    /// The operating system's keyring.
    Keyring,
    /// A private file (0600), because the person said so.
    File,
    /// Memory: until the app quits.
    Memory,
}

/// Whether the relay answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RelayStatus {
    /// Not asked yet.
    Unknown,
    /// It answers.
    Online,
    /// It does not; the app keeps trying.
    Offline,
    /// It wants a newer app.
    UpdateNeeded,
}

/// A checkout that the browser has open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutWait {
    /// The plan that is being bought.
    pub plan_id: PlanId,
    /// Where the browser was sent.
    pub url: String,
    /// When.
    pub started_at: UnixMillis,
}

/// What is bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CheckoutChoice {
    /// Which plan.
    pub plan_id: PlanId,
    /// How often.
    pub interval: Interval,
}

/// A place in the app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Destination {
    /// The projects, with the balance.
    Dashboard,
    /// Plans.
    Plans,
    /// Settings.
    Settings,
    /// A project.
    Project {
        /// Which.
        id: Uuid,
    },
}

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
    pub finish_reason: Option<autocrea_protocol::generation::FinishReason>,
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

/// A page of the ledger, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LedgerView {
    /// At most as many as asked for.
    pub rows: Vec<LedgerRow>,
    /// Pass it as `before` for the next page; null at the end.
    pub next: Option<String>,
}

/// An entry of the ledger with what the app knows of its generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LedgerRow {
    /// The relay's entry.
    pub entry: LedgerEntry,
    /// The project of its generation, if it is on this machine.
    pub project_id: Option<Uuid>,
    /// Its name.
    pub project_name: Option<String>,
}

/// What the studio tells the page unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StudioEvent {
    /// The account side changed.
    Account {
        /// As it is now.
        account: Box<AccountState>,
    },
    /// A project changed (or its versions or generations): read it again.
    Project {
        /// Which.
        id: Uuid,
    },
    /// Projects were made or removed: read the list again.
    Projects,
    /// The ledger has grown.
    Ledger,
    /// Go there (a deep link said so).
    Navigate {
        /// Where.
        to: Destination,
    },
    /// Something to say in passing.
    Notice {
        /// How it is meant.
        tone: Tone,
        /// In the person's language.
        message: String,
    },
}

/// How a notice is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Done.
    Good,
    /// For information.
    Neutral,
    /// Something went wrong.
    Bad,
}
