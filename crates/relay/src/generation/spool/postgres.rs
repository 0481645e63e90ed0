//! The spool in unlogged tables of the database that all replicas share.
//!
//! On connections of its own, so that text never waits for money nor money for text. What all dirty
//! generations have is one statement; of each it is a *chunk*, or a few, whose rows are far fewer
//! than the frames in them.
//!
//! A generation's end stands in its row, which its replica, or another one for a dead replica, wrote;
//! the sweep reads it there.

use super::{PAGE_BYTES, Page, SpoolError, Store, from_sql, to_sql};
use crate::db::{Address, Fault};
use crate::generation::live::{Key, Live};
use autocrea_protocol::{UnixMillis, UserId};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// A longer chunk is begun anew: whoever reads holds one in memory.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that are read at once; most of them are small.
const CHUNKS_A_PAGE: i64 = 16;

const INSERT: &str = "
    WITH said AS (
        SELECT * FROM unnest($1, $2, $3, $4, $5)
            AS said (user_id, generation_id, first_seq, last_seq, frames)
    ), streams AS (
        INSERT INTO spool_streams (user_id, generation_id)
        SELECT DISTINCT user_id, generation_id FROM said ON CONFLICT DO NOTHING
    )
    INSERT INTO spool_chunks (user_id, generation_id, first_seq, last_seq, frames)
    SELECT user_id, generation_id, first_seq, last_seq, frames FROM said";

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
            let chunk: &[u8] = row.try_get(1).map_err(Fault::from)?;
            // A gap would be passed on as text that is silently missing.
            if first > last + 1 || frames.len() >= PAGE_BYTES {
                break;
            }
            last = take(&mut frames, chunk, first, last);
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

/// Takes a chunk's frames after number `last`, the chunk's own first being `first`; answers the
/// number of the last frame taken so far.
fn take(frames: &mut BytesMut, chunk: &[u8], first: u64, last: u64) -> u64 {
    let (mut rest, mut seq) = (chunk, first);
    // A frame ends with an empty line, and holds none: its data is JSON.
    while let Some(end) = rest.windows(2).position(|two| two == b"\n\n") {
        let (frame, after) = rest.split_at(end + 2);
        if seq > last {
            frames.extend_from_slice(frame);
        }
        rest = after;
        seq += 1;
    }
    last.max(seq - 1)
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
    /// Adds what one generation has not spooled, in chunks.
    fn add(&mut self, key: &'a Key, frames: &[(u64, Bytes)]) {
        let begun = self.frames.len();
        for (seq, frame) in frames {
            let fits = self.frames.len() > begun
                && self.frames.last().is_some_and(|it| it.len() + frame.len() <= CHUNK_BYTES);
            if !fits {
                self.users.push(key.user.as_str());
                self.generations.push(key.generation.to_string());
                self.first.push(to_sql(*seq));
                self.last.push(to_sql(*seq));
                self.frames.push(BytesMut::new());
            }
            if let (Some(chunk), Some(last)) = (self.frames.last_mut(), self.last.last_mut()) {
                chunk.extend_from_slice(frame);
                *last = to_sql(*seq);
            }
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
    fn write(&mut self, dirty: &[Arc<Live>]) -> Result<(), SpoolError> {
        let (mut said, mut written) = (Said::default(), Vec::with_capacity(dirty.len()));
        for (index, live) in dirty.iter().enumerate() {
            if dirty[..index].iter().any(|other| Arc::ptr_eq(other, live)) {
                continue;
            }
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

    fn ended(&mut self, _key: &Key, _at: UnixMillis) -> Result<(), SpoolError> {
        // It stands in the generation's row.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generation::wire;

    #[test]
    fn a_chunk_is_cut_between_frames_wherever_its_reader_is() {
        let frames: Vec<Bytes> =
            (5..10).map(|seq| wire::delta(seq, &format!("línea {seq}\n\ny otra"))).collect();
        let chunk = frames.concat();
        for after in 0..12_u64 {
            let mut taken = BytesMut::new();
            let last = take(&mut taken, &chunk, 5, after);
            assert_eq!(last, after.max(9));
            let skipped = usize::try_from(after.saturating_sub(4)).unwrap().min(5);
            assert_eq!(taken, frames[skipped..].concat());
        }
    }
}
