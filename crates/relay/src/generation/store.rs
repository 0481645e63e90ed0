//! Generations in the database: begun together with their reservation, ended together with its end.
//!
//! Every function takes a running transaction. A generation's row and its reservation change in the
//! same one, so that there is never one without the other, whenever the process dies.

use super::live::{End, Key, Outcome};
use super::request::HashKey;
use crate::ceiling::Ceiling;
use crate::config::Catalogue;
use crate::db::{DbError, Row, Tx};
use crate::ledger::{self, EndedOutcome, ReserveOutcome, ReserveRequest};
use autocrea_protocol::generation::{FinishReason, Reserved, StreamCode, Usage};
use autocrea_protocol::{PlanId, Tokens, UnixMillis, UserId};
use std::time::Duration;

const HOUR_MILLIS: i64 = 3_600_000;

/// What somebody wants to begin.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Under which id.
    pub key: Key,
    /// Of its payload.
    pub payload_hash: [u8; 32],
    /// Its label.
    pub role: String,
    /// What the messages cost.
    pub input: Tokens,
    /// The output wanted.
    pub requested: Option<Tokens>,
    /// The process that will run it.
    pub lease: String,
}

/// A generation that is known.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Of its payload.
    pub payload_hash: Vec<u8>,
    /// What it holds, or held.
    pub reserved: Reserved,
    /// Of the process that runs it, or ran it.
    pub lease: Option<String>,
    /// How it ended, if it has.
    pub ended: Option<StoredEnd>,
}

/// How it ended.
#[derive(Clone, Copy, Debug)]
pub struct StoredEnd {
    /// What its followers are told.
    pub end: End,
    /// When.
    pub at: UnixMillis,
    /// The number of its last piece; unknown if the process died.
    pub last: Option<u64>,
}

/// What became of a wish.
#[derive(Clone, Debug)]
pub enum Begun {
    /// Tokens are held: run it.
    New(Reserved, Ceiling),
    /// It has been begun before.
    Known(Box<Stored>),
    /// A rule of the plan is in the way.
    Refused(Refusal),
}

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// As many as the plan allows are running.
    TooMany,
    /// As many as the plan allows were begun in the last hour.
    RateLimited {
        /// When so many of them are an hour old that another may begin.
        retry_after: Duration,
    },
    /// Not enough tokens are left.
    TokenLimit,
}

/// Begins a generation, unless its id is known or a rule is in the way. A refused id may be used
/// again: nothing is written.
///
/// # Errors
/// If the database refuses.
pub fn begin(tx: &mut Tx<'_>, plans: &Catalogue, wish: &Wish) -> Result<Begun, DbError> {
    tx.hold_person(&wish.key.user)?;
    if let Some(stored) = find(tx, &wish.key)? {
        return Ok(Begun::Known(Box::new(stored)));
    }
    let user = &wish.key.user;
    let spendable = ledger::spendable(tx, user)?;
    let plan = tx.query_one("SELECT plan_id FROM people WHERE id = ?1", &[user], |row| {
        row.get::<PlanId>(0)
    })?;
    let plan = plans.terms(&plan);
    if let Some(refusal) = limit(tx, user, plan.concurrency, plan.generations_per_hour)? {
        return Ok(Begun::Refused(refusal));
    }
    let ceiling =
        Ceiling::of(wish.input, wish.requested, plan.max_output_tokens, spendable.total());
    if !ceiling.enough {
        return Ok(Begun::Refused(Refusal::TokenLimit));
    }
    let request = ReserveRequest {
        user: user.clone(),
        generation: wish.key.generation,
        tokens: ceiling.total(),
        lease: wish.lease.clone(),
    };
    match ledger::reserve_from(tx, &request, &spendable)? {
        ReserveOutcome::Reserved { reserved, remaining } => {
            let reserved = Reserved { generation_id: wish.key.generation, reserved, remaining };
            insert(tx, wish, &reserved)?;
            Ok(Begun::New(reserved, ceiling))
        }
        // A reservation without a row here would be another program's; either way it is not to run.
        ReserveOutcome::TokenLimit { .. } | ReserveOutcome::Already => {
            Ok(Begun::Refused(Refusal::TokenLimit))
        }
    }
}

