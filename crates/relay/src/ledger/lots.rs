//! Lots: granted, topped up, revoked, ended.

use super::{Entry, Shift, append, shift_lot, shift_person};
use crate::clock::{month_end, month_of, month_start};
use crate::db::{DbError, Tx};
use autocrea_protocol::ledger::EntryKind;
use autocrea_protocol::{PlanId, Tokens, UnixMillis, UserId};

/// Tokens for a person.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Whose.
    pub user: UserId,
    /// Where they come from; the same source never grants twice.
    pub source: String,
    /// How many.
    pub tokens: Tokens,
    /// When they may be spent.
    pub starts_at: UnixMillis,
    /// When what is left of them ends.
    pub ends_at: UnixMillis,
    /// For a plan's lot, the plan.
    pub plan: Option<PlanId>,
}

/// What became of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantOutcome {
    /// The lot was made.
    Made,
    /// Its source had granted before; nothing was changed.
    Already,
}

/// Why tokens are taken back; kept beside the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokeReason {
    /// A charge was refunded.
    Refund,
    /// A charge is disputed.
    Dispute,
    /// An upgrade turned out smaller than what had been granted for it.
    Correction,
}

impl RevokeReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Refund => "refund",
            Self::Dispute => "dispute",
            Self::Correction => "correction",
        }
    }
}

/// What was taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Taken now.
    pub now: Tokens,
    /// Held by running generations: what they give back of it will be taken.
    pub owed: Tokens,
}

/// Makes a lot, unless its source has made one before. The person must exist.
///
/// # Errors
/// If the database refuses.
pub fn grant(tx: &mut Tx<'_>, grant: &Grant) -> Result<GrantOutcome, DbError> {
    make(tx, grant, None)
}

/// As [`grant`], by an operator's hand: with a reason that is kept beside the entry, and for
/// somebody who may never have been seen, when it answers `None`.
///
/// # Errors
/// If the database refuses.
pub fn grant_by_hand(
    tx: &mut Tx<'_>,
    grant: &Grant,
    reason: &str,
) -> Result<Option<GrantOutcome>, DbError> {
    let known = tx.query_opt("SELECT 1 FROM people WHERE id = ?1", &[&grant.user], |_| Ok(()))?;
    known.map(|()| make(tx, grant, Some(reason))).transpose()
}

fn make(tx: &mut Tx<'_>, grant: &Grant, reason: Option<&str>) -> Result<GrantOutcome, DbError> {
    tx.hold_person(&grant.user)?;
    let now = tx.now();
    let tokens = grant.tokens.at_least_zero();
    let made = tx.query_opt(
        "INSERT INTO lots
             (user_id, source, plan_id, granted, available, starts_at, ends_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)
         ON CONFLICT (source) DO NOTHING RETURNING id",
        &[&grant.user, &grant.source, &grant.plan, &tokens, &grant.starts_at, &grant.ends_at, &now],
        |row| row.get::<i64>(0),
    )?;
    if made.is_none() {
        return Ok(GrantOutcome::Already);
    }
    granted(tx, &grant.user, &grant.source, tokens, reason)?;
    Ok(GrantOutcome::Made)
}

fn granted(
    tx: &mut Tx<'_>,
    user: &UserId,
    source: &str,
    tokens: Tokens,
    reason: Option<&str>,
) -> Result<(), DbError> {
    let by = Shift { granted: tokens, available: tokens, ..Shift::default() };
    let balance_after = shift_person(tx, user, by)?;
    let entry = Entry {
        kind: EntryKind::Grant,
        tokens,
        generation: None,
        source: Some(source),
        reason,
        balance_after,
    };
    append(tx, user, &entry)
}

/// A lot, as far as changing it needs.
struct Lot {
    id: i64,
    user: UserId,
    source: String,
    available: Tokens,
    reserved: Tokens,
    revoked: Tokens,
    owed: Tokens,
    live: bool,
}

/// The lot of a source, its person held.
fn by_source(tx: &mut Tx<'_>, source: &str) -> Result<Option<Lot>, DbError> {
    let whose = tx.query_opt("SELECT user_id FROM lots WHERE source = ?1", &[&source], |row| {
        row.get::<UserId>(0)
    })?;
    match whose {
        Some(user) => tx.hold_person(&user)?,
        None => return Ok(None),
    }
    tx.query_opt(
        "SELECT id, user_id, source, available, reserved, revoked, owed, ended_at IS NULL
         FROM lots WHERE source = ?1",
        &[&source],
        |row| {
            Ok(Lot {
                id: row.get(0)?,
                user: row.get(1)?,
                source: row.get(2)?,
                available: row.get(3)?,
                reserved: row.get(4)?,
                revoked: row.get(5)?,
                owed: row.get(6)?,
                live: row.get(7)?,
            })
        },
    )
}

