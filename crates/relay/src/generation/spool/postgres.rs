//! The spool in unlogged tables of the database that all replicas share.
//!
//! On connections of its own, so that text never waits for money nor money for text. What all dirty
//! generations have is one statement; of each it is a [chunk](super::chunk) or a few.
//!
//! A generation's end stands in its row, which its replica, or another one for a dead replica, wrote;
//! the sweep reads it there.

use super::{PAGE_BYTES, Page, SpoolError, Store, chunk, from_sql, to_sql};
use crate::db::{Address, Fault};
use crate::generation::live::{Key, Live, Notice};
use autocrea_protocol::{UnixMillis, UserId};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// Chunks that are read at once; most of them are small.
const CHUNKS_A_PAGE: i64 = 16;

/// What a replica that had been taken for dead says after the end is not part of it any more.
const INSERT: &str = "
    WITH said AS (
        SELECT * FROM unnest($1, $2, $3, $4, $5)
            AS said (user_id, generation_id, first_seq, last_seq, frames)
        WHERE NOT EXISTS (SELECT 1 FROM generations AS generation
            WHERE generation.user_id = said.user_id AND generation.id = said.generation_id
                AND generation.ended_at IS NOT NULL)
    ), streams AS (
        INSERT INTO spool_streams (user_id, generation_id)
        SELECT DISTINCT user_id, generation_id FROM said ON CONFLICT DO NOTHING
    )
    INSERT INTO spool_chunks (user_id, generation_id, first_seq, last_seq, frames)
    SELECT user_id, generation_id, first_seq, last_seq, frames FROM said";

/// Somebody waits for the endpoint, whom every replica is to tell.
const WAKING: &str = "
    INSERT INTO spool_streams AS stream (user_id, generation_id, waking_ms, wakings)
    VALUES ($1, $2, $3, 1)
    ON CONFLICT (user_id, generation_id)
        DO UPDATE SET waking_ms = excluded.waking_ms, wakings = stream.wakings + 1";

const WAKING_OF: &str = "
    SELECT wakings, waking_ms FROM spool_streams
    WHERE user_id = $1 AND generation_id = $2 AND waking_ms IS NOT NULL";

/// What a write has left of which nobody knows whether it was one.
const CLEAR: &str = "
    DELETE FROM spool_chunks AS chunk
    USING unnest($1, $2, $3) AS said (user_id, generation_id, first_seq)
    WHERE chunk.user_id = said.user_id AND chunk.generation_id = said.generation_id
        AND chunk.first_seq >= said.first_seq";

/// Begins at the chunk that `$3 + 1` is in.
const READ: &str = "
    SELECT first_seq, frames FROM spool_chunks
    WHERE user_id = $1 AND generation_id = $2 AND first_seq <= $4
        AND first_seq >= COALESCE((SELECT MAX(first_seq) FROM spool_chunks
            WHERE user_id = $1 AND generation_id = $2 AND first_seq <= $3 + 1), 0)
    ORDER BY first_seq LIMIT $5";

const LAST: &str = "
    SELECT last_seq FROM spool_chunks WHERE user_id = $1 AND generation_id = $2
    ORDER BY first_seq DESC LIMIT 1";

const END: &str = "
    UPDATE spool_streams AS stream SET ended_at = generation.ended_at
    FROM generations AS generation
    WHERE stream.ended_at IS NULL AND generation.ended_at IS NOT NULL
        AND generation.user_id = stream.user_id AND generation.id = stream.generation_id";

/// Of a person who has left there is no row, but a replica may have been writing still.
const SWEEP: &str = "
    DELETE FROM spool_streams AS stream
    WHERE ended_at <= $1 OR ended_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM generations AS generation
        WHERE generation.user_id = stream.user_id AND generation.id = stream.generation_id)";

const FORGET: &str = "DELETE FROM spool_streams WHERE user_id = $1";

/// The connection that reads; cheap to clone.
#[derive(Clone)]
pub(super) struct Reader(Arc<Reading>);

struct Reading {
    address: Address,
    client: Mutex<Option<Arc<Client>>>,
}

/// The connection that writes, and the runtime of its thread.
pub(super) struct Writer {
    address: Address,
    runtime: Runtime,
    client: Option<Client>,
    /// The last write failed, and perhaps only its answer.
    unsure: bool,
}

/// Connects when it is first needed, and again whenever the connection was lost.
pub(super) fn open(address: &str) -> Result<(Writer, Reader), SpoolError> {
    let address = Address::read(address)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|_| SpoolError::Closed)?;
    let reading = Reading { address: address.clone(), client: Mutex::default() };
    let writer = Writer { address, runtime, client: None, unsure: false };
    Ok((writer, Reader(Arc::new(reading))))
}

impl Reader {
    pub(super) async fn read(
        &self,
        key: &Key,
        after: u64,
        until: u64,
    ) -> Result<Option<Page>, SpoolError> {
        let client = self.client().await?;
        let (user, generation) = (key.user.as_str(), key.generation.to_string());
        let (begin, end) = (to_sql(after.min(until)), to_sql(until));
        let rows = client
            .query_typed(
                READ,
                &[
                    (&user, Type::TEXT),
                    (&generation, Type::TEXT),
                    (&begin, Type::INT8),
                    (&end, Type::INT8),
                    (&CHUNKS_A_PAGE, Type::INT8),
                ],
            )
            .await
            .map_err(Fault::from)?;
        let (mut frames, mut last) = (BytesMut::new(), after);
        for row in rows {
            let first = from_sql(row.try_get(0).map_err(Fault::from)?);
            let joined: &[u8] = row.try_get(1).map_err(Fault::from)?;
            // A gap would be passed on as text that is silently missing.
            if first > last + 1 || frames.len() >= PAGE_BYTES {
                break;
            }
            last = chunk::take(&mut frames, joined, first, last, u64::MAX);
        }
        Ok((last > after).then(|| Page { frames: frames.freeze(), last }))
    }

