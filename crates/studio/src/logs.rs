//! The app's logs: files in `logs/` that roll daily, a fortnight of them.
//!
//! What is logged is written by us with care: ids, codes and counts, never prompts, answers,
//! addresses of people or secrets. Libraries below us are heard from `warn` upwards only, since
//! what they would say of a request we cannot vouch for.

use std::path::Path;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{Builder, InitError, Rotation};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// Days that are kept.
const KEPT: usize = 14;
/// What is heard unless `RUST_LOG` says otherwise.
const HEARD: &str = "warn,autocrea_app=info,autocrea_studio=info";

/// Why there are no logs. The app runs without them.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The folder cannot be made.
    #[error("the log folder cannot be made")]
    Folder(#[from] std::io::Error),
    /// It cannot be written.
    #[error("the log folder cannot be written")]
    File(#[from] InitError),
    /// Somebody else has set up logging in this process.
    #[error("logging is set up already")]
    Taken(#[from] TryInitError),
}

/// Starts logging below the data folder. Lines are written by a thread of their own; what is
/// still on its way is written when the guard is dropped.
///
/// # Errors
/// When the folder cannot be written or logging is set up already.
pub fn start(data_dir: &Path) -> Result<WorkerGuard, LogsError> {
    let folder = data_dir.join("logs");
    // What is below the data folder is the person's alone.
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder)?;
    let files = Builder::new()
        .rotation(Rotation::DAILY)
        .max_log_files(KEPT)
        .filename_prefix("autocrea")
        .filename_suffix("log")
        .build(folder)?;
    let (writer, guard) = tracing_appender::non_blocking(files);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(HEARD));
    tracing_subscriber::registry()
        .with(filter)
        .with(tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer))
        .try_init()?;
    Ok(guard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_logged_is_in_a_file_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let guard = start(folder.path()).unwrap();
        tracing::warn!("a line");
        drop(guard);
        let file = std::fs::read_dir(folder.path().join("logs")).unwrap().next().unwrap().unwrap();
        assert!(std::fs::read_to_string(file.path()).unwrap().contains("a line"));
    }
}
