//! Who watches whom: after a commit, the people that it touched are signalled here; whoever is
//! watched is read anew, once, and all who watch them are told the same.
//!
//! A signal carries nothing but its time, for those who measure. The version is always read from the database (by [`crate::news`]), so
//! that a signal that comes twice, late or for nothing costs a read and shows nothing wrong.

use autocrea_protocol::UserId;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{Notify, watch};

/// The watchers of this process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    people: Mutex<HashMap<UserId, watch::Sender<News>>>,
    /// Those who are watched, were signalled (since when) and have not been read since.
    touched: Mutex<HashMap<UserId, Instant>>,
    any_touched: Notify,
}

/// What the watchers of a person are told.
#[derive(Clone, Debug, Default)]
pub enum News {
    /// Nothing yet.
    #[default]
    None,
    /// A snapshot.
    Snapshot(Snapshot),
    /// The person has left, or cannot be read.
    End,
}

/// A snapshot for everybody who watches its person.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its version.
    pub version: i64,
    /// As it goes onto the wire.
    pub frame: Bytes,
    /// When this process heard of the change.
    pub since: Instant,
}

/// Somebody who wants to know when a person's account changes.
#[derive(Debug)]
pub struct Watcher {
    user: UserId,
    news: watch::Receiver<News>,
    changes: Changes,
}

impl Changes {
    /// Watches a person, unless `most` are watching already; 0 = any number may.
    #[must_use]
    pub fn watch(&self, user: &UserId, most: u32) -> Option<Watcher> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let mut people = self.0.people.lock();
        let sender = people.entry(user.clone()).or_insert_with(|| watch::channel(News::None).0);
        if most > 0 && sender.receiver_count() >= most {
            return None;
        }
        let news = sender.subscribe();
        Some(Watcher { user: user.clone(), news, changes: self.clone() })
    }

    /// Signals that these people have changed.
    pub fn signal<'a>(&self, users: impl Iterator<Item = &'a UserId>) {
        let people = self.0.people.lock();
        self.touch(users.filter(|user| people.contains_key(*user)));
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
        self.0.people.lock().keys().cloned().collect()
    }

    /// Signals everybody: something has changed, and nobody knows whose.
    pub fn signal_all(&self) {
        self.touch(self.0.people.lock().keys());
    }

    fn touch<'a>(&self, users: impl Iterator<Item = &'a UserId>) {
        let (mut touched, now) = (self.0.touched.lock(), Instant::now());
        for user in users {
            touched.entry(user.clone()).or_insert(now);
        }
        if !touched.is_empty() {
            self.0.any_touched.notify_one();
        }
    }

    /// Waits until somebody who is watched has been signalled; all of those, once, and since when.
    pub async fn touched(&self) -> Vec<(UserId, Instant)> {
        loop {
            let touched: Vec<_> = self.0.touched.lock().drain().collect();
            if !touched.is_empty() {
                return touched;
            }
            self.0.any_touched.notified().await;
        }
    }

    /// Tells the watchers of a person. What is older than what they were told before is not news.
    pub fn tell(&self, user: &UserId, news: News) {
        let people = self.0.people.lock();
        let Some(sender) = people.get(user) else { return };
        sender.send_if_modified(|known| {
            let newer = match (&*known, &news) {
                (News::Snapshot(known), News::Snapshot(newer)) => newer.version > known.version,
                (_, News::None) | (News::End, News::End) => false,
                _ => true,
            };
            if newer {
                *known = news;
            }
            newer
        });
    }
}

impl Watcher {
    /// Waits for what is told next, and has not been heard before.
    pub async fn next(&mut self) -> News {
        if self.news.changed().await.is_err() {
            // The sender lives as long as one watcher does, so this cannot be; waiting for ever
            // is better than a loop that never waits.
            std::future::pending::<()>().await;
        }
        self.news.borrow_and_update().clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut people = self.changes.0.people.lock();
        // Let go of while the map is held, so that of two that leave together one sees nobody left.
        self.news = watch::channel(News::None).1;
        if people.get(&self.user).is_some_and(|sender| sender.receiver_count() == 0) {
            people.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn snapshot(version: i64) -> News {
        News::Snapshot(Snapshot { version, frame: Bytes::new(), since: Instant::now() })
    }

    fn version(news: &News) -> Option<i64> {
        if let News::Snapshot(snapshot) = news { Some(snapshot.version) } else { None }
    }

    #[tokio::test]
    async fn a_signal_is_heard_once_and_only_of_those_who_are_watched() {
        let changes = Changes::default();
        let (ana, luis) = (UserId::from("ana"), UserId::from("luis"));
        let watcher = changes.watch(&ana, 2).expect("nobody else watches");
        changes.signal([luis].iter());
        assert!(changes.touched().now_or_never().is_none());
        changes.signal([ana.clone()].iter());
        changes.signal_all();
        let touched = changes.touched().await;
        assert_eq!(touched.into_iter().map(|(user, _)| user).collect::<Vec<_>>(), [ana]);
        assert!(changes.touched().now_or_never().is_none());
        drop(watcher);
        assert!(changes.0.people.lock().is_empty());
    }

    #[tokio::test]
    async fn what_is_told_late_is_not_news() {
        let changes = Changes::default();
        let ana = UserId::from("ana");
        let mut watcher = changes.watch(&ana, 1).expect("nobody else watches");
        changes.tell(&ana, snapshot(7));
        changes.tell(&ana, snapshot(6));
        assert_eq!(version(&watcher.next().await), Some(7));
        changes.tell(&ana, snapshot(7));
        assert!(watcher.next().now_or_never().is_none());
        changes.tell(&ana, News::End);
        assert!(matches!(watcher.next().await, News::End));
    }

    #[test]
    fn no_more_than_the_most_watch_one_person() {
        let changes = Changes::default();
        let ana = UserId::from("ana");
        let first = changes.watch(&ana, 1);
        assert!(first.is_some() && changes.watch(&ana, 1).is_none());
        drop(first);
        assert!(changes.watch(&ana, 1).is_some());
        let without_limit: Vec<_> = (0..100).map(|_| changes.watch(&ana, 0)).collect();
        assert!(without_limit.iter().all(Option::is_some));
    }
}
