use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::Limits;
use super::exchange::Connection;
use super::file_slice::{FileSlice, is_stand_in};

/// What a client gets whose head does not fit; hyper knows a bound for its buffer only.
const HEAD_TOO_LARGE: &[u8] =
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A stream that gives up when its peer sends a head without end, or takes nothing of an answer.
///
/// hyper's clock for heads runs from the end of the request before. This one runs from the first
/// byte of the head on: the silence before it has a limit of its own.
pub(super) struct TimedIo {
    stream: TcpStream,
    /// What was read of the stream already.
    unread: Bytes,
    connection: Arc<Connection>,
    /// The file that is being sent.
    file: Option<FileSlice>,
    head: Deadline,
    write_stall: Deadline,
    head_time: Duration,
    write_limit: Duration,
    head_limit: usize,
    /// Bytes of a head that is not complete.
    head_bytes: usize,
    /// Requests whose heads were.
    requests: u32,
}

impl TimedIo {
    pub(super) fn new(
        stream: TcpStream,
        unread: Bytes,
        connection: Arc<Connection>,
        limits: &Limits,
    ) -> Self {
        Self {
            stream,
            unread,
            connection,
            file: None,
            head: Deadline::default(),
            write_stall: Deadline::default(),
            head_time: limits.head,
            write_limit: limits.write_stall,
            head_limit: limits.head_bytes,
            head_bytes: 0,
            requests: 0,
        }
    }

    /// The stream, and what was read of it that nobody has taken.
    pub(super) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.stream, self.unread)
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

impl TimedIo {
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

impl TimedIo {
    /// Sends slices, up to where bytes in memory end and a file begins. The head is not held back
    /// for the file (`MSG_MORE`): 64 KiB with a head are too much for one of the system's packets,
    /// and where it paces them (BBR) the rest would wait for a timer.
    fn poll_send(
        &mut self,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let file_at = slices.iter().position(|slice| is_stand_in(slice)).unwrap_or(slices.len());
        match slices.first() {
            Some(file) if file_at == 0 => self.poll_send_file(context, file.len()),
            _ => Pin::new(&mut self.stream).poll_write_vectored(context, &slices[..file_at]),
        }
    }

    fn poll_send_file(
        &mut self,
        context: &mut Context<'_>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        let Some(file) = self.file.take().or_else(|| self.connection.take_file()) else {
            return Poll::Ready(Err(io::Error::other("no file is there to be sent")));
        };
        let file = self.file.insert(file);
        let sent = ready!(file.poll_send(context, &self.stream, length))?;
        if file.is_empty() {
            self.file = None;
        }
        Poll::Ready(Ok(sent))
    }
}

impl AsyncRead for TimedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let (requests, in_request) = (this.connection.requests(), this.connection.in_request());
        if in_request || this.requests != requests {
            this.requests = requests;
            this.set_head_bytes(0);
            this.head.disarm();
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
        if !in_request {
            this.set_head_bytes(this.head_bytes + buffer.filled().len() - before);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TimedIo {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.set_sending(true);
        let progress = self.poll_send(context, slices);
        self.poll_write_stall(context, progress)
    }

    /// Otherwise bytes would be gathered in one place, and stand-ins with them.
    fn is_write_vectored(&self) -> bool {
        true
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
