//! The two keys of the mails: one hashes addresses, one signs the links that end promotion.
//!
//! Made at first use and kept in the database, so that a link works for ever and on any replica.

use crate::db::{DbError, Tx};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

pub(super) const LENGTH: usize = 64;

/// What can be hashed, each with a key of its own.
#[derive(Clone)]
pub struct Keys {
    address: [u8; LENGTH],
    unsubscribe: [u8; LENGTH],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

impl Keys {
    /// Those of the database; `fresh` become it where there are none yet.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn of(tx: &mut Tx<'_>, fresh: &[[u8; LENGTH]; 2]) -> Result<Self, DbError> {
        Ok(Self {
            address: key(tx, "mail_address", &fresh[0])?,
            unsubscribe: key(tx, "unsubscribe", &fresh[1])?,
        })
    }

    /// What stands for an address. Upper and lower case are the same mailbox.
    #[must_use]
    pub fn address(&self, address: &str) -> Vec<u8> {
        mac(&self.address, address.trim().to_lowercase().as_bytes())
    }

    /// The signature of a person's link.
    #[must_use]
    pub(super) fn sign(&self, user: &[u8]) -> Vec<u8> {
        mac(&self.unsubscribe, user)
    }

    /// Whether it is that.
    #[must_use]
    pub(super) fn is_signed(&self, user: &[u8], signature: &[u8]) -> bool {
        self.sign(user).ct_eq(signature).into()
    }
}

fn key(tx: &mut Tx<'_>, name: &str, fresh: &[u8]) -> Result<[u8; LENGTH], DbError> {
    let key = tx.query_one(
        "INSERT INTO hash_keys (name, key) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING key",
        &[&name, &fresh],
        |row| row.get::<Vec<u8>>(0),
    )?;
    key.try_into().map_err(|_| DbError::Column { index: 0, expected: "64 bytes" })
}

fn mac(key: &[u8; LENGTH], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new(key.into());
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}