fn limit(
    tx: &mut Tx<'_>,
    user: &UserId,
    at_once: u32,
    an_hour: u32,
) -> Result<Option<Refusal>, DbError> {
    if at_once > 0 && ledger::open_count(tx, user)? >= at_once {
        return Ok(Some(Refusal::TooMany));
    }
    if an_hour == 0 {
        return Ok(None);
    }
    let now = tx.now();
    let since = now.plus_millis(-HOUR_MILLIS);
    let begun = ledger::begun_count(tx, user, since)?;
    if begun < an_hour {
        return Ok(None);
    }
    // With a plan that allows less than the last one did, more than one must grow old first.
    let last = ledger::begun_after(tx, user, since, begun - an_hour)?;
    let free_at = last.unwrap_or(now).plus_millis(HOUR_MILLIS);
    let millis = u64::try_from(free_at.millis_since(now)).unwrap_or(0);
    Ok(Some(Refusal::RateLimited { retry_after: Duration::from_millis(millis) }))
}

fn insert(tx: &mut Tx<'_>, wish: &Wish, reserved: &Reserved) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute(
        "INSERT INTO generations
             (user_id, id, payload_hash, role, reserved, remaining, started_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        &[
            &wish.key.user,
            &wish.key.generation,
            &&wish.payload_hash[..],
            &wish.role,
            &reserved.reserved,
            &reserved.remaining,
            &now,
        ],
    )?;
    Ok(())
}

/// What is known under an id. Somebody else's is as unknown.
///
/// # Errors
/// If the database refuses.
pub fn find(tx: &mut Tx<'_>, key: &Key) -> Result<Option<Stored>, DbError> {
    tx.query_opt(
        "SELECT payload_hash, reserved, remaining, ended_at, finish_reason, failure,
             input_tokens, output_tokens, charged, remaining_after, last_seq,
             (SELECT lease FROM reservations
              WHERE reservations.user_id = ?1 AND reservations.generation_id = ?2)
         FROM generations WHERE user_id = ?1 AND id = ?2",
        &[&key.user, &key.generation],
        |row| {
            let reserved = Reserved {
                generation_id: key.generation,
                reserved: row.get(1)?,
                remaining: row.get(2)?,
            };
            Ok(Stored {
                payload_hash: row.get(0)?,
                reserved,
                lease: row.get(11)?,
                ended: read_end(row)?,
            })
        },
    )
}

fn read_end(row: &Row<'_>) -> Result<Option<StoredEnd>, DbError> {
    let Some(at) = row.get::<Option<UnixMillis>>(3)? else { return Ok(None) };
    let finish_reason = row.get::<Option<String>>(4)?;
    let failure = row.get::<Option<String>>(5)?;
    let usage = Usage { input_tokens: row.get(6)?, output_tokens: row.get(7)? };
    let outcome = match finish_reason.as_deref().and_then(finish_from) {
        Some(reason) => Outcome::Done(reason, usage),
        None => Outcome::Failed(
            failure.as_deref().and_then(code_from).unwrap_or(StreamCode::Interrupted),
        ),
    };
    let remaining = row.get::<Option<Tokens>>(9)?.unwrap_or_default();
    let last = row.get::<Option<i64>>(10)?.and_then(|last| u64::try_from(last).ok());
    Ok(Some(StoredEnd { end: End { outcome, charged: row.get(8)?, remaining }, at, last }))
}

/// Ends a generation and its reservation. Whoever finds the reservation ended already has lost:
/// their outcome is `interrupted`, for nothing. Who finds the whole generation ended is told how:
/// it was themselves, perhaps, and only the answer was lost.
///
/// # Errors
/// If the database refuses.
pub fn finish(
    tx: &mut Tx<'_>,
    key: &Key,
    outcome: Outcome,
    last: Option<u64>,
) -> Result<End, DbError> {
    tx.hold_person(&key.user)?;
    let ended = match outcome {
        Outcome::Done(reason, usage) => {
            let used = usage.input_tokens + usage.output_tokens;
            // Stopped before any text: nothing was used, and all is given back.
            if reason == FinishReason::Cancelled && used == Tokens::ZERO {
                ledger::release(tx, &key.user, key.generation)?
            } else {
                ledger::settle(tx, &key.user, key.generation, used)?
            }
        }
        Outcome::Failed(_) => ledger::release(tx, &key.user, key.generation)?,
    };
    let end = match ended {
        EndedOutcome::Ended(ended) => {
            End { outcome, charged: ended.charged, remaining: ended.remaining }
        }
        EndedOutcome::AlreadyEnded => {
            if let Some(Stored { ended: Some(ended), .. }) = find(tx, key)? {
                return Ok(ended.end);
            }
            End {
                outcome: Outcome::Failed(StreamCode::Interrupted),
                charged: Tokens::ZERO,
                remaining: remaining(tx, &key.user)?,
            }
        }
    };
    write_end(tx, key, &end, last)?;
    Ok(end)
}

