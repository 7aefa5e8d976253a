use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gatepass_core::port::{BlobError, BlobReader};
use http_body::{Body, Frame, SizeHint};

use crate::transport::Exchange;

/// The body of an answer.
///
/// A file's bytes come with their first piece at hand, so that a small file leaves in one write
/// together with the head. An error in between cuts the connection: a body that ends early must
/// not look like one that ended.
pub struct AnswerBody {
    ready: Option<Bytes>,
    rest: Option<BlobReader>,
    left: u64,
    exchange: Option<Arc<Exchange>>,
}

/// No bytes.
pub(crate) fn empty() -> AnswerBody {
    AnswerBody { ready: None, rest: None, left: 0, exchange: None }
}

/// These bytes.
pub(crate) fn full(bytes: impl Into<Bytes>) -> AnswerBody {
    let bytes = bytes.into();
    AnswerBody { left: bytes.len() as u64, ready: Some(bytes), rest: None, exchange: None }
}

/// The bytes of a blob: `length` in all, `first` of them at hand.
pub(crate) fn streamed(first: Option<Bytes>, rest: BlobReader, length: u64) -> AnswerBody {
    AnswerBody { ready: first, rest: Some(rest), left: length, exchange: None }
}

impl AnswerBody {
    /// Keeps the exchange going until this body is sent.
    pub(crate) fn hold(&mut self, exchange: Arc<Exchange>) {
        self.exchange = Some(exchange);
    }

    fn take(&mut self, bytes: Bytes) -> Frame<Bytes> {
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Frame::data(bytes)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BlobError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobError>>> {
        if let Some(bytes) = self.ready.take() {
            return Poll::Ready(Some(Ok(self.take(bytes))));
        }
        let Some(rest) = self.rest.as_mut() else { return Poll::Ready(None) };
        match rest.as_mut().poll_next(context) {
            Poll::Ready(Some(Ok(bytes))) => Poll::Ready(Some(Ok(self.take(bytes)))),
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
        self.left == 0 && self.ready.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
