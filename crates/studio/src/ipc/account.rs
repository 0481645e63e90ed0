//! The account side: who is signed in, what is bought, where tokens went.

use autocrea_protocol::account::Interval;
use autocrea_protocol::ledger::LedgerEntry;
use autocrea_protocol::{AccountSnapshot, PlanId, RelayConfig, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use uuid::Uuid;

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
