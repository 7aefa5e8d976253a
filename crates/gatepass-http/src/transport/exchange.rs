use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::task::AtomicWaker;

use super::direct::Direct;
use super::file_slice::FileSlice;

/// What the stream of a connection and its requests tell one another.
#[derive(Default)]
pub(super) struct Connection {
    in_request: AtomicBool,
    /// How many there were, modulo 2^32 and never 0 again.
    requests: AtomicU32,
    /// What comes now belongs to a body that nobody reads.
    is_over: AtomicBool,
    /// Bytes came that are no request yet.
    in_head: AtomicBool,
    /// Bytes of an answer are left that the system has not taken.
    is_sending: AtomicBool,
    /// The file whose stand-ins come next.
    file: Mutex<Option<FileSlice>>,
    /// The request's body makes HTTP wait: it is to go on without.
    is_leaving: AtomicBool,
    /// Where the rest of the body comes from, once it has left.
    direct: Mutex<Option<Direct>>,
    /// Who talks to the client.
    talk: AtomicWaker,
}

impl Connection {
    /// Whether the request that is being answered should go on without HTTP, and can.
    pub(super) fn is_to_leave(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed) && !self.is_sending.load(Ordering::Relaxed)
    }

    /// From now on the body is read from here.
    pub(super) fn set_direct(&self, direct: Direct) {
        *self.direct() = Some(direct);
    }

    /// What is left of a request that went on without HTTP.
    pub(super) fn take_direct(&self) -> Option<Direct> {
        self.direct().take()
    }

    fn direct(&self) -> MutexGuard<'_, Option<Direct>> {
        self.direct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request is being answered. While one is, its body has its own clock.
    pub(super) fn in_request(&self) -> bool {
        self.in_request.load(Ordering::Acquire)
    }

    /// Whether no further request can come.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Notes whether bytes have come that are no request yet.
    pub(super) fn set_in_head(&self, in_head: bool) {
        self.in_head.store(in_head, Ordering::Relaxed);
    }

    /// Notes whether bytes are left that the system has not taken.
    pub(super) fn set_sending(&self, sending: bool) {
        self.is_sending.store(sending, Ordering::Relaxed);
    }

    /// The file whose stand-ins come now, if they are the first of it.
    pub(super) fn take_file(&self) -> Option<FileSlice> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How many requests there were; 0 before the first one only.
    pub(super) fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Whether a request was answered and another one may come.
    fn is_between(&self) -> bool {
        self.requests() > 0 && !self.in_request() && !self.is_over()
    }

    /// Whether nothing is being asked or answered. What came already of a request after an
    /// answered one does not count: it can be handed on. A request that ends later wakes `talk`.
    pub(super) fn is_silent(&self, talk: &Waker) -> bool {
        if self.in_request() {
            self.talk.register(talk);
        }
        let is_waiting = self.requests() == 0 && !self.in_head.load(Ordering::Relaxed);
        (is_waiting || self.is_between()) && !self.is_sending.load(Ordering::Relaxed)
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
        // One request begins after the other.
        connection.requests.store(connection.requests().wrapping_add(1).max(1), Ordering::Relaxed);
        let body_ended = AtomicBool::new(false);
        Arc::new(Self { connection: Arc::clone(connection), body_ended })
    }

    /// Has a file sent for the stand-ins that come now. The answer before has been sent whole by
    /// then, for HTTP writes no head while anything of another answer is left.
    pub(crate) fn send(&self, file: FileSlice) -> io::Result<()> {
        let mut slot = self.connection.file.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_some() {
            return Err(io::Error::other("a file is waiting to be sent already"));
        }
        *slot = Some(file);
        Ok(())
    }

    /// Asks for the request to go on without HTTP, or no more.
    pub(super) fn set_leaving(&self, leaving: bool) {
        self.connection.is_leaving.store(leaving, Ordering::Relaxed);
    }

    /// Says how many bytes of the body are left, if it is read without HTTP; whether it is.
    pub(super) fn has_left(&self, bytes_left: u64) -> bool {
        let mut direct = self.connection.direct();
        direct.as_mut().map(|direct| direct.set_left(bytes_left)).is_some()
    }

    /// The next bytes of a body that is read without HTTP.
    pub(super) fn poll_direct(&self, context: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        match self.connection.direct().as_mut() {
            Some(direct) => direct.poll_piece(context),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
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
        self.connection.talk.wake();
    }
}