fn write_end(tx: &mut Tx<'_>, key: &Key, end: &End, last: Option<u64>) -> Result<(), DbError> {
    let (reason, failure, usage) = match end.outcome {
        Outcome::Done(reason, usage) => (Some(finish_word(reason)), None, usage),
        Outcome::Failed(code) => (None, Some(code_word(code)), Usage::default()),
    };
    let (now, last) = (tx.now(), last.and_then(|last| i64::try_from(last).ok()));
    tx.execute(
        "UPDATE generations SET ended_at = ?3, finish_reason = ?4, failure = ?5,
             input_tokens = ?6, output_tokens = ?7, charged = ?8, remaining_after = ?9,
             last_seq = ?10
         WHERE user_id = ?1 AND id = ?2 AND ended_at IS NULL",
        &[
            &key.user,
            &key.generation,
            &now,
            &reason,
            &failure,
            &usage.input_tokens,
            &usage.output_tokens,
            &end.charged,
            &end.remaining,
            &last,
        ],
    )?;
    Ok(())
}

/// What is left of a person's tokens; nothing if the person has left.
fn remaining(tx: &mut Tx<'_>, user: &UserId) -> Result<Tokens, DbError> {
    match ledger::figures(tx, user) {
        Ok(figures) => Ok(figures.remaining),
        Err(DbError::NoRow) => Ok(Tokens::ZERO),
        Err(fault) => Err(fault),
    }
}

/// At start, before anything runs: whatever the last process was running was interrupted. Says how
/// many there were.
///
/// # Errors
/// If the database refuses.
pub fn interrupt_all(tx: &mut Tx<'_>) -> Result<usize, DbError> {
    let running =
        tx.query_all("SELECT user_id, id FROM generations WHERE ended_at IS NULL", &[], |row| {
            Ok(Key { user: row.get(0)?, generation: row.get(1)? })
        })?;
    for key in &running {
        finish(tx, key, Outcome::Failed(StreamCode::Interrupted), None)?;
    }
    Ok(running.len())
}

/// The key of payload hashes; `fresh` becomes it if there is none yet.
///
/// # Errors
/// If the database refuses.
pub fn hash_key(tx: &mut Tx<'_>, fresh: &[u8; 64]) -> Result<HashKey, DbError> {
    let key = tx.query_one(
        "INSERT INTO hash_keys (name, key) VALUES ('payload', ?1)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING key",
        &[&&fresh[..]],
        |row| row.get::<Vec<u8>>(0),
    )?;
    let key = key.try_into().map_err(|_| DbError::Column { index: 0, expected: "64 bytes" })?;
    Ok(HashKey(key))
}

const fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::Cancelled => "cancelled",
    }
}

fn finish_from(word: &str) -> Option<FinishReason> {
    [FinishReason::Stop, FinishReason::Length, FinishReason::Cancelled]
        .into_iter()
        .find(|reason| finish_word(*reason) == word)
}

const fn code_word(code: StreamCode) -> &'static str {
    match code {
        StreamCode::UpstreamFailed => "upstream_failed",
        StreamCode::UpstreamTimeout => "upstream_timeout",
        StreamCode::EmptyOutput => "empty_output",
        StreamCode::Interrupted => "interrupted",
    }
}

fn code_from(word: &str) -> Option<StreamCode> {
    [
        StreamCode::UpstreamFailed,
        StreamCode::UpstreamTimeout,
        StreamCode::EmptyOutput,
        StreamCode::Interrupted,
    ]
    .into_iter()
    .find(|code| code_word(*code) == word)
}
