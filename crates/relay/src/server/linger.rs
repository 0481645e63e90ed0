//! Closing a connection whose answer was ready before all of its request had come.
//!
//! Whoever is refused while they are still sending (no token, a body that is too large) is to read
//! why. A socket that is closed with bytes in it that nobody has read makes the system reset the
//! connection, and a reset takes the answer with it. So what still comes is read and thrown away,
//! for a while.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// What is thrown away at once.
const SPACE: usize = 8 * 1024;

/// Whether some of the last request's body was left where it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread(Arc<AtomicBool>);

impl Unread {
    pub(super) fn set(&self, unread: bool) {
        self.0.store(unread, Ordering::Relaxed);
    }
}

/// A stream that is closed with patience if it is closed in the middle of a request.
pub(super) struct Lingering {
    stream: TcpStream,
    unread: Unread,
    patience: Duration,
    /// Until when the other side is waited for, once ours is closed.
    closing: Option<Pin<Box<Sleep>>>,
}

impl Lingering {
    pub(super) const fn new(stream: TcpStream, unread: Unread, patience: Duration) -> Self {
        Self { stream, unread, patience, closing: None }
    }

    /// Ready when the other side has closed too, or has been waited for long enough.
    fn poll_thrown_away(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let until = self.closing.get_or_insert_with(|| Box::pin(sleep(patience)));
        let mut space = [MaybeUninit::uninit(); SPACE];
        // Tokio's own budget sees to it that a fast sender does not keep the thread.
        loop {
            if until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut thrown_away = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut thrown_away)) {
                Ok(()) if !thrown_away.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        if self.unread.0.load(Ordering::Relaxed) {
            ready!(self.poll_thrown_away(cx));
        }
        Poll::Ready(Ok(()))
    }
}
