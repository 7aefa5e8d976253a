use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gatepass_core::ByteRange;
use gatepass_core::port::{BlobError, BlobReader, OpenSlice};
use http_body::{Body, Frame, SizeHint};

use crate::transport::{Exchange, FileSlice, stand_in};

/// The body of an answer.
///
/// An error before its end cuts the connection: a body that ends early must not look like one that
/// ended.
pub struct AnswerBody {
    source: Source,
    left: u64,
    exchange: Option<Arc<Exchange>>,
}

enum Source {
    /// It is all here, or there is none.
    Memory(Option<Bytes>),
    /// A store reads it. The first piece is at hand, so that a small file leaves in one write
    /// together with the head.
    Pieces { first: Option<Bytes>, rest: BlobReader },
    /// The system sends it: the file, until its first byte is due.
    File(Option<FileSlice>),
}

/// No bytes.
pub(crate) fn empty() -> AnswerBody {
    AnswerBody { source: Source::Memory(None), left: 0, exchange: None }
}

/// These bytes.
pub(crate) fn full(bytes: impl Into<Bytes>) -> AnswerBody {
    let bytes = bytes.into();
    AnswerBody { left: bytes.len() as u64, source: Source::Memory(Some(bytes)), exchange: None }
}

/// The bytes of a blob: `length` in all, `first` of them at hand.
pub(crate) fn streamed(first: Option<Bytes>, rest: BlobReader, length: u64) -> AnswerBody {
    AnswerBody { source: Source::Pieces { first, rest }, left: length, exchange: None }
}

/// A range of an open file. Its bytes come to be in the connection, and nowhere else.
pub(crate) fn of_file(open: OpenSlice, range: ByteRange) -> AnswerBody {
    let source = Source::File(Some(FileSlice::new(open, range)));
    AnswerBody { source, left: range.length(), exchange: None }
}

impl AnswerBody {
    /// Keeps the exchange going until this body is sent.
    pub(crate) fn hold(&mut self, exchange: Arc<Exchange>) {
        self.exchange = Some(exchange);
    }

    /// The next bytes, or what stands for them.
    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BlobError>>> {
        match &mut self.source {
            Source::Memory(bytes) => Poll::Ready(bytes.take().map(Ok)),
            Source::Pieces { first, rest } => match first.take() {
                Some(bytes) => Poll::Ready(Some(Ok(bytes))),
                None => rest.as_mut().poll_next(context),
            },
            Source::File(_) if self.left == 0 => Poll::Ready(None),
            Source::File(file) => {
                let begun = file.take().map_or(Ok(()), |file| match &self.exchange {
                    Some(exchange) => exchange.send(file),
                    None => Err(io::Error::other("a file can be sent over a connection only")),
                });
                let piece = begun.map(|()| stand_in(self.left));
                Poll::Ready(Some(piece.map_err(BlobError::Unavailable)))
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BlobError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobError>>> {
        match self.poll_piece(context) {
            Poll::Ready(Some(Ok(bytes))) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::error!(%error, "a file could not be read to its end; connection cut");
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) if self.left > 0 => Poll::Ready(Some(Err(BlobError::Corrupt))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
