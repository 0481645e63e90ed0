//! Addresses that are not written to: they bounced, or somebody complained. Kept as keyed hashes,
//! so that the list names nobody; it outlasts the person.

use super::keys::Keys;
use crate::db::{DbError, Tx};
use crate::resend::events::Word;

/// Makes what Resend said of addresses so. Saying it again changes nothing.
///
/// # Errors
/// If the database refuses.
pub fn heed(tx: &mut Tx<'_>, keys: &Keys, word: &Word) -> Result<(), DbError> {
    match word {
        Word::Suppress { addresses, reason } => {
            let now = tx.now();
            for address in addresses {
                tx.execute(
                    "INSERT INTO mail_suppressions (address_hash, reason, at) VALUES (?1, ?2, ?3)
                     ON CONFLICT (address_hash) DO NOTHING",
                    &[&keys.address(address), reason, &now],
                )?;
            }
        }
        Word::Allow { addresses } => {
            for address in addresses {
                tx.execute(
                    "DELETE FROM mail_suppressions WHERE address_hash = ?1",
                    &[&keys.address(address)],
                )?;
            }
        }
        Word::Nothing => {}
    }
    Ok(())
}

/// Whether an address is not to be written to.
///
/// # Errors
/// If the database refuses.
pub fn is_suppressed(tx: &mut Tx<'_>, keys: &Keys, address: &str) -> Result<bool, DbError> {
    let found = tx.query_opt(
        "SELECT 1 FROM mail_suppressions WHERE address_hash = ?1",
        &[&keys.address(address)],
        |_| Ok(()),
    )?;
    Ok(found.is_some())
}
