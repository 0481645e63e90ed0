//! One thing at a time for a customer or a person: within this process by a mutex, and where other
//! replicas share the database, by an advisory lock of its own.

use crate::db::{Db, DbError, Held};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Locks by name; one that nobody holds is forgotten.
pub struct Locks {
    db: Db,
    known: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
}

/// A lock that is held until this is dropped.
pub struct Alone {
    // Among replicas first: whoever is next here must find it free.
    _among_replicas: Option<Held>,
    _here: OwnedMutexGuard<()>,
}

impl Locks {
    /// Within this process and among those that share this database.
    #[must_use]
    pub fn of(db: Db) -> Self {
        Self { db, known: Mutex::default() }
    }

    /// Waits until nobody else holds `key`.
    ///
    /// # Errors
    /// If the other replicas cannot be asked.
    pub async fn hold(&self, key: &str) -> Result<Alone, DbError> {
        let lock = {
            let mut known = self.known.lock();
            if let Some(lock) = known.get(key).and_then(Weak::upgrade) {
                lock
            } else {
                known.retain(|_, lock| lock.strong_count() > 0);
                let lock = Arc::new(AsyncMutex::new(()));
                known.insert(key.to_owned(), Arc::downgrade(&lock));
                lock
            }
        };
        let here = lock.lock_owned().await;
        Ok(Alone { _among_replicas: self.db.hold(key).await?, _here: here })
    }
}
