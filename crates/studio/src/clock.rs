//! The present. Nothing here orders by it alone: clocks are set back.

use autocrea_protocol::UnixMillis;
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by the machine's clock.
#[must_use]
pub fn now() -> UnixMillis {
    let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(_) => 0,
    };
    UnixMillis(millis)
}
