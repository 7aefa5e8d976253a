use std::error::Error;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Version, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::{timeout, timeout_at};

use super::Limits;
use super::exchange::Exchange;
use super::io::deadline;

/// Pieces below this are copied: half of the smallest buffer that is read into.
const SMALL_PIECE_BYTES: usize = 4 << 10;

/// A body that has HTTP wait so long for bytes goes on without it.
const HTTP_PATIENCE: Duration = Duration::from_millis(10);

/// The body of a request.
///
/// Dropping it before its end reads on for a bounded while, so that a client that is still
/// sending gets to see the answer instead of a reset.
pub struct RequestBody {
    source: Source,
    exchange: Arc<Exchange>,
    /// Whether it may leave HTTP, and has not been asked to.
    may_leave: bool,
    stall: Duration,
    drain_bytes: u64,
    drain_time: Duration,
}

/// Where bytes come from.
enum Source {
    Http(Incoming),
    Socket,
    Ended,
}

/// How a body can fail to arrive. None of these is an end of the body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// No byte came for [`Limits::body_stall`].
    #[error("client sent data too slowly")]
    Stalled,
    /// The connection broke, or the coding is malformed.
    #[error("fewer bytes arrived than declared")]
    Incomplete(#[source] Box<dyn Error + Send + Sync>),
}

impl RequestBody {
    pub(super) fn of(
        request: Request<Incoming>,
        exchange: Arc<Exchange>,
        limits: &Limits,
    ) -> Request<Self> {
        let may_leave = may_leave(&request);
        request.map(|incoming| {
            let ended = incoming.is_end_stream();
            if ended {
                exchange.note_body_ended();
            }
            Self {
                source: if ended { Source::Ended } else { Source::Http(incoming) },
                exchange,
                may_leave,
                stall: limits.body_stall,
                drain_bytes: limits.drain_bytes,
                drain_time: limits.drain_time,
            }
        })
    }

    /// The next bytes; `None` at the end that the client declared.
    pub async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let piece = loop {
            match &mut self.source {
                Source::Ended => return Ok(None),
                Source::Socket => break next_of_socket(&self.exchange, self.stall).await,
                Source::Http(incoming) => {
                    let patience = if self.may_leave { HTTP_PATIENCE } else { self.stall };
                    match timeout(patience, incoming.frame()).await {
                        Err(_) if self.may_leave => {
                            self.may_leave = false;
                            self.exchange.set_leaving(true);
                        }
                        Err(_) => break Err(BodyError::Stalled),
                        // That HTTP has gone is an error to it, too, after what it had read.
                        Ok(Some(Err(_))) if self.exchange.has_left(left(incoming)) => {
                            self.source = Source::Socket;
                        }
                        Ok(Some(Err(error))) => break Err(BodyError::Incomplete(error.into())),
                        Ok(None) => break Ok(None),
                        // Trailers are not data: they are passed over.
                        Ok(Some(Ok(frame))) => {
                            if let Ok(bytes) = frame.into_data() {
                                return Ok(Some(compact(bytes)));
                            }
                        }
                    }
                }
            }
        };
        match &piece {
            Ok(Some(_)) => return piece,
            Ok(None) => self.exchange.note_body_ended(),
            Err(_) => {}
        }
        self.end();
        piece
    }

    fn end(&mut self) -> Source {
        self.exchange.set_leaving(false);
        std::mem::replace(&mut self.source, Source::Ended)
    }
}

async fn next_of_socket(exchange: &Exchange, stall: Duration) -> Result<Option<Bytes>, BodyError> {
    let piece = poll_fn(|context| exchange.poll_direct(context));
    let piece = timeout(stall, piece).await.map_err(|_| BodyError::Stalled)?;
    piece.map_err(|error| BodyError::Incomplete(error.into()))
}

/// Whether the request can be taken from HTTP: its body has a length, and the answer does not
/// depend on what the request said.
fn may_leave(request: &Request<Incoming>) -> bool {
    let mut connection = request.headers().get_all(header::CONNECTION).iter();
    matches!(*request.method(), Method::PUT | Method::POST | Method::PATCH)
        && request.version() == Version::HTTP_11
        && connection.all(|value| value.as_bytes().eq_ignore_ascii_case(b"keep-alive"))
        && request.body().size_hint().exact().is_some()
}

/// Bytes that have not come, of a body with a length.
fn left(incoming: &Incoming) -> u64 {
    incoming.size_hint().exact().unwrap_or(u64::MAX)
}

/// A small piece keeps the whole buffer that it was read into. Who trickles sends many of them,
/// and they may wait for long: they get buffers of their size.
fn compact(piece: Bytes) -> Bytes {
    if piece.len() < SMALL_PIECE_BYTES { Bytes::copy_from_slice(&piece) } else { piece }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Source::Http(incoming) = self.end() else { return };
        if incoming.is_end_stream() {
            self.exchange.note_body_ended();
        } else if self.exchange.has_left(left(&incoming)) {
            // The rest is read with the answer.
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
