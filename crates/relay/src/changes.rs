//! Who watches whom: after a commit, the people that it touched are signalled here, and whoever
//! watches one of them reads the snapshot anew.
//!
//! A signal carries nothing but its time, for those who measure. The version is always read from the database, so that a signal that
//! comes twice, late or for nothing costs a read and shows nothing wrong.

use autocrea_protocol::UserId;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// The watchers of this process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    people: Arc<Mutex<HashMap<UserId, watch::Sender<Instant>>>>,
}

/// Somebody who wants to know when a person's account changes.
#[derive(Debug)]
pub struct Watcher {
    user: UserId,
    signal: watch::Receiver<Instant>,
    changes: Changes,
}

impl Changes {
    /// Watches a person, unless `most` are watching already.
    #[must_use]
    pub fn watch(&self, user: &UserId, most: usize) -> Option<Watcher> {
        let mut people = self.people.lock();
        let sender = people.entry(user.clone()).or_insert_with(|| watch::channel(Instant::now()).0);
        if sender.receiver_count() >= most {
            return None;
        }
        let signal = sender.subscribe();
        Some(Watcher { user: user.clone(), signal, changes: self.clone() })
    }

    /// Signals the watchers of these people.
    pub fn signal<'a>(&self, users: impl Iterator<Item = &'a UserId>) {
        let people = self.people.lock();
        for user in users {
            if let Some(sender) = people.get(user) {
                sender.send_replace(Instant::now());
            }
        }
    }

    /// What is said to other replicas of the people that commits of `own` changed, one a line.
    #[must_use]
    pub fn word(own: &str, users: &BTreeSet<UserId>) -> String {
        let mut word = own.to_owned();
        for user in users {
            word.push('\n');
            word.push_str(user.as_str());
        }
        word
    }

    /// Signals the watchers of the people in a [`Changes::word`], unless it is `own`: then they have
    /// been signalled before.
    pub fn heard(&self, own: &str, word: &str) {
        let mut lines = word.lines();
        if lines.next() != Some(own) {
            let users: Vec<UserId> = lines.map(UserId::from).collect();
            self.signal(users.iter());
        }
    }

    /// Who is being watched.
    #[must_use]
    pub fn watched(&self) -> Vec<UserId> {
        self.people.lock().keys().cloned().collect()
    }

    /// Signals everybody: something has changed, and nobody knows whose.
    pub fn signal_all(&self) {
        for sender in self.people.lock().values() {
            sender.send_replace(Instant::now());
        }
    }
}

impl Watcher {
    /// Waits for the next change since the last time that this was asked; answers when this process
    /// heard of it.
    pub async fn changed(&mut self) -> Instant {
        if self.signal.changed().await.is_err() {
            // The sender lives as long as one watcher does, so this cannot be; waiting for ever
            // is better than a loop that never waits.
            std::future::pending::<()>().await;
        }
        *self.signal.borrow()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut people = self.changes.people.lock();
        // Let go of while the map is held, so that of two that leave together one sees nobody left.
        self.signal = watch::channel(Instant::now()).1;
        if people.get(&self.user).is_some_and(|sender| sender.receiver_count() == 0) {
            people.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watcher_hears_of_its_own_person_and_leaves_nothing_behind() {
        let changes = Changes::default();
        let (ana, luis) = (UserId::from("ana"), UserId::from("luis"));
        let mut watcher = changes.watch(&ana, 2).expect("nobody else watches");
        changes.signal([luis].iter());
        changes.signal([ana.clone()].iter());
        watcher.changed().await;
        assert!(!watcher.signal.has_changed().expect("the sender is there"));
        drop(watcher);
        assert!(changes.people.lock().is_empty());
    }

    #[test]
    fn no_more_than_the_most_watch_one_person() {
        let changes = Changes::default();
        let ana = UserId::from("ana");
        let first = changes.watch(&ana, 1);
        assert!(first.is_some() && changes.watch(&ana, 1).is_none());
        drop(first);
        assert!(changes.watch(&ana, 1).is_some());
    }
}
