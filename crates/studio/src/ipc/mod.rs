//! What the page and the studio say to each other.
//!
//! The page holds no truth: it shows these values and sends back what a person did. Everything
//! here is serialised across the webview's bridge, and its TypeScript twin is generated into
//! `ui/src/lib/bindings/`. Sentences for people arrive already in their language.

mod account;
mod generations;
mod projects;
mod settings;
mod versions;

pub use account::*;
pub use generations::*;
pub use projects::*;
pub use settings::*;
pub use versions::*;

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
