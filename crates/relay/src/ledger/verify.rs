//! The audit: whether lots, reservations, entries and kept balances tell one story.

use crate::db::{DbError, Tx};
use autocrea_protocol::UserId;

/// Two things that must be equal and are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub user: UserId,
    /// Which rule does not hold.
    pub what: &'static str,
}

/// Each query answers the people for whom a rule does not hold.
const RULES: [(&str, &str); 11] = [
    (
        "the kept balances are not the sums over the lots",
        "SELECT people.id FROM people LEFT JOIN lots ON lots.user_id = people.id
         GROUP BY people.id, people.granted, people.available, people.reserved, people.spent,
             people.expired, people.revoked
         HAVING people.granted <> COALESCE(SUM(lots.granted), 0)
             OR people.available <> COALESCE(SUM(lots.available), 0)
             OR people.reserved <> COALESCE(SUM(lots.reserved), 0)
             OR people.spent <> COALESCE(SUM(lots.spent), 0)
             OR people.expired <> COALESCE(SUM(lots.expired), 0)
             OR people.revoked <> COALESCE(SUM(lots.revoked), 0)
             OR people.granted <> people.available + people.reserved + people.spent
                 + people.expired + people.revoked",
    ),
    (
        "the entries do not add up to the kept balances",
        "SELECT people.id FROM people LEFT JOIN entries ON entries.user_id = people.id
         GROUP BY people.id, people.granted, people.spent, people.expired, people.revoked
         HAVING people.granted
                 <> COALESCE(SUM(CASE WHEN entries.kind = 'grant' THEN entries.tokens END), 0)
             OR people.spent
                 <> COALESCE(SUM(CASE WHEN entries.kind = 'settle' THEN entries.tokens END), 0)
             OR people.expired
                 <> COALESCE(SUM(CASE WHEN entries.kind = 'expire' THEN entries.tokens END), 0)
             OR people.revoked
                 <> COALESCE(SUM(CASE WHEN entries.kind = 'revoke' THEN entries.tokens END), 0)",
    ),
    (
        "a lot is not what its entries say",
        "SELECT lots.user_id FROM lots LEFT JOIN (
             SELECT user_id, source,
                 SUM(CASE WHEN kind = 'grant' THEN tokens ELSE 0 END) AS granted,
                 SUM(CASE WHEN kind = 'expire' THEN tokens ELSE 0 END) AS expired,
                 SUM(CASE WHEN kind = 'revoke' THEN tokens ELSE 0 END) AS revoked
             FROM entries WHERE source IS NOT NULL GROUP BY user_id, source) AS told
             ON told.user_id = lots.user_id AND told.source = lots.source
         WHERE lots.granted <> COALESCE(told.granted, 0)
             OR lots.expired <> COALESCE(told.expired, 0)
             OR lots.revoked <> COALESCE(told.revoked, 0)",
    ),
    (
        "a reservation is not what its entries say",
        "SELECT reservations.user_id FROM reservations LEFT JOIN (
             SELECT user_id, generation_id,
                 SUM(CASE WHEN kind = 'reserve' THEN tokens END) AS reserved,
                 SUM(CASE WHEN kind = 'settle' THEN tokens END) AS settled,
                 SUM(CASE WHEN kind = 'release' THEN tokens END) AS released
             FROM entries WHERE generation_id IS NOT NULL GROUP BY user_id, generation_id) AS told
             ON told.user_id = reservations.user_id
             AND told.generation_id = reservations.generation_id
         WHERE COALESCE(told.reserved, -1) <> reservations.tokens
             OR COALESCE(told.settled, -1)
                 <> CASE WHEN reservations.state = 'settled' THEN reservations.charged ELSE -1 END
             OR COALESCE(told.released, -1)
                 <> CASE WHEN reservations.state = 'released' THEN reservations.tokens ELSE -1 END",
    ),
    (
        "an entry's balance does not follow from the one before",
        "SELECT DISTINCT user_id FROM (
             SELECT entries.user_id, entries.balance_after,
                 SUM(CASE entries.kind WHEN 'grant' THEN entries.tokens
                         WHEN 'reserve' THEN -reservations.tokens
                         WHEN 'release' THEN reservations.tokens
                         WHEN 'settle' THEN reservations.tokens - entries.tokens
                         ELSE -entries.tokens END)
                     OVER (PARTITION BY entries.user_id ORDER BY entries.seq) AS balance
             FROM entries LEFT JOIN reservations ON reservations.user_id = entries.user_id
                 AND reservations.generation_id = entries.generation_id) AS told
         WHERE balance <> balance_after",
    ),
    (
        "the last entry's balance is not what is available",
        "SELECT people.id FROM people
         JOIN entries ON entries.seq =
             (SELECT MAX(seq) FROM entries AS last WHERE last.user_id = people.id)
         WHERE entries.balance_after <> people.available",
    ),
    (
        "what the lots hold is not what open reservations hold",
        "SELECT lots.user_id FROM lots LEFT JOIN holds ON holds.lot_id = lots.id
         GROUP BY lots.id, lots.user_id, lots.reserved
         HAVING lots.reserved <> COALESCE(SUM(holds.tokens), 0)",
    ),
    (
        "a reservation does not hold what it says",
        "SELECT reservations.user_id FROM reservations
         LEFT JOIN holds ON holds.user_id = reservations.user_id
             AND holds.generation_id = reservations.generation_id
         GROUP BY reservations.user_id, reservations.generation_id, reservations.state,
             reservations.tokens
         HAVING COALESCE(SUM(holds.tokens), 0)
             <> CASE WHEN reservations.state = 'open' THEN reservations.tokens ELSE 0 END",
    ),
    (
        "a generation has not exactly one reserve, or has more than one ending",
        "SELECT user_id FROM entries WHERE generation_id IS NOT NULL
         GROUP BY user_id, generation_id
         HAVING SUM(CASE WHEN kind = 'reserve' THEN 1 ELSE 0 END) <> 1
             OR SUM(CASE WHEN kind IN ('settle', 'release') THEN 1 ELSE 0 END) > 1",
    ),
    (
        "an ended lot still has tokens to spend",
        "SELECT user_id FROM lots WHERE ended_at IS NOT NULL AND available > 0",
    ),
    (
        "something is kept of somebody who is not there",
        "SELECT user_id FROM (
             SELECT user_id FROM entries UNION SELECT user_id FROM reservations
             UNION SELECT user_id FROM holds UNION SELECT user_id FROM lots
             UNION SELECT user_id FROM generations UNION SELECT user_id FROM customers) AS kept
         WHERE NOT EXISTS (SELECT 1 FROM people WHERE people.id = kept.user_id)",
    ),
];

/// Every difference; none in a healthy ledger.
///
/// # Errors
/// If the database refuses.
pub fn verify(tx: &mut Tx<'_>) -> Result<Vec<Difference>, DbError> {
    let mut differences = Vec::new();
    for (what, sql) in RULES {
        differences
            .extend(tx.query_all(sql, &[], |row| Ok(Difference { user: row.get(0)?, what }))?);
    }
    Ok(differences)
}
