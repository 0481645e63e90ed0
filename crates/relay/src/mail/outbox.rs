//! The outbox: one row a mail, made in the transaction that causes it.
//!
//! Whom, what kind and what it is about are the row's key, so that a cause that comes twice is
//! nothing. A mail to somebody whose address is not known yet waits for it. The worker [`take`]s
//! what is due, which puts it off for a while, so that a mail whose worker dies comes again by
//! itself; what was rendered once is kept and sent again byte for byte, under the same key.

use super::news::News;
use crate::db::{DbError, Tx};
use autocrea_protocol::{UnixMillis, UserId};
use std::time::Duration;

/// How long a mail that was taken is left alone: longer than an attempt may last.
const TAKEN_FOR_MILLIS: i64 = 60_000;
/// The longest pause between two attempts, unless Resend asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// A mail that is due.
#[derive(Clone, Debug)]
pub struct Due {
    /// The row, and the idempotency key.
    pub id: String,
    /// To whom.
    pub user: UserId,
    /// What it tells.
    pub news: News,
    /// How often it has been taken, this time included.
    pub attempts: i64,
    /// When it was due at first; later than that only by what held it up.
    pub created_at: UnixMillis,
    /// When it may have arrived for the first time.
    pub tried_at: Option<UnixMillis>,
    /// The body, if it has been rendered.
    pub payload: Option<String>,
}

/// How a mail ended without being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There is nothing to send with.
    Skipped,
    /// Resend refused it, or nobody can know whether it was sent.
    Parked,
    /// Its address is not written to.
    Suppressed,
    /// Nobody wants it any more.
    Dropped,
}

impl Ending {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Parked => "parked",
            Self::Suppressed => "suppressed",
            Self::Dropped => "dropped",
        }
    }
}

/// Writes a mail down, to go out from `due_at` on. False if it was written down before, or there is
/// no such person.
///
/// # Errors
/// If the database refuses.
pub fn put(
    tx: &mut Tx<'_>,
    user: &UserId,
    news: &News,
    about: &str,
    due_at: UnixMillis,
) -> Result<bool, DbError> {
    let (kind, now) = (news.kind(), tx.now());
    if is_there(tx, user, kind, about)? {
        return Ok(false);
    }
    // Whoever writes the address down lets go what waits for it: one after the other.
    tx.hold_person(user)?;
    let address = tx.query_opt("SELECT email FROM people WHERE id = ?1", &[user], |row| {
        row.get::<Option<String>>(0)
    })?;
    let Some(address) = address else { return Ok(false) };
    let state = if address.is_some() { "pending" } else { "waiting" };
    let told = serde_json::to_string(news)
        .map_err(|_| DbError::Column { index: 0, expected: "a mail's news" })?;
    let id = uuid::Uuid::now_v7();
    let made = tx.execute(
        "INSERT INTO mails (id, user_id, kind, about, news, state, due_at, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (user_id, kind, about) DO NOTHING",
        &[&id, user, &kind, &about, &told, &state, &due_at, &now],
    )?;
    Ok(made > 0)
}

