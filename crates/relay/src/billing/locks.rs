//! One thing at a time for a customer or a person, within this process.
//!
//! With SQLite this process is the only one. With PostgreSQL the same places also take an advisory
//! lock; the keys are the same.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

/// Locks by name; one that nobody holds is forgotten.
#[derive(Debug, Default)]
pub struct Locks {
    known: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
}

impl Locks {
    /// Waits until nobody else holds `key`.
    pub async fn hold(&self, key: &str) -> OwnedMutexGuard<()> {
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
        lock.lock_owned().await
    }
}
