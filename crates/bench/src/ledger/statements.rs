//! What `ledger::reserve` and `ledger::settle` send for a person with one live lot that holds
//! enough, in their order. A test holds each of them against the relay's source.
//!
//! Placeholders have names here, which SQLite and pgbench both take.

/// Of a reservation.
pub(crate) const RESERVE: [&str; 6] = [
    "SELECT id, available, ends_at FROM lots WHERE user_id = :user AND ended_at IS NULL ORDER BY ends_at, id",
    "INSERT INTO reservations (user_id, generation_id, tokens, state, lease, at) VALUES (:user, :generation, :held, 'open', :lease, :now) ON CONFLICT (user_id, generation_id) DO NOTHING",
    "UPDATE lots SET granted = granted + :zero, available = available + :less, reserved = reserved + :held, spent = spent + :zero, expired = expired + :zero, revoked = revoked + :zero WHERE id = :lot",
    "INSERT INTO holds (user_id, generation_id, lot_id, tokens) VALUES (:user, :generation, :lot, :held)",
    "UPDATE people SET available = available - :held, reserved = reserved + :held, generations_count = CASE WHEN month < :month THEN 1 ELSE generations_count + 1 END, month = CASE WHEN month < :month THEN :month ELSE month END, last_generation_at = :now, version = version + :one WHERE id = :user RETURNING available",
    "INSERT INTO entries (id, user_id, at, kind, tokens, generation_id, source, reason, balance_after) VALUES (:reserve_entry, :user, :now, 'reserve', :held, :generation, NULL, NULL, :balance)",
];

/// Of its settling, with half of it charged.
pub(crate) const SETTLE: [&str; 7] = [
    "UPDATE reservations SET state = 'settled', charged = CASE WHEN tokens < :charged THEN tokens ELSE :charged END, ended_at = :now WHERE user_id = :user AND generation_id = :generation AND state = 'open' RETURNING tokens, charged",
    "SELECT lots.id, lots.source, holds.tokens, lots.owed, lots.ended_at IS NULL FROM holds JOIN lots ON lots.id = holds.lot_id WHERE holds.user_id = :user AND holds.generation_id = :generation ORDER BY lots.ends_at, lots.id",
    "UPDATE lots SET granted = granted + :zero, available = available + :back, reserved = reserved + :less, spent = spent + :charged, expired = expired + :zero, revoked = revoked + :zero WHERE id = :lot",
    "DELETE FROM holds WHERE user_id = :user AND generation_id = :generation",
    "UPDATE people SET granted = granted + :zero, available = available + :back, reserved = reserved + :less, spent = spent + :charged, expired = expired + :zero, revoked = revoked + :zero, version = version + :one WHERE id = :user RETURNING available",
    "INSERT INTO entries (id, user_id, at, kind, tokens, generation_id, source, reason, balance_after) VALUES (:settle_entry, :user, :now, 'settle', :charged, :generation, NULL, NULL, :balance)",
    "SELECT source, plan_id, spent, reserved + available, ends_at FROM lots WHERE user_id = :user AND ended_at IS NULL ORDER BY starts_at, id",
];

/// What PostgreSQL is sent at the beginning of either.
pub(crate) const HOLD: &str = "SELECT 1 FROM people WHERE id = :user FOR UPDATE";

#[cfg(test)]
mod tests {
    use super::*;

    /// What the relay's modules say, without line breaks and names of values.
    fn bare(text: &str) -> String {
        let mut bare = String::new();
        let mut rest = text;
        while let Some(at) = rest.find([':', '?', '\'', ' ', '\n']) {
            let (before, after) = rest.split_at(at);
            bare.push_str(before);
            let skipped = match &after[..1] {
                ":" | "?" => {
                    bare.push('?');
                    let name = |byte: char| byte.is_alphanumeric() || byte == '_';
                    1 + after[1..].find(|byte| !name(byte)).unwrap_or(after.len() - 1)
                }
                "'" => {
                    // A word in quotes is a value; anything else is Rust's own.
                    let word = |byte: char| byte.is_alphanumeric() || byte == '_';
                    let end = 1 + after[1..].find(|byte| !word(byte)).unwrap_or(after.len() - 1);
                    let is_value = after[end..].starts_with('\'');
                    bare.push(if is_value { '?' } else { '\'' });
                    if is_value { end + 1 } else { 1 }
                }
                _ => {
                    bare.push(' ');
                    after.find(|byte: char| !byte.is_whitespace()).unwrap_or(after.len())
                }
            };
            rest = &after[skipped..];
        }
        bare + rest
    }

    #[test]
    fn the_raw_side_sends_what_the_relay_sends() {
        let sources = [
            include_str!("../../../relay/src/ledger/reservations.rs"),
            include_str!("../../../relay/src/ledger/lots.rs"),
            include_str!("../../../relay/src/ledger/mod.rs"),
            include_str!("../../../relay/src/db/mod.rs"),
            include_str!("../../../relay/src/mail/thresholds.rs"),
        ];
        // Words that the relay binds and the raw side writes out are values all the same.
        let sources = bare(&sources.concat());
        for statement in RESERVE.iter().chain(&SETTLE).chain([&HOLD]) {
            let statement = bare(statement).replace("NULL, NULL", "?, ?");
            assert!(sources.contains(&statement), "{statement}");
        }
    }
}
