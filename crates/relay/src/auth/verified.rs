//! Tokens that were verified a moment ago: one comes with many requests, and to verify its signature
//! costs more than all the rest of a small one.
//!
//! Kept under a hash, in memory, until the token expires or the issuer's keys are replaced; a key
//! that was withdrawn lets nobody in for longer than it would anyhow.

use super::clerk::TokenHash;
use super::token::{Good, is_late};
use autocrea_protocol::UserId;
use parking_lot::Mutex;
use std::collections::HashMap;

/// How many are remembered.
const MOST: usize = 50_000;

/// See the module.
#[derive(Default)]
pub(super) struct Verified(Mutex<HashMap<TokenHash, Known>>);

struct Known {
    good: Good,
    /// Of the keys that it was verified by.
    edition: u64,
}

impl Known {
    fn stands(&self, edition: u64) -> bool {
        self.edition == edition && !is_late(self.good.expires_at)
    }
}

impl Verified {
    /// Whose token it is, if it has been verified by these keys and is still good.
    pub(super) fn get(&self, hash: &TokenHash, edition: u64) -> Option<UserId> {
        let known = self.0.lock();
        let known = known.get(hash).filter(|known| known.stands(edition))?;
        Some(known.good.user.clone())
    }

    /// Remembers one. With too many of them, those that are good no more are forgotten.
    pub(super) fn keep(&self, hash: TokenHash, good: &Good, edition: u64) {
        let mut known = self.0.lock();
        if known.len() >= MOST {
            known.retain(|_, known| known.stands(edition));
        }
        if known.len() < MOST {
            known.insert(hash, Known { good: good.clone(), edition });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_remembered_until_it_expires_or_the_keys_change() {
        let verified = Verified::default();
        let now = jsonwebtoken::get_current_timestamp();
        let good = |expires_at| Good { user: "ana".into(), expires_at };
        verified.keep([1; 32], &good(now + 60), 7);
        verified.keep([2; 32], &good(now - 60), 7);
        assert_eq!(verified.get(&[1; 32], 7), Some("ana".into()));
        assert_eq!(verified.get(&[1; 32], 8), None);
        assert_eq!(verified.get(&[2; 32], 7), None);
        assert_eq!(verified.get(&[3; 32], 7), None);
    }
}
