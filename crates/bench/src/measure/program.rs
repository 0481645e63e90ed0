//! The program itself: `idle_rss_mib`, `start_ready_ms`, `binary_mb`.
//!
//! - `binary_mb`: the size of the release build's file, stripped as the profile says, in millions
//!   of bytes.
//! - `start_ready_ms`: from the start of the process to the first good answer of `/readyz`, which
//!   is asked every millisecond, on a database that is migrated; the median of 9 starts.
//! - `idle_rss_mib`: resident memory three seconds after it was ready, nobody connected.

use super::Bench;
use crate::figure::Measured;
use crate::relay::Services;
use crate::stats::{count, median, millis};
use anyhow::Result;
use std::time::Duration;

pub(super) const FIGURES: [&str; 3] = ["idle_rss_mib", "start_ready_ms", "binary_mb"];

const SETTLE: Duration = Duration::from_secs(3);

pub(super) async fn measure(bench: &Bench) -> Result<Vec<Measured>> {
    let bytes = std::fs::metadata(&bench.program.path)?.len();
    let services = Services::with_model(bench.model.url(""));
    let folder = bench.program.folder()?;
    let services = bench.program.migrated(&bench.clerk, &services, &folder).await?;
    let mut starts = Vec::new();
    for _ in 0..bench.options.times(9, 3) {
        let relay = bench.program.start_on(&bench.clerk, &services, &folder).await?;
        starts.push(millis(relay.ready_after));
    }
    let relay = bench.program.start_on(&bench.clerk, &services, &folder).await?;
    tokio::time::sleep(SETTLE).await;
    let idle = relay.rss_kib()? / 1024.0;
    Ok(vec![
        Measured::alone("idle_rss_mib", idle),
        Measured::alone("start_ready_ms", median(&starts)),
        Measured::alone("binary_mb", count(usize::try_from(bytes)?) / 1e6),
    ])
}
