use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::{timeout, timeout_at};

use super::Limits;
use super::exchange::Exchange;
use super::io::deadline;

/// Pieces below this are copied: half of the smallest buffer that is read into.
const SMALL_PIECE_BYTES: usize = 4 << 10;

/// The body of a request.
///
/// Dropping it before its end reads on for a bounded while, so that a client that is still
/// sending gets to see the answer instead of a reset.
pub struct RequestBody {
    incoming: Option<Incoming>,
    exchange: Arc<Exchange>,
    stall: Duration,
    drain_bytes: u64,
    drain_time: Duration,
}

/// How a body can fail to arrive. None of these is an end of the body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// No byte came for [`Limits::body_stall`].
    #[error("client sent data too slowly")]
    Stalled,
    /// The connection broke, or the coding is malformed.
    #[error("fewer bytes arrived than declared")]
    Incomplete(#[source] hyper::Error),
}

impl RequestBody {
    pub(super) fn new(incoming: Incoming, exchange: Arc<Exchange>, limits: &Limits) -> Self {
        let ended = incoming.is_end_stream();
        if ended {
            exchange.note_body_ended();
        }
        Self {
            incoming: (!ended).then_some(incoming),
            exchange,
            stall: limits.body_stall,
            drain_bytes: limits.drain_bytes,
            drain_time: limits.drain_time,
        }
    }

    /// The next bytes; `None` at the end that the client declared.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            let Some(incoming) = self.incoming.as_mut() else { return Ok(None) };
            match timeout(self.stall, incoming.frame()).await {
                Err(_) => {
                    self.incoming = None;
                    return Err(BodyError::Stalled);
                }
                Ok(Some(Err(error))) => {
                    self.incoming = None;
                    return Err(BodyError::Incomplete(error));
                }
                Ok(None) => {
                    self.incoming = None;
                    self.exchange.note_body_ended();
                }
                // Trailers are not data: they are passed over.
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(compact(bytes)));
                    }
                }
            }
        }
    }
}

/// A small piece keeps the whole buffer that it was read into. Who trickles sends many of them,
/// and they may wait for long: they get buffers of their size.
fn compact(piece: Bytes) -> Bytes {
    if piece.len() < SMALL_PIECE_BYTES { Bytes::copy_from_slice(&piece) } else { piece }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        if incoming.is_end_stream() {
            self.exchange.note_body_ended();
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let exchange = Arc::clone(&self.exchange);
            let (bytes, time) = (self.drain_bytes, self.drain_time);
            runtime.spawn(async move {
                drain(incoming, bytes, time).await;
                drop(exchange);
            });
        }
    }
}

async fn drain(mut incoming: Incoming, bytes_max: u64, time: Duration) {
    let until = deadline(time);
    let mut drained = 0;
    while drained < bytes_max {
        match timeout_at(until, incoming.frame()).await {
            Ok(Some(Ok(frame))) => {
                drained += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
            }
            _ => return,
        }
    }
}
