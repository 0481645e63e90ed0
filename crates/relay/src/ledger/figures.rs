//! The figures of the account snapshot.

use crate::db::{DbError, Tx};
use autocrea_protocol::{TokenFigures, UserId};

/// Sums over the lots that are live as of the person's version. A lot whose end has passed is live
/// until a transaction has ended it: what is seen changes only together with the version.
///
/// # Errors
/// If the database refuses, or there is no such person.
pub fn figures(tx: &mut Tx<'_>, user: &UserId) -> Result<TokenFigures, DbError> {
    tx.query_one(
        "SELECT people.month, people.generations_count, people.last_generation_at,
             CAST(COALESCE(SUM(lots.spent), 0) AS BIGINT),
             CAST(COALESCE(SUM(lots.reserved), 0) AS BIGINT),
             CAST(COALESCE(SUM(lots.available), 0) AS BIGINT), MIN(lots.ends_at)
         FROM people LEFT JOIN lots ON lots.user_id = people.id AND lots.ended_at IS NULL
         WHERE people.id = ?1
         GROUP BY people.id, people.month, people.generations_count, people.last_generation_at",
        &[user],
        |row| {
            let (used, reserved, remaining) = (row.get(3)?, row.get(4)?, row.get(5)?);
            Ok(TokenFigures {
                month: row.get(0)?,
                used,
                reserved,
                limit: used + reserved + remaining,
                remaining,
                generations_count: row.get(1)?,
                last_generation_at: row.get(2)?,
                resets_at: row.get(6)?,
            })
        },
    )
}
