//! What generations have cost, for telling what one usually costs.

use super::StoreError;
use autocrea_protocol::Tokens;
use rusqlite::Connection;

/// Fewer than this say nothing about what is usual.
const ENOUGH: usize = 3;

/// The median cost of this machine's latest completed generations of a role.
pub fn median(db: &Connection, role: &str) -> Result<Option<Tokens>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT charged FROM generations
         WHERE role = ?1 AND status = 'completed' AND charged > 0
         ORDER BY completed_at DESC LIMIT 51",
    )?;
    let mut charges: Vec<i64> =
        statement.query_map([role], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    charges.sort_unstable();
    Ok(charges.get(charges.len() / 2).filter(|_| charges.len() >= ENOUGH).copied().map(Tokens))
}
