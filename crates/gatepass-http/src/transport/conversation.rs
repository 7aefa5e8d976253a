//! One connection, from silence to silence.
//!
//! Most connections say nothing at most times. Such a one is a socket and a clock: what HTTP needs,
//! with its buffers, is made when bytes are there, and given back soon after the answer is out, or
//! while a body is slow to come.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::direct::{Answered, Direct, Slow, Work};
use super::exchange::{Connection, Exchange};
use super::io::{TimedIo, deadline};
use super::lingering::Lingering;
use super::listen::{Service, stopped};
use super::relay::{Pending, Relay};
use super::{Limits, RequestBody};
use crate::answer::{Answer, bare};

/// Bytes that are read at once. Large reads keep the cost of a big upload low; a connection that
/// trickles never grows that far.
pub(super) const READ_BUFFER_BYTES: usize = 256 * 1024;

/// Most headers that hyper takes by itself; to be told the same number costs it time.
const HEADERS_OF_HYPER: usize = 100;

/// A client's end of a connection.
struct Line {
    stream: TcpStream,
    /// What was read of it already.
    unread: Bytes,
    /// When it is given up if it says nothing.
    silent_until: Instant,
    /// The answer that the next request, which is none of the client's, is to get.
    answer: Option<Box<Answer>>,
}

/// How a spell of talking ends.
enum Ending {
    /// Nothing is being asked or answered, nor has been a moment ago.
    Silent,
    /// A body makes HTTP wait.
    Slow,
    /// The connection is done with.
    Closed(hyper::Result<()>),
    /// The service has to stop.
    Stopping,
}

/// Waits for the client to speak and talks with it, in turns, until the connection ends.
pub(super) async fn converse<S: Service>(
    stream: TcpStream,
    limits: Arc<Limits>,
    service: Arc<S>,
    mut stop: watch::Receiver<bool>,
) {
    // Head and body leave at once; waiting for more to send would cost 40 ms.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut stopping = pin!(stopped(&mut stop));
    let silent_until = deadline(limits.first_byte);
    let mut line = Line { stream, unread: Bytes::new(), silent_until, answer: None };
    loop {
        if line.unread.is_empty() {
            let spoke = tokio::select! {
                spoke = timeout_at(line.silent_until, line.stream.readable()) => spoke,
                () = stopping.as_mut() => return,
            };
            if !matches!(spoke, Ok(Ok(()))) {
                return;
            }
        }
        // In a box of its own, so that nothing of it is left when it is over.
        let talk = Box::pin(talk(line, &limits, &service, stopping.as_mut()));
        line = match talk.await {
            Some(Next::Silence(silent)) => silent,
            Some(Next::Body(slow)) => match slow.answered().await {
                Some(answered) => Line::of(answered, &limits),
                None => return,
            },
            None => return,
        };
    }
}

/// What comes after a spell of talking.
enum Next {
    Silence(Line),
    Body(Slow),
}

impl Line {
    fn of(answered: Answered, limits: &Limits) -> Self {
        let Answered { answer, stream, unread } = answered;
        Self { stream, unread, silent_until: deadline(limits.idle), answer: Some(Box::new(answer)) }
    }
}

