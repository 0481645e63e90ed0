//! A piece of work on its way to a thread that has a connection.

use super::{DbError, Tx};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::oneshot;

/// See the module.
pub(super) trait Job: Send {
    /// Runs it; false if what it did is to be rolled back.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Tells the caller. `commit` is the error of the commit, if that failed.
    fn answer(self: Box<Self>, commit: Option<DbError>);
}

struct Work<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

/// The job that runs `work`, and where its answer will be.
pub(super) fn job<T, E>(
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T, E>>)
where
    T: Send + 'static,
    E: From<DbError> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Work { work: Some(work), result: None, reply }), answer)
}

impl<T, E, F> Job for Work<T, E, F>
where
    T: Send,
    E: From<DbError> + Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = caught(work, tx);
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(self: Box<Self>, commit: Option<DbError>) {
        let result = match (commit, self.result) {
            (Some(error), Some(Ok(_)) | None) => Err(error.into()),
            (_, Some(result)) => result,
            (None, None) => Err(DbError::Closed.into()),
        };
        // Whoever asked may have gone; the work is done all the same.
        self.reply.send(result).ok();
    }
}

/// Runs `work`; one that panics has failed.
pub(super) fn caught<T, E: From<DbError>>(
    work: impl FnOnce(&mut Tx<'_>) -> Result<T, E>,
    tx: &mut Tx<'_>,
) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(|| work(tx))).unwrap_or_else(|_| Err(DbError::Panicked.into()))
}