    pub(super) async fn last(&self, key: &Key) -> Result<u64, SpoolError> {
        let client = self.client().await?;
        let (user, generation) = (key.user.as_str(), key.generation.to_string());
        let row = client
            .query_typed_opt(LAST, &[(&user, Type::TEXT), (&generation, Type::TEXT)])
            .await
            .map_err(Fault::from)?;
        Ok(match row {
            Some(row) => from_sql(row.try_get(0).map_err(Fault::from)?),
            None => 0,
        })
    }

    pub(super) async fn waking(&self, key: &Key) -> Result<Option<Notice>, SpoolError> {
        let client = self.client().await?;
        let (user, generation) = (key.user.as_str(), key.generation.to_string());
        let row = client
            .query_typed_opt(WAKING_OF, &[(&user, Type::TEXT), (&generation, Type::TEXT)])
            .await
            .map_err(Fault::from)?;
        let Some(row) = row else { return Ok(None) };
        let count = row.try_get(0).map_err(Fault::from)?;
        let millis = row.try_get(1).map_err(Fault::from)?;
        Ok(Some((from_sql(count), Duration::from_millis(from_sql(millis)))))
    }

    async fn client(&self) -> Result<Arc<Client>, Fault> {
        let mut kept = self.0.client.lock().await;
        if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(self.0.address.client().await?);
        *kept = Some(Arc::clone(&client));
        Ok(client)
    }
}

/// What is said in one statement.
#[derive(Default)]
struct Said<'a> {
    users: Vec<&'a str>,
    generations: Vec<String>,
    first: Vec<i64>,
    last: Vec<i64>,
    frames: Vec<BytesMut>,
}

impl<'a> Said<'a> {
    /// Adds what one generation has not spooled.
    fn add(&mut self, key: &'a Key, frames: &[(u64, Bytes)]) {
        for chunk in chunk::join(frames) {
            self.users.push(key.user.as_str());
            self.generations.push(key.generation.to_string());
            self.first.push(to_sql(chunk.first));
            self.last.push(to_sql(chunk.last));
            self.frames.push(chunk.frames);
        }
    }

    async fn clear(&self, client: &Client) -> Result<u64, tokio_postgres::Error> {
        client
            .execute_typed(
                CLEAR,
                &[
                    (&self.users, Type::TEXT_ARRAY),
                    (&self.generations, Type::TEXT_ARRAY),
                    (&self.first, Type::INT8_ARRAY),
                ],
            )
            .await
    }

    async fn insert(&self, client: &Client) -> Result<u64, tokio_postgres::Error> {
        let frames: Vec<&[u8]> = self.frames.iter().map(|chunk| &chunk[..]).collect();
        client
            .execute_typed(
                INSERT,
                &[
                    (&self.users, Type::TEXT_ARRAY),
                    (&self.generations, Type::TEXT_ARRAY),
                    (&self.first, Type::INT8_ARRAY),
                    (&self.last, Type::INT8_ARRAY),
                    (&frames, Type::BYTEA_ARRAY),
                ],
            )
            .await
    }
}

impl Writer {
    /// Asks on the connection, which is opened anew if need be.
    fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, SpoolError> {
        let Self { address, runtime, client, .. } = self;
        runtime.block_on(async {
            if client.as_ref().is_none_or(Client::is_closed) {
                *client = Some(address.client().await?);
            }
            let client = client.as_ref().ok_or(SpoolError::Closed)?;
            Ok(question(client).await.map_err(Fault::from)?)
        })
    }
}

impl Store for Writer {
    // When a generation ended stands in its row.
    fn write(&mut self, dirty: &[Arc<Live>], _: &[(Key, UnixMillis)]) -> Result<(), SpoolError> {
        let (mut said, mut written) = (Said::default(), Vec::with_capacity(dirty.len()));
        for live in dirty {
            let frames = live.unspooled();
            said.add(&live.key, &frames);
            written.extend(frames.last().map(|(last, _)| (live, *last)));
        }
        if written.is_empty() {
            return Ok(());
        }
        let unsure = std::mem::replace(&mut self.unsure, true);
        self.ask(async |client| {
            if unsure {
                said.clear(client).await?;
            }
            said.insert(client).await
        })?;
        self.unsure = false;
        for (live, last) in written {
            live.spooled(last);
        }
        Ok(())
    }

    fn waking(&mut self, key: &Key, retry_in: Duration) -> Result<(), SpoolError> {
        let (user, generation) = (key.user.as_str(), key.generation.to_string());
        let millis = i64::try_from(retry_in.as_millis()).unwrap_or(i64::MAX);
        self.ask(async |client| {
            client
                .execute_typed(
                    WAKING,
                    &[(&user, Type::TEXT), (&generation, Type::TEXT), (&millis, Type::INT8)],
                )
                .await
        })?;
        Ok(())
    }

    fn end_orphans(&mut self, _at: UnixMillis) -> Result<(), SpoolError> {
        // Others are running; the leases say what has ended.
        Ok(())
    }

    fn sweep(&mut self, until: UnixMillis) -> Result<usize, SpoolError> {
        let removed = self.ask(async |client| {
            client.execute_typed(END, &[]).await?;
            client.execute_typed(SWEEP, &[(&until.0, Type::INT8)]).await
        })?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }

    fn forget(&mut self, user: &UserId) -> Result<(), SpoolError> {
        self.ask(async |client| {
            client.execute_typed(FORGET, &[(&user.as_str(), Type::TEXT)]).await
        })?;
        Ok(())
    }
}