/// Speaks HTTP until nothing has been asked or answered for a while, or a body is slow; `None` if
/// the connection has ended.
async fn talk<S: Service>(
    line: Line,
    limits: &Arc<Limits>,
    service: &Arc<S>,
    mut stopping: Pin<&mut impl Future<Output = ()>>,
) -> Option<Next> {
    let Line { stream, unread, silent_until, answer: ready } = line;
    let state = Arc::new(Connection::default());
    let io = TimedIo::new(stream, unread, Arc::clone(&state), limits);
    let exchanges = Arc::clone(&state);
    let (service, for_requests) = (Arc::clone(service), Arc::clone(limits));
    let pending = Pending::new(ready);
    let for_relays = pending.clone();
    let handler = service_fn(move |request: Request<Incoming>| {
        let exchange = Exchange::begin(&exchanges);
        let work = match for_relays.take_answer() {
            Some(ready) => handed_on(*ready, request, exchange, &for_requests),
            None => answer(Arc::clone(&service), request, exchange, &for_requests),
        };
        Relay::new(work, &exchanges, &for_relays)
    });
    let mut http = builder(limits).serve_connection(TokioIo::new(io), handler);
    let mut lingering = Lingering::default();
    let ending = poll_fn(|context| {
        if let Poll::Ready(ended) = http.poll_unpin(context) {
            return Poll::Ready(Ending::Closed(ended));
        }
        if state.is_silent(context.waker())
            && lingering.poll_over(context, state.requests()).is_ready()
        {
            return Poll::Ready(Ending::Silent);
        }
        if state.is_to_leave() {
            return Poll::Ready(Ending::Slow);
        }
        stopping.as_mut().poll(context).map(|()| Ending::Stopping)
    });
    let ended = match ending.await {
        Ending::Silent => {
            let parts = http.into_parts();
            let (stream, _) = parts.io.into_inner().into_parts();
            // An empty one would keep its buffer.
            let unread = if parts.read_buf.is_empty() { Bytes::new() } else { parts.read_buf };
            // A new socket counts as readable until it has been tried.
            let silent_until =
                if state.requests() > 0 { deadline(limits.idle) } else { silent_until };
            return Some(Next::Silence(Line { stream, unread, silent_until, answer: None }));
        }
        Ending::Slow => {
            let parts = http.into_parts();
            let (stream, behind) = parts.io.into_inner().into_parts();
            let unread = [parts.read_buf, behind].concat().into();
            state.set_direct(Direct::new(stream, unread));
            let work = pending.take_work()?;
            return Some(Next::Body(Slow { work, connection: state }));
        }
        Ending::Closed(ended) => ended,
        Ending::Stopping => {
            Pin::new(&mut http).graceful_shutdown();
            // By reference: moved, it would have a second place in this future.
            (&mut http).await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
    None
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.header_read_timeout(None).max_buf_size(READ_BUFFER_BYTES);
    // A client that says that it will send no more may still read. Otherwise hyper would read on
    // while a request is being answered, into another buffer, to see whether it is gone.
    builder.half_close(true);
    if limits.headers != HEADERS_OF_HYPER {
        builder.max_headers(limits.headers);
    }
    builder
}

/// Runs the service. A panic costs its request only; an answer that came before the whole body
/// was read ends the connection, for the rest is not worth reading.
fn answer<S: Service>(
    service: Arc<S>,
    request: Request<Incoming>,
    exchange: Arc<Exchange>,
    limits: &Limits,
) -> Work {
    if head_bytes(&request) > limits.head_bytes {
        let mut refused = bare(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        refused.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        return handed_on(refused, request, exchange, limits);
    }
    let request = RequestBody::of(request, Arc::clone(&exchange), limits);
    Box::pin(async move {
        let outcome = AssertUnwindSafe(service.respond(request)).catch_unwind().await;
        let mut answer = outcome.unwrap_or_else(|_| {
            metrics::counter!("gatepass_panics_total").increment(1);
            service.respond_to_panic()
        });
        if !exchange.body_ended() {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer.body_mut().hold(exchange);
        answer
    })
}

/// Sends an answer that is there. What is left of the body is read on for a while, as ever.
fn handed_on(
    mut ready: Answer,
    request: Request<Incoming>,
    exchange: Arc<Exchange>,
    limits: &Limits,
) -> Work {
    drop(RequestBody::of(request, Arc::clone(&exchange), limits));
    ready.body_mut().hold(exchange);
    Box::pin(std::future::ready(ready))
}

fn head_bytes(request: &Request<Incoming>) -> usize {
    let headers = request.headers().iter();
    let of_headers: usize =
        headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    of_headers + target
}
