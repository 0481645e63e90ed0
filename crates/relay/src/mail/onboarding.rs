//! The series of the first days, found by a sweep.
//!
//! A mail is due between two ages of a person. Whoever is past its end gets the next instead, so
//! that after an outage nobody gets several at once. Whether it is still wanted is asked again when
//! it is sent.

use super::news::{Day, News};
use super::{Mail, outbox};
use crate::db::{DbError, Tx};
use autocrea_protocol::{UnixMillis, UserId};

/// People that one transaction takes on.
const AT_ONCE: u32 = 200;
/// How far back a pass looks beyond the last one: what another replica wrote while this one looked.
const OVERLAP_MILLIS: i64 = 3_600_000;

/// Writes down what has become due since the last pass; the first one of a process looks at
/// everybody of these days.
///
/// # Errors
/// If the database refuses.
pub async fn sweep(mail: &Mail) -> Result<(), DbError> {
    let (now, last) = (mail.clock.now(), *mail.swept_at.lock());
    for day in Day::EACH {
        let (from, to) = day.due_between();
        let too_late = now.plus_millis(-to);
        let known = last.map_or(too_late, |last| last.plus_millis(-from - OVERLAP_MILLIS));
        let (after, until) = (too_late.max(known), now.plus_millis(-from));
        while mail.db.write(move |tx| write_down(tx, day, after, until)).await? {}
    }
    *mail.swept_at.lock() = Some(now);
    Ok(())
}

/// True if there may be more.
fn write_down(
    tx: &mut Tx<'_>,
    day: Day,
    after: UnixMillis,
    until: UnixMillis,
) -> Result<bool, DbError> {
    let (news, now) = (News::Onboarding { day }, tx.now());
    let payers_too = day != Day::Seventh;
    let due = tx.query_all(
        "SELECT id FROM people
         WHERE created_at > ?1 AND created_at <= ?2 AND marketing_emails = 1
             AND (plan_id = 'free' OR CAST(?3 AS BIGINT) = 1)
             AND NOT EXISTS (SELECT 1 FROM mails
                 WHERE mails.user_id = people.id AND mails.kind = ?4 AND mails.about = '')
         ORDER BY id LIMIT ?5",
        &[&after, &until, &payers_too, &news.kind(), &AT_ONCE],
        |row| row.get::<UserId>(0),
    )?;
    for user in &due {
        outbox::put(tx, user, &news, "", now)?;
    }
    Ok(due.len() >= usize::try_from(AT_ONCE).unwrap_or(usize::MAX))
}
