use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use super::direct::Work;
use super::exchange::Connection;
use crate::answer::Answer;

/// What HTTP is not to take with it when it goes: an answer that it is to send, or the work on one.
#[derive(Clone, Default)]
pub(super) struct Pending(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answer: Option<Box<Answer>>,
    work: Option<Work>,
}

impl Pending {
    pub(super) fn new(answer: Option<Box<Answer>>) -> Self {
        Self(Arc::new(Mutex::new(State { answer, work: None })))
    }

    pub(super) fn take_answer(&self) -> Option<Box<Answer>> {
        self.state().answer.take()
    }

    pub(super) fn take_work(&self) -> Option<Work> {
        self.state().work.take()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work on an answer, as HTTP has it. If HTTP goes and the request stays, it is left behind.
pub(super) struct Relay {
    work: Option<Work>,
    connection: Arc<Connection>,
    pending: Pending,
}

impl Relay {
    pub(super) fn new(work: Work, connection: &Arc<Connection>, pending: &Pending) -> Self {
        let (connection, pending) = (Arc::clone(connection), pending.clone());
        Self { work: Some(work), connection, pending }
    }
}

impl Future for Relay {
    type Output = Result<Answer, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else { return Poll::Pending };
        let answer = ready!(work.as_mut().poll(context));
        self.work = None;
        Poll::Ready(Ok(answer))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if self.connection.is_to_leave() {
            self.pending.state().work = self.work.take();
        }
    }
}
