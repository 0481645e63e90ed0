//! Buckets that all replicas count in, in PostgreSQL.
//!
//! As in Redis ([`super::shared`]) a bucket is one number, the instant at which it will be full again,
//! here by the database's clock. Each question is one statement: it waits for nobody but another
//! replica that counts in the same bucket at that very moment, and then sees what that one wrote.
//!
//! Whoever leaves keeps theirs until it is full again: otherwise leaving would bring a new allowance.

use crate::db::{Aside, Db, DbError, Tx};
use std::fmt::Display;
use std::time::Duration;

/// Buckets that one transaction looks at.
const AT_ONCE: u32 = 1_000;

/// Takes one; `?2` is how long one takes to come back. Answers how long there will be none; 0 if it
/// was there. `excluded.full_at` is when a bucket that was full would be full again. What was refused
/// may have changed a moment ago, so how long it takes is about right; whether it is refused is exact.
const TAKE: &str = "
    WITH taken AS (
        INSERT INTO request_buckets AS kept (bucket, full_at)
        VALUES (?1, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + ?2)
        ON CONFLICT (bucket) DO UPDATE
            SET full_at = GREATEST(kept.full_at + ?2, excluded.full_at)
            WHERE kept.full_at + ?2 <= excluded.full_at - ?2 + 60000000
        RETURNING 1
    )
    SELECT CASE WHEN EXISTS (SELECT 1 FROM taken) THEN 0 ELSE GREATEST(1, COALESCE(
        (SELECT full_at + ?2 - 60000000
             - CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
         FROM request_buckets WHERE bucket = ?1), ?2)) END";

/// Gives one back. A bucket that is full stays so, since its instant is past.
const PUT_BACK: &str = "
    UPDATE request_buckets SET full_at = full_at - ?2
    WHERE bucket = ?1
        AND full_at > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";

/// Removes those that are full again of the next `?2` after `?1`; answers the last one looked at.
/// They are found by their key, so that a request writes no other index; and one that is being counted
/// in is passed over.
const FORGET_FULL: &str = "
    WITH looked_at AS (
        SELECT bucket FROM request_buckets WHERE bucket > ?1 ORDER BY bucket LIMIT ?2
    ), full_again AS (
        SELECT bucket FROM request_buckets JOIN looked_at USING (bucket)
        WHERE full_at <= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
        FOR UPDATE OF request_buckets SKIP LOCKED
    ), forgotten AS (
        DELETE FROM request_buckets WHERE bucket IN (SELECT bucket FROM full_again)
    )
    SELECT MAX(bucket) FROM looked_at";

/// Takes one, as [`super::memory::Buckets::take`] does; `None` if the database is away.
pub(super) async fn take(
    aside: &Aside,
    kind: &str,
    of: impl Display,
    per_minute: u32,
) -> Option<Result<(), u64>> {
    let (bucket, one) = (name(kind, of), one(per_minute));
    let wait = aside.ask(TAKE, &[&bucket, &one], |row| row.get::<i64>(0)).await??;
    let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(0));
    Some(if wait.is_zero() { Ok(()) } else { Err(wait.as_secs() + 1) })
}

/// Gives one back; `None` if the database is away.
pub(super) async fn put_back(
    aside: &Aside,
    kind: &str,
    of: impl Display,
    per_minute: u32,
) -> Option<()> {
    let (bucket, one) = (name(kind, of), one(per_minute));
    aside.ask(PUT_BACK, &[&bucket, &one], |_| Ok(())).await.map(drop)
}

/// Removes what is full again: to whoever counts next it makes no difference.
pub(super) async fn forget_full(db: &Db) -> Result<(), DbError> {
    let mut last = Some(String::new());
    while let Some(after) = last {
        last = db.write(move |tx| forget_full_after(tx, &after)).await?;
    }
    Ok(())
}

fn forget_full_after(tx: &mut Tx<'_>, after: &str) -> Result<Option<String>, DbError> {
    tx.query_one(FORGET_FULL, &[&after, &AT_ONCE], |row| row.get(0))
}

fn name(kind: &str, of: impl Display) -> String {
    format!("{kind}:{of}")
}

/// How many microseconds one of the allowance takes to come back.
fn one(per_minute: u32) -> i64 {
    (60_000_000 / i64::from(per_minute.max(1))).max(1)
}
