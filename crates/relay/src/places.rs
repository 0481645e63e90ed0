//! Places for account streams: so many of a person's may be open at once, on all replicas together.
//!
//! A process counts its own by who watches ([`crate::changes`]). Where others share the database, a
//! stream has a *place* there besides: a row with its person, a number from 1 to the most that may be
//! open, and its process's lease. The number is part of the key, so two that open at once cannot have
//! the same; and a row whose lease has run out is nobody's any more: its place is taken over.
//!
//! A place is taken and given back on the connection aside ([`Aside`]), without which a stream opens
//! all the same, counted by its process alone. What got lost that way is made up for by the sweep
//! ([`Places::agree`]), which compares the rows with the streams that are really open.

use crate::db::{Aside, Db, DbError, Param, Row, Tx};
use autocrea_protocol::UserId;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokio::runtime::Handle;
use uuid::Uuid;

/// Rows that one transaction removes.
const AT_ONCE: u32 = 200;

/// Takes the place of person `?1` that is free for stream `?2` of lease `?3`; `?4` is the most that
/// may be open. Answers whether there was one, and whether it was got: somebody may have been faster,
/// which is rarer when not everybody tries the same one.
const TAKE: &str = "
    WITH live AS (
        SELECT place FROM account_streams JOIN leases ON leases.id = account_streams.lease
        WHERE user_id = ?1 AND leases.expires_at
            > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)
    ), free AS (
        SELECT number FROM generate_series(1, LEAST(CAST(?4 AS BIGINT),
            (SELECT COUNT(*) FROM live) + 10)) AS numbers (number)
        WHERE number NOT IN (SELECT place FROM live)
        ORDER BY RANDOM() LIMIT 1
    ), taken AS (
        INSERT INTO account_streams AS kept (user_id, place, stream, lease)
        SELECT ?1, number, ?2, ?3 FROM free
        ON CONFLICT (user_id, place) DO UPDATE
            SET stream = excluded.stream, lease = excluded.lease
            WHERE NOT EXISTS (
                SELECT 1 FROM leases WHERE leases.id = kept.lease AND leases.expires_at
                    > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT))
        RETURNING 1
    )
    SELECT EXISTS (SELECT 1 FROM free), EXISTS (SELECT 1 FROM taken)";

const GIVE_BACK: &str = "DELETE FROM account_streams WHERE stream = ?1";

/// The places that this process has; cheap to clone.
#[derive(Clone)]
pub struct Places(Option<Arc<Inner>>);

struct Inner {
    most: u32,
    lease: String,
    aside: Aside,
    open: Mutex<HashMap<Uuid, Open>>,
}

/// A stream that this process serves.
struct Open {
    user: UserId,
    /// It is served, with a place or because the database did not answer whether there is one.
    settled: bool,
}

/// What one stream has, until it is dropped.
pub struct Place {
    _counted: Option<Counted>,
}

/// As it is in the database.
struct Counted {
    stream: Uuid,
    inner: Arc<Inner>,
}

/// What a look for a place came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Taken,
    Overtaken,
    Full,
}

impl Places {
    /// So many of a person, 0 for any number, counted by `aside` under this lease.
    #[must_use]
    pub fn new(most: u32, aside: Option<Aside>, lease: &str) -> Self {
        let shared = aside.filter(|_| most > 0);
        Self(shared.map(|aside| {
            Arc::new(Inner { most, lease: lease.to_owned(), aside, open: Mutex::default() })
        }))
    }

    /// A place for one more stream of a person, if there is one.
    pub async fn take(&self, user: &UserId) -> Option<Place> {
        let Some(inner) = &self.0 else { return Some(Place { _counted: None }) };
        // Before the row, which the sweep would take for one of a stream that has ended; and whoever
        // asked may go while it is being written.
        let counted = Counted::begun(Arc::clone(inner), user);
        if inner.take(counted.stream, user).await == Some(Look::Full) {
            counted.never_was();
            return None;
        }
        counted.settled();
        Some(Place { _counted: Some(counted) })
    }

    /// Makes the rows agree with the streams that are open here, and removes those of the dead.
    ///
    /// # Errors
    /// If the database refuses.
    pub async fn agree(&self, db: &Db) -> Result<(), DbError> {
        if let Some(inner) = &self.0 {
            inner.agree(db).await?;
        }
        if db.is_shared() {
            while db.write(forget_dead).await? > 0 {}
        }
        Ok(())
    }
}

