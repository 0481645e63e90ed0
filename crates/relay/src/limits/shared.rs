//! Buckets that all replicas count in, in Redis.
//!
//! A bucket is one number: the instant, by Redis's clock, at which it will be full again (the
//! *generic cell rate algorithm*). That says the same as the buckets in memory (a burst of a whole
//! minute's allowance, refilled evenly), and a bucket that is full is simply not there. Each question
//! is one script, and so one round trip that nothing comes between.

use crate::redis::Redis;
use redis::Script;
use std::fmt::Display;
use std::sync::LazyLock;
use std::time::Duration;

/// Takes one. Answers in how many milliseconds there will be one; 0 if it was there.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = redis.call('TIME')
         now = now[1] * 1000000 + now[2]
         local full_at = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0)) + ARGV[1]
         local wait = full_at - now - 60000000
         if wait > 0 then return math.ceil(wait / 1000) end
         local lasts = math.ceil((full_at - now) / 1000)
         redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', lasts)
         return 0",
    )
});

/// Gives one back.
static PUT_BACK: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local full_at = redis.call('GET', KEYS[1])
         if not full_at then return 0 end
         local now = redis.call('TIME')
         now = now[1] * 1000000 + now[2]
         full_at = full_at - ARGV[1]
         local lasts = math.ceil((full_at - now) / 1000)
         if lasts <= 0 then return redis.call('DEL', KEYS[1]) end
         redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', lasts)
         return 1",
    )
});

/// Takes one, as [`super::memory::Buckets::take`] does; `None` if Redis is away.
pub(super) async fn take(
    redis: &Redis,
    kind: &str,
    of: impl Display,
    per_minute: u32,
) -> Option<Result<(), u64>> {
    let wait = run(redis, &TAKE, redis.name(kind, of), per_minute).await?;
    Some(if wait == 0 { Ok(()) } else { Err(Duration::from_millis(wait).as_secs() + 1) })
}

/// Gives one back; `None` if Redis is away.
pub(super) async fn put_back(
    redis: &Redis,
    kind: &str,
    of: impl Display,
    per_minute: u32,
) -> Option<()> {
    run(redis, &PUT_BACK, redis.name(kind, of), per_minute).await.map(drop)
}

async fn run(redis: &Redis, script: &Script, name: String, per_minute: u32) -> Option<u64> {
    // How many microseconds one of the allowance takes to come back.
    let one = (60_000_000 / u64::from(per_minute.max(1))).max(1);
    let mut call = script.key(name);
    call.arg(one);
    redis.ask(async |mut connection| call.invoke_async(&mut connection).await).await
}