/// What has become of a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LotState {
    /// Given in all.
    pub granted: Tokens,
    /// Taken back.
    pub revoked: Tokens,
    /// To be taken back as soon as running generations give it back.
    pub owed: Tokens,
    /// Whether it has not ended.
    pub live: bool,
}

/// The lot of a source, if there is one.
///
/// # Errors
/// If the database refuses.
pub fn lot(tx: &mut Tx<'_>, source: &str) -> Result<Option<LotState>, DbError> {
    tx.query_opt(
        "SELECT granted, revoked, owed, ended_at IS NULL FROM lots WHERE source = ?1",
        &[&source],
        |row| {
            Ok(LotState {
                granted: row.get(0)?,
                revoked: row.get(1)?,
                owed: row.get(2)?,
                live: row.get(3)?,
            })
        },
    )
}

/// Adds to a live lot. False if there is no such lot, or it has ended.
///
/// # Errors
/// If the database refuses.
pub fn top_up(tx: &mut Tx<'_>, source: &str, tokens: Tokens) -> Result<bool, DbError> {
    let Some(lot) = by_source(tx, source)?.filter(|lot| lot.live) else { return Ok(false) };
    let tokens = tokens.at_least_zero();
    shift_lot(tx, lot.id, Shift { granted: tokens, available: tokens, ..Shift::default() })?;
    granted(tx, &lot.user, source, tokens, None)?;
    Ok(true)
}

/// Takes back from a lot until `up_to` of it have been revoked in all, or nothing unspent is left.
/// Because `up_to` is a total, asking again for the same changes nothing. What running generations
/// hold is owed: they keep it, and what they give back of it is taken then.
///
/// # Errors
/// If the database refuses.
pub fn revoke(
    tx: &mut Tx<'_>,
    source: &str,
    reason: RevokeReason,
    up_to: Tokens,
) -> Result<Revoked, DbError> {
    let Some(lot) = by_source(tx, source)? else { return Ok(Revoked::default()) };
    let wanted = (up_to - lot.revoked - lot.owed).at_least_zero();
    let now = wanted.min(lot.available);
    let owed = (wanted - now).min(lot.reserved - lot.owed);
    if owed > Tokens::ZERO {
        tx.execute("UPDATE lots SET owed = owed + ?2 WHERE id = ?1", &[&lot.id, &owed])?;
    }
    if now > Tokens::ZERO {
        take_away(tx, &lot, EntryKind::Revoke, now, Some(reason.as_str()))?;
    }
    Ok(Revoked { now, owed })
}

/// Lets go of at most `most` of what is owed from a lot: what running generations give back of it
/// stays there.
///
/// # Errors
/// If the database refuses.
pub fn forgive(tx: &mut Tx<'_>, source: &str, most: Tokens) -> Result<(), DbError> {
    tx.execute(
        "UPDATE lots SET owed = CASE WHEN owed > ?2 THEN owed - ?2 ELSE 0 END WHERE source = ?1",
        &[&source, &most],
    )?;
    Ok(())
}

/// Ends a lot before its time: what is left of it expires now, and what running generations give
/// back to it expires then. Nothing if it has ended or there is none.
///
/// # Errors
/// If the database refuses.
pub fn end_lot(tx: &mut Tx<'_>, source: &str) -> Result<(), DbError> {
    match by_source(tx, source)? {
        Some(lot) if lot.live => end(tx, &lot),
        _ => Ok(()),
    }
}

fn end(tx: &mut Tx<'_>, lot: &Lot) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute("UPDATE lots SET ended_at = ?2 WHERE id = ?1", &[&lot.id, &now])?;
    if lot.available > Tokens::ZERO {
        take_away(tx, lot, EntryKind::Expire, lot.available, None)?;
    }
    // The figures leave out ended lots, so even one that was used up changes what is seen.
    tx.touch(&lot.user)
}