fn is_there(tx: &mut Tx<'_>, user: &UserId, kind: &str, about: &str) -> Result<bool, DbError> {
    let found = tx.query_opt(
        "SELECT 1 FROM mails WHERE user_id = ?1 AND kind = ?2 AND about = ?3",
        &[user, &kind, &about],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Lets go what waited for a person's address. Their row is held, or has just been written.
///
/// # Errors
/// If the database refuses.
pub fn address_is_known(tx: &mut Tx<'_>, user: &UserId) -> Result<(), DbError> {
    tx.execute(
        "UPDATE mails SET state = 'pending' WHERE user_id = ?1 AND state = 'waiting'",
        &[user],
    )?;
    Ok(())
}

/// Takes at most `most` mails that are due, oldest first, and puts each off. Why an earlier attempt
/// failed is forgotten: while an attempt is under way nothing is known of it.
///
/// # Errors
/// If the database refuses.
pub fn take(tx: &mut Tx<'_>, most: u32) -> Result<Vec<Due>, DbError> {
    let now = tx.now();
    let due = tx.query_all(
        "SELECT id, user_id, news, attempts + 1, created_at, tried_at, payload FROM mails
         WHERE state = 'pending' AND due_at <= ?1 ORDER BY due_at, id LIMIT ?2
         /*pg: FOR UPDATE SKIP LOCKED */",
        &[&now, &most],
        |row| {
            let told = row.get::<String>(2)?;
            let news = serde_json::from_str(&told)
                .map_err(|_| DbError::Column { index: 2, expected: "a mail's news" })?;
            Ok(Due {
                id: row.get(0)?,
                user: row.get(1)?,
                news,
                attempts: row.get(3)?,
                created_at: row.get(4)?,
                tried_at: row.get(5)?,
                payload: row.get(6)?,
            })
        },
    )?;
    let until = now.plus_millis(TAKEN_FOR_MILLIS);
    for mail in &due {
        tx.execute(
            "UPDATE mails SET attempts = ?2, due_at = ?3, error = NULL WHERE id = ?1",
            &[&mail.id, &mail.attempts, &until],
        )?;
    }
    Ok(due)
}

/// Whether any mail is due; cheaper than taking it.
///
/// # Errors
/// If the database refuses.
pub fn any_due(tx: &mut Tx<'_>) -> Result<bool, DbError> {
    let now = tx.now();
    let found = tx.query_opt(
        "SELECT 1 FROM mails WHERE state = 'pending' AND due_at <= ?1 LIMIT 1",
        &[&now],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}

/// Keeps what a mail was rendered to.
///
/// # Errors
/// If the database refuses.
pub fn rendered(tx: &mut Tx<'_>, mail: &str, payload: &str) -> Result<(), DbError> {
    tx.execute("UPDATE mails SET payload = ?2 WHERE id = ?1", &[&mail, &payload])?;
    Ok(())
}

/// Says that from now on the mail may have arrived, if that has not been said before.
///
/// # Errors
/// If the database refuses.
pub fn trying(tx: &mut Tx<'_>, mail: &str) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute("UPDATE mails SET tried_at = COALESCE(tried_at, ?2) WHERE id = ?1", &[&mail, &now])?;
    Ok(())
}

/// Ends a mail that Resend has taken, under an id of its own if it said one.
///
/// # Errors
/// If the database refuses.
pub fn sent(tx: &mut Tx<'_>, mail: &str, resend_id: Option<&str>) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute(
        "UPDATE mails SET state = 'sent', resend_id = ?2, ended_at = ?3, error = NULL
         WHERE id = ?1 AND state = 'pending'",
        &[&mail, &resend_id, &now],
    )?;
    Ok(())
}

/// Ends a mail that is not sent.
///
/// # Errors
/// If the database refuses.
pub fn end(tx: &mut Tx<'_>, mail: &str, ending: Ending, why: Option<&str>) -> Result<(), DbError> {
    let now = tx.now();
    tx.execute(
        "UPDATE mails SET state = ?2, ended_at = ?3, error = ?4 WHERE id = ?1 AND state = 'pending'",
        &[&mail, &ending.as_str(), &now, &why],
    )?;
    Ok(())
}

/// Puts a mail off. `tried_at` is when it may have arrived first; `None` if it has not.
///
/// # Errors
/// If the database refuses.
pub fn put_off(
    tx: &mut Tx<'_>,
    mail: &Due,
    wait: Option<Duration>,
    tried_at: Option<UnixMillis>,
    why: &str,
) -> Result<(), DbError> {
    let wait = wait.unwrap_or_default().max(pause(mail.attempts));
    let until = tx.now().plus_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
    tx.execute(
        "UPDATE mails SET due_at = ?2, tried_at = ?3, error = ?4
         WHERE id = ?1 AND state = 'pending'",
        &[&mail.id, &until, &tried_at, &why],
    )?;
    Ok(())
}

/// Lets go of at most `most` rendered mails that ended before `before`; answers how many.
///
/// # Errors
/// If the database refuses.
pub fn forget_payloads(tx: &mut Tx<'_>, before: UnixMillis, most: u32) -> Result<usize, DbError> {
    tx.execute(
        "UPDATE mails SET payload = NULL WHERE id IN (
             SELECT id FROM mails WHERE ended_at < ?1 AND payload IS NOT NULL LIMIT ?2)",
        &[&before, &most],
    )
}

/// How long a mail waits that has been tried so often: two seconds at first, and ever longer.
#[must_use]
pub fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 16)).unwrap_or(16);
    Duration::from_secs(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer_and_never_stop() {
        assert_eq!(pause(1), Duration::from_secs(2));
        assert_eq!(pause(4), Duration::from_secs(16));
        assert_eq!(pause(1_000), LONGEST_PAUSE);
    }

    #[test]
    fn a_mail_is_not_taken_again_while_it_may_be_under_way() {
        let attempt = crate::resend::ATTEMPT_TIMEOUT.as_millis();
        assert!(i64::try_from(attempt).expect("short") * 2 < TAKEN_FOR_MILLIS);
    }
}
