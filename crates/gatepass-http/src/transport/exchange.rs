use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;

/// What a connection's stream has to know of its requests.
#[derive(Default)]
pub(super) struct Connection {
    in_request: AtomicBool,
    /// What comes now belongs to a body that nobody reads.
    is_over: AtomicBool,
    reader: AtomicWaker,
}

impl Connection {
    /// Whether a request is being answered. While one is, its body has its own clock; between
    /// two, the connection is idle.
    pub(super) fn in_request(&self) -> bool {
        self.in_request.load(Ordering::Acquire)
    }

    /// Whether no further request can come.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Has the reader look again when the request is over: from then on it is idle.
    pub(super) fn wake_when_idle(&self, waker: &Waker) {
        self.reader.register(waker);
    }
}

/// One request and its answer. It is over when the last holder drops it: the request's body, the
/// answer's body, or whoever reads on after an early answer.
pub(crate) struct Exchange {
    connection: Arc<Connection>,
    body_ended: AtomicBool,
}

impl Exchange {
    pub(super) fn begin(connection: &Arc<Connection>) -> Arc<Self> {
        connection.in_request.store(true, Ordering::Relaxed);
        let body_ended = AtomicBool::new(false);
        Arc::new(Self { connection: Arc::clone(connection), body_ended })
    }

    /// Notes that the request's body was read to its end.
    pub(super) fn note_body_ended(&self) {
        self.body_ended.store(true, Ordering::Relaxed);
    }

    /// Whether it was.
    pub(super) fn body_ended(&self) -> bool {
        self.body_ended.load(Ordering::Relaxed)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.body_ended() {
            self.connection.is_over.store(true, Ordering::Relaxed);
        }
        self.connection.in_request.store(false, Ordering::Release);
        self.connection.reader.wake();
    }
}