impl Inner {
    /// `None` if the database is away.
    async fn take(&self, stream: Uuid, user: &UserId) -> Option<Look> {
        // Whoever is overtaken sees one more place taken, and there are no more than so many.
        for _ in 0..=self.most {
            let params: [&(dyn Param + Sync); 4] = [user, &stream, &self.lease, &self.most];
            let look = self.aside.ask(TAKE, &params, looked).await??;
            if look != Look::Overtaken {
                return Some(look);
            }
        }
        Some(Look::Full)
    }

    async fn agree(self: &Arc<Self>, db: &Db) -> Result<(), DbError> {
        // First: what is settled after the rows have been read is not missing among them.
        let settled = self.settled();
        let lease = self.lease.clone();
        let rows = db.read(move |tx| streams(tx, &lease)).await?;
        let ended: Vec<Uuid> = {
            let open = self.open.lock();
            rows.iter().filter(|stream| !open.contains_key(*stream)).copied().collect()
        };
        for some in ended.chunks(usize::try_from(AT_ONCE).unwrap_or(usize::MAX)) {
            let some = some.to_vec();
            db.write(move |tx| give_back(tx, &some)).await?;
        }
        for (stream, user) in settled {
            if !rows.contains(&stream) && self.open.lock().contains_key(&stream) {
                let inner = Arc::clone(self);
                // It is open already, whether there is a place for it or not. One at a time: none is
                // held while another is waited for.
                db.write(move |tx| take(tx, &inner, stream, &user)).await?;
            }
        }
        Ok(())
    }

    fn settled(&self) -> Vec<(Uuid, UserId)> {
        let open = self.open.lock();
        let settled = open.iter().filter(|(_, open)| open.settled);
        settled.map(|(stream, open)| (*stream, open.user.clone())).collect()
    }
}

impl Counted {
    fn begun(inner: Arc<Inner>, user: &UserId) -> Self {
        let stream = Uuid::now_v7();
        inner.open.lock().insert(stream, Open { user: user.clone(), settled: false });
        Self { stream, inner }
    }

    fn settled(&self) {
        if let Some(open) = self.inner.open.lock().get_mut(&self.stream) {
            open.settled = true;
        }
    }

    /// There is no row to remove.
    fn never_was(self) {
        self.inner.open.lock().remove(&self.stream);
    }
}

impl Drop for Counted {
    /// Whoever drops it does not wait; without a runtime, or if the row stays all the same, the sweep
    /// sees to it.
    fn drop(&mut self) {
        if self.inner.open.lock().remove(&self.stream).is_none() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let (stream, aside) = (self.stream, self.inner.aside.clone());
            runtime.spawn(async move { aside.ask(GIVE_BACK, &[&stream], |_| Ok(())).await });
        }
    }
}

fn looked(row: &Row<'_>) -> Result<Look, DbError> {
    Ok(match (row.get(0)?, row.get(1)?) {
        (_, true) => Look::Taken,
        (true, false) => Look::Overtaken,
        (false, false) => Look::Full,
    })
}

fn streams(tx: &mut Tx<'_>, lease: &str) -> Result<HashSet<Uuid>, DbError> {
    let rows =
        tx.query_all("SELECT stream FROM account_streams WHERE lease = ?1", &[&lease], |row| {
            row.get(0)
        })?;
    Ok(rows.into_iter().collect())
}

fn give_back(tx: &mut Tx<'_>, streams: &[Uuid]) -> Result<(), DbError> {
    for stream in streams {
        tx.execute(GIVE_BACK, &[stream])?;
    }
    Ok(())
}

fn take(tx: &mut Tx<'_>, inner: &Inner, stream: Uuid, user: &UserId) -> Result<(), DbError> {
    tx.query_one(TAKE, &[user, &stream, &inner.lease, &inner.most], looked).map(drop)
}

/// Leases that have run out are removed when it is certain that they are nobody's
/// ([`crate::lease`]); then their rows are, too.
fn forget_dead(tx: &mut Tx<'_>) -> Result<usize, DbError> {
    tx.execute(
        "DELETE FROM account_streams WHERE stream IN (
             SELECT stream FROM account_streams
             WHERE NOT EXISTS (SELECT 1 FROM leases WHERE leases.id = account_streams.lease)
             LIMIT ?1 FOR UPDATE SKIP LOCKED)",
        &[&AT_ONCE],
    )
}
