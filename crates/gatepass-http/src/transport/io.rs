use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::Limits;
use super::exchange::Connection;

/// What a client gets whose head does not fit; hyper knows a bound for its buffer only.
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A stream that gives up when its peer sends a head without end, or takes nothing of an answer.
///
/// hyper's clock for heads runs from the end of the request before. This one runs from the first
/// byte of the head on: the silence before it has a limit of its own.
pub(super) struct TimedIo<S> {
    stream: S,
    /// What was read of the stream already.
    unread: Bytes,
    connection: Arc<Connection>,
    head: Deadline,
    write_stall: Deadline,
    head_time: Duration,
    write_limit: Duration,
    head_limit: usize,
    head_bytes: usize,
}

impl<S> TimedIo<S> {
    pub(super) fn new(
        stream: S,
        unread: Bytes,
        connection: Arc<Connection>,
        limits: &Limits,
    ) -> Self {
        Self {
            stream,
            unread,
            connection,
            head: Deadline::default(),
            write_stall: Deadline::default(),
            head_time: limits.head,
            write_limit: limits.write_stall,
            head_limit: limits.head_bytes,
            head_bytes: 0,
        }
    }

    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    fn set_head_bytes(&mut self, count: usize) {
        self.head_bytes = count;
        self.connection.set_in_head(count > 0);
    }

    fn poll_write_stall<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.write_stall.disarm();
            return progress;
        }
        ready!(self.write_stall.poll(context, self.write_limit));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> TimedIo<S> {
    fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let length = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(length));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TimedIo<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.connection.in_request() {
            this.set_head_bytes(0);
            this.head.disarm();
        } else if this.connection.is_between() {
            // The next head is for whoever talks next. Nothing has to wake this one.
            return Poll::Pending;
        } else if this.head_bytes > 0 && this.head.poll(context, this.head_time).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        } else if this.head_bytes > this.head_limit {
            if !this.connection.is_over() {
                // One write into an empty send buffer; whether it arrives is the client's affair.
                let _ = Pin::new(&mut this.stream).poll_write(context, HEAD_TOO_LARGE);
            }
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = buffer.filled().len();
        ready!(this.poll_receive(context, buffer))?;
        this.set_head_bytes(this.head_bytes + buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.set_sending(true);
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.poll_write_stall(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.set_sending(true);
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.poll_write_stall(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(context);
        // hyper flushes once it has written everything.
        self.connection.set_sending(!matches!(progress, Poll::Ready(Ok(()))));
        self.poll_write_stall(context, progress)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A timer that exists only while something is waited for.
#[derive(Default)]
struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    fn disarm(&mut self) {
        self.0 = None;
    }

    /// Ready when `limit` has passed since the first call after [`Self::disarm`].
    fn poll(&mut self, context: &mut Context<'_>, limit: Duration) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep(limit)));
        sleep.as_mut().poll(context)
    }
}

/// The end of a span, for waiting in plain async code.
pub(super) fn deadline(span: Duration) -> Instant {
    Instant::now() + span
}
