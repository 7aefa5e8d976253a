//! The body of a slow upload, read from the socket itself.
//!
//! HTTP keeps two buffers of 8 KiB for as long as a body takes, although it waits most of that time.
//! Once a body makes it wait, the request goes on without: what is left of the body is read here,
//! and when the answer is there, HTTP is made anew to send it ([`Slow`]).

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, ReadBuf};
use tokio::net::TcpStream;

use super::conversation::READ_BUFFER_BYTES;
use super::exchange::Connection;
use crate::answer::Answer;

/// Bytes that are read at once of a client that trickles. Such a piece gets memory of its size.
const SMALL_BYTES: usize = 4 << 10;

/// What is being done for a request; it ends with the answer.
pub(super) type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A request that goes on without HTTP.
pub(super) struct Slow {
    pub(super) work: Work,
    pub(super) connection: Arc<Connection>,
}

/// An answer, and what it takes to have HTTP send it.
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) stream: TcpStream,
    /// What HTTP has to read: a request with what is left of the body, and what was read behind it.
    pub(super) unread: Bytes,
}

impl Slow {
    /// Waits for the answer; `None` if there is nowhere to send it.
    pub(super) async fn answered(self) -> Option<Answered> {
        let Self { work, connection } = self;
        let answer = work.await;
        let Direct { stream, unread, left, .. } = connection.take_direct()?;
        let head = format!("PUT / HTTP/1.1\r\nContent-Length: {left}\r\n\r\n");
        let unread = [head.as_bytes(), &unread].concat().into();
        Some(Answered { answer, stream, unread })
    }
}

/// What is left of a body, and where it comes from.
pub(super) struct Direct {
    stream: TcpStream,
    /// What was read of it already.
    unread: Bytes,
    /// Bytes of the body that have not been taken.
    left: u64,
    /// Bytes that are read at once.
    at_once: usize,
    buffer: BytesMut,
}

impl Direct {
    pub(super) fn new(stream: TcpStream, unread: Bytes) -> Self {
        Self { stream, unread, left: 0, at_once: SMALL_BYTES, buffer: BytesMut::new() }
    }

    /// Notes how many bytes are left.
    pub(super) fn set_left(&mut self, left: u64) {
        self.left = left;
    }

    /// The next bytes; `None` at the end of the body. If the connection ends before, it is an error.
    pub(super) fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Option<Bytes>>> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX);
        if wanted == 0 {
            return Poll::Ready(Ok(None));
        }
        let piece = if self.unread.is_empty() {
            ready!(self.poll_read(context, wanted.min(self.at_once)))?
        } else {
            self.unread.split_to(wanted.min(self.unread.len()))
        };
        if piece.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.left -= piece.len() as u64;
        Poll::Ready(Ok(Some(piece)))
    }

    fn poll_read(&mut self, context: &mut Context<'_>, max: usize) -> Poll<io::Result<Bytes>> {
        if max <= SMALL_BYTES {
            let mut bytes = [0; SMALL_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes[..max]);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            self.adapt(buffer.filled().len());
            return Poll::Ready(Ok(Bytes::copy_from_slice(buffer.filled())));
        }
        self.buffer.reserve(max);
        let mut room = (&mut self.buffer).limit(max);
        ready!(pin!(self.stream.read_buf(&mut room)).poll(context))?;
        let piece = self.buffer.split().freeze();
        self.adapt(piece.len());
        Poll::Ready(Ok(piece))
    }

    /// Whoever fills what is read at once is fast, and gets more.
    fn adapt(&mut self, length: usize) {
        if length >= self.at_once {
            self.at_once = (self.at_once * 2).min(READ_BUFFER_BYTES);
        } else if length < self.at_once / 4 {
            self.at_once = SMALL_BYTES;
            self.buffer = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{poll_fn, ready};

    use http::StatusCode;
    use tokio::net::TcpListener;

    use super::super::exchange::Exchange;
    use super::*;
    use crate::answer::bare;

    /// HTTP may have read more than the body when it goes.
    #[tokio::test]
    async fn what_was_read_behind_the_body_is_handed_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let connection = Arc::new(Connection::default());
        connection.set_direct(Direct::new(stream, Bytes::from_static(b"worldGET /")));
        let exchange = Exchange::begin(&connection);
        assert!(exchange.has_left(5));
        let mut pieces = Vec::new();
        while let Some(piece) = poll_fn(|context| exchange.poll_direct(context)).await.unwrap() {
            pieces.push(piece);
        }
        assert_eq!(pieces, ["world"]);
        let work = Box::pin(ready(bare(StatusCode::NO_CONTENT)));
        let answered = Slow { work, connection }.answered().await.unwrap();
        assert_eq!(answered.unread, "PUT / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET /");
        assert_eq!(answered.answer.status(), StatusCode::NO_CONTENT);
    }
}
