//! Token usage and the ledger, as a person sees them.

use crate::{GenerationId, Tokens, UnixMillis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `GET /api/tokens/usage`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenUsage {
    /// `YYYY-MM`, UTC.
    pub month: String,
    /// As `used` of the snapshot.
    pub tokens_used: Tokens,
    /// As `reserved`.
    pub tokens_reserved: Tokens,
    /// As `limit`.
    pub tokens_limit: Tokens,
    /// As `remaining`.
    pub remaining: Tokens,
    /// Of `month`.
    pub generations_count: i64,
    /// The latest.
    pub last_generation_at: Option<UnixMillis>,
    /// End of the live lot that ends first.
    pub resets_at: Option<UnixMillis>,
}

/// The answer of `POST /api/tokens/validate`: 200, or 429, which is a refusal like any other besides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Validation {
    /// Whether the generation would be let in.
    pub can_generate: bool,
    /// Estimated input.
    pub estimated_tokens: Tokens,
    /// The whole reserve: it can never cost more.
    pub ceiling: Tokens,
    /// As in usage.
    pub tokens_used: Tokens,
    /// As in usage.
    pub tokens_limit: Tokens,
    /// As in usage.
    pub remaining: Tokens,
    /// A sentence, when refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `token_limit`, when refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<crate::ErrorCode>,
    /// To quote when asking for help, when refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// `GET /api/tokens/ledger`: a page, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerPage {
    /// At most `limit` of them.
    pub entries: Vec<LedgerEntry>,
    /// The `after` of the next page; null at the end.
    pub next: Option<String>,
}

/// One entry. Append-only: an entry never changes and never goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// Grows with time.
    pub id: String,
    /// When.
    pub at: UnixMillis,
    /// What.
    pub kind: EntryKind,
    /// Never negative. `settle` = what was charged, `release` = the whole reserve.
    pub tokens: Tokens,
    /// Which generation, for reserve, settle and release.
    pub generation_id: Option<GenerationId>,
    /// Where a grant came from (`invoice:in_…`), and what ended it.
    pub source: Option<String>,
    /// Available after this entry; reserved tokens are not counted in it.
    pub balance_after: Tokens,
}

/// The kinds of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, TS)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Tokens came.
    Grant,
    /// A generation began and holds its ceiling.
    Reserve,
    /// It ended and cost this.
    Settle,
    /// It ended and cost nothing.
    Release,
    /// A lot ended with this left.
    Expire,
    /// A refund or dispute took this back.
    Revoke,
}

impl EntryKind {
    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Reserve => "reserve",
            Self::Settle => "settle",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Revoke => "revoke",
        }
    }
}
