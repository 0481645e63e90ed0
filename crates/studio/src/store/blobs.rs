//! Table `blobs`: bytes by their SHA-256, compressed when that is shorter.

use super::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

/// Row of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobKey(pub i64);

/// Level 3 is zstd's own default: several hundred MB a second on source text.
const LEVEL: i32 = 3;

/// No file of a project comes near this; a damaged size must not become an allocation.
const LARGEST: usize = 1 << 30;

/// The blob of these bytes, made if it is not there.
pub fn put(db: &Connection, bytes: &[u8]) -> Result<BlobKey, StoreError> {
    let hash = Sha256::digest(bytes);
    if let Some(key) = db
        .prepare_cached("SELECT key FROM blobs WHERE sha256 = ?1")?
        .query_row([hash.as_slice()], |row| row.get(0))
        .optional()?
    {
        return Ok(BlobKey(key));
    }
    let packed =
        zstd::bulk::compress(bytes, LEVEL).ok().filter(|packed| packed.len() < bytes.len());
    let (encoding, stored) = match &packed {
        Some(packed) => ("zstd", packed.as_slice()),
        None => ("plain", bytes),
    };
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    db.prepare_cached("INSERT INTO blobs (sha256, size, encoding, bytes) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![hash.as_slice(), size, encoding, stored])?;
    Ok(BlobKey(db.last_insert_rowid()))
}

/// The bytes of a blob, checked against their hash.
pub fn get(db: &Connection, key: BlobKey) -> Result<Vec<u8>, StoreError> {
    let (hash, size, encoding, stored): (Vec<u8>, i64, String, Vec<u8>) = db
        .prepare_cached("SELECT sha256, size, encoding, bytes FROM blobs WHERE key = ?1")?
        .query_row([key.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let bytes = if encoding == "zstd" {
        let size = usize::try_from(size).ok().filter(|size| *size <= LARGEST);
        let size = size.ok_or(StoreError::BlobDamaged)?;
        zstd::bulk::decompress(&stored, size).map_err(|_| StoreError::BlobDamaged)?
    } else {
        stored
    };
    if Sha256::digest(&bytes).as_slice() == hash { Ok(bytes) } else { Err(StoreError::BlobDamaged) }
}
