//! Names of things, in the look that each third party gives them.

use sha2::{Digest, Sha256};
use uuid::Uuid;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `prefix` and 27 letters that nobody can guess.
#[must_use]
pub fn fresh(prefix: &str) -> String {
    let mut seed = Vec::with_capacity(32);
    seed.extend_from_slice(Uuid::new_v4().as_bytes());
    seed.extend_from_slice(Uuid::new_v4().as_bytes());
    format!("{prefix}{}", letters(&seed))
}

/// `prefix` and 27 letters that are always the same for the same seed.
#[must_use]
pub fn steady(prefix: &str, seed: &[u8]) -> String {
    format!("{prefix}{}", letters(seed))
}

fn letters(seed: &[u8]) -> String {
    Sha256::digest(seed)
        .iter()
        .take(27)
        .map(|byte| char::from(BASE62[usize::from(*byte) % BASE62.len()]))
        .collect()
}