/// Moves available tokens of a lot to expired or revoked, and says so.
fn take_away(
    tx: &mut Tx<'_>,
    lot: &Lot,
    kind: EntryKind,
    tokens: Tokens,
    reason: Option<&str>,
) -> Result<(), DbError> {
    let revoked = if kind == EntryKind::Revoke { tokens } else { Tokens::ZERO };
    let by = Shift {
        available: Tokens::ZERO - tokens,
        expired: tokens - revoked,
        revoked,
        ..Shift::default()
    };
    shift_lot(tx, lot.id, by)?;
    let balance_after = shift_person(tx, &lot.user, by)?;
    let source = Some(lot.source.as_str());
    append(tx, &lot.user, &Entry { kind, tokens, generation: None, source, reason, balance_after })
}

/// Ends those of a person's lots whose time has come; answers how many.
///
/// # Errors
/// If the database refuses.
pub fn expire_due(tx: &mut Tx<'_>, user: &UserId) -> Result<usize, DbError> {
    tx.hold_person(user)?;
    let now = tx.now();
    let due = tx.query_all(
        "SELECT source FROM lots WHERE user_id = ?1 AND ended_at IS NULL AND ends_at <= ?2
         ORDER BY ends_at, id",
        &[user, &now],
        |row| row.get::<String>(0),
    )?;
    for source in &due {
        end_lot(tx, source)?;
    }
    Ok(due.len())
}

/// What a person can spend: their lots with something available, those that end first in front.
#[derive(Clone, Debug, Default)]
pub struct Spendable {
    /// Which, and how much of each.
    pub(super) lots: Vec<(i64, Tokens)>,
}

impl Spendable {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> Tokens {
        self.lots.iter().map(|(_, available)| *available).sum()
    }
}

/// What a person can spend, once lots whose time has come have ended.
///
/// # Errors
/// If the database refuses.
pub fn spendable(tx: &mut Tx<'_>, user: &UserId) -> Result<Spendable, DbError> {
    tx.hold_person(user)?;
    let now = tx.now();
    let live = |tx: &mut Tx<'_>| {
        tx.query_all(
            "SELECT id, available, ends_at FROM lots WHERE user_id = ?1 AND ended_at IS NULL
             ORDER BY ends_at, id",
            &[user],
            |row| Ok((row.get::<i64>(0)?, row.get::<Tokens>(1)?, row.get::<UnixMillis>(2)?)),
        )
    };
    let mut lots = live(tx)?;
    if lots.iter().any(|(_, _, ends_at)| *ends_at <= now) {
        expire_due(tx, user)?;
        lots = live(tx)?;
    }
    let lots = lots.into_iter().map(|(id, available, _)| (id, available));
    Ok(Spendable { lots: lots.filter(|(_, available)| *available > Tokens::ZERO).collect() })
}

/// As [`expire_due`], for at most `most` people who have any such lot; answers how many lots it
/// ended. Somebody whom another transaction holds is left for another time.
///
/// # Errors
/// If the database refuses.
pub fn expire_due_of_all(tx: &mut Tx<'_>, most: u32) -> Result<usize, DbError> {
    let now = tx.now();
    let people = tx.query_all(
        "SELECT id FROM people WHERE id IN (
             SELECT user_id FROM lots WHERE ended_at IS NULL AND ends_at <= ?1
             ORDER BY ends_at LIMIT ?2)
         /*pg: FOR UPDATE SKIP LOCKED */",
        &[&now, &most],
        |row| row.get::<UserId>(0),
    )?;
    let mut ended = 0;
    for user in &people {
        ended += expire_due(tx, user)?;
    }
    Ok(ended)
}

/// The source of a month's free lot.
#[must_use]
pub fn free_source(user: &UserId, at: UnixMillis) -> String {
    format!("free:{user}:{}", month_of(at))
}

/// Makes this month's free lot, unless it has been made or a paid plan is in force.
///
/// # Errors
/// If the database refuses.
pub fn ensure_free_lot(
    tx: &mut Tx<'_>,
    user: &UserId,
    tokens: Tokens,
) -> Result<GrantOutcome, DbError> {
    tx.hold_person(user)?;
    let (plan, former) = tx.query_one(
        "SELECT plan_id, former_free_month FROM people WHERE id = ?1",
        &[user],
        |row| Ok((row.get::<PlanId>(0)?, row.get::<Option<String>>(1)?)),
    )?;
    let now = tx.now();
    // One that was had before leaving and coming back has been had.
    if !plan.is_free() || former.is_some_and(|month| month == month_of(now)) {
        return Ok(GrantOutcome::Already);
    }
    grant(
        tx,
        &Grant {
            user: user.clone(),
            source: free_source(user, now),
            tokens,
            starts_at: month_start(now),
            ends_at: month_end(now),
            plan: Some(PlanId::free()),
        },
    )
}
