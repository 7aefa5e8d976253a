//! One request on a connection of its own, and its answer.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::try_unfold;
use gatepass_core::SourceUrl;
use gatepass_core::port::{FetchError, Fetched, FetchedBody};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connect::Stream;

/// Most bytes of a head, and of one piece of a body.
const BUFFER_BYTES: usize = 64 * 1024;
const HEADERS_MAX: usize = 100;
/// How long is waited for bytes behind the end. Sources were asked to close there, and do.
const EXCESS_WAIT: Duration = Duration::from_millis(500);

/// The limits of one exchange.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// How long the source may be silent.
    pub(crate) idle: Duration,
    /// When everything has to be over.
    pub(crate) deadline: Instant,
}

/// What a source answers.
pub(crate) enum Reply {
    Content(Fetched),
    Redirect(String),
}

/// Sends the request and reads the head of the answer.
pub(crate) async fn exchange(
    stream: Box<dyn Stream>,
    url: &SourceUrl,
    pace: Pace,
) -> Result<Reply, FetchError> {
    let unreachable = |error: hyper::Error| FetchError::Unreachable(error.into());
    let mut builder = Builder::new();
    builder.max_buf_size(BUFFER_BYTES).max_headers(HEADERS_MAX);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    let connection = Connection(tokio::spawn(connection.without_shutdown()));
    let answer = sender.send_request(request(url)?).await.map_err(unreachable)?;
    read_head(answer, sender, connection, pace)
}

fn request(url: &SourceUrl) -> Result<Request<Empty<Bytes>>, FetchError> {
    let request = Request::get(url.target())
        .header(header::HOST, url.authority())
        .header(header::USER_AGENT, concat!("gatepass/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "*/*")
        .header(header::ACCEPT_ENCODING, "identity")
        .header(header::CONNECTION, "close")
        .body(Empty::new());
    request.map_err(|error| FetchError::Unreachable(error.into()))
}

fn read_head(
    answer: Response<Incoming>,
    sender: SendRequest<Empty<Bytes>>,
    connection: Connection,
    pace: Pace,
) -> Result<Reply, FetchError> {
    let headers = answer.headers();
    match answer.status() {
        StatusCode::OK => {}
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => return location(headers).map(Reply::Redirect),
        other => return Err(FetchError::Status(other.as_u16())),
    }
    let coding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        return Err(FetchError::Encoded);
    }
    let declared_size = declared_size(answer.version(), headers)?;
    let declared_type = headers.get(header::CONTENT_TYPE);
    let declared_type = declared_type.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let source = Source {
        body: answer.into_body(),
        end: Some((sender, connection)),
        declared_size,
        received: 0,
        pace,
    };
    let body: FetchedBody = Box::pin(try_unfold(source, |mut source| async move {
        Ok(source.next().await?.map(|piece| (piece, source)))
    }));
    Ok(Reply::Content(Fetched { declared_size, declared_type, body }))
}

fn location(headers: &HeaderMap) -> Result<String, FetchError> {
    let mut values = headers.get_all(header::LOCATION).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(location)), None) => Ok(location.to_owned()),
        _ => Err(FetchError::RedirectRefused),
    }
}

/// Where the content ends. One that ends with the connection could as well be cut off.
fn declared_size(version: Version, headers: &HeaderMap) -> Result<Option<u64>, FetchError> {
    let length = headers.get(header::CONTENT_LENGTH);
    let coding = headers.get(header::TRANSFER_ENCODING).map(HeaderValue::as_bytes);
    let chunked = version == Version::HTTP_11
        && coding.is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    match (length, coding) {
        (None, Some(_)) if chunked => Ok(None),
        (Some(length), None) => {
            let length = length.to_str().ok().and_then(|text| text.parse().ok());
            length.map(Some).ok_or(FetchError::Undelimited)
        }
        _ => Err(FetchError::Undelimited),
    }
}

type End = hyper::Result<Parts<TokioIo<Box<dyn Stream>>>>;

/// What drives the connection. It ends when dropped.
struct Connection(JoinHandle<End>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Content on its way in.
struct Source {
    body: Incoming,
    end: Option<(SendRequest<Empty<Bytes>>, Connection)>,
    declared_size: Option<u64>,
    received: u64,
    pace: Pace,
}

impl Source {
    async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let Some(frame) = self.frame().await? else {
                if self.declared_size.is_some_and(|declared| declared != self.received) {
                    return Err(FetchError::Incomplete);
                }
                self.check_end().await?;
                return Ok(None);
            };
            // Trailers say nothing that counts here.
            let Ok(piece) = frame.into_data() else { continue };
            self.received = self.received.saturating_add(piece.len() as u64);
            if self.declared_size == Some(self.received) {
                self.check_end().await?;
            }
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    async fn frame(&mut self) -> Result<Option<hyper::body::Frame<Bytes>>, FetchError> {
        let silent_until = Instant::now() + self.pace.idle;
        let until = silent_until.min(self.pace.deadline);
        match timeout_at(until, self.body.frame()).await {
            Ok(frame) => frame.transpose().map_err(|_| FetchError::Incomplete),
            Err(_) if until == silent_until => Err(FetchError::Stalled),
            Err(_) => Err(FetchError::TooSlow),
        }
    }

    /// That nothing follows. What hyper has read beyond the end is in its buffer; the rest may
    /// still be on its way.
    async fn check_end(&mut self) -> Result<(), FetchError> {
        let Some((sender, mut connection)) = self.end.take() else { return Ok(()) };
        drop(sender);
        let Ok(ended) = timeout(EXCESS_WAIT, &mut connection.0).await else { return Ok(()) };
        // It fails if something unexpected came.
        let Ok(Ok(parts)) = ended else { return Err(FetchError::Excess) };
        let mut stream = parts.io.into_inner();
        let more = timeout(EXCESS_WAIT, stream.read_u8()).await.is_ok_and(|read| read.is_ok());
        if more || !parts.read_buf.is_empty() { Err(FetchError::Excess) } else { Ok(()) }
    }
}
