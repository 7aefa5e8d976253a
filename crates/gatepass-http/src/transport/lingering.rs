use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Sleep, sleep};

use super::io::deadline;

/// How often is looked whether a client has asked again. Making HTTP's state anew costs a tenth of
/// a small request: who asks several times a second is spared that.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most clients that are waited for, of all listeners: their buffers take 2 MB, which the allocator
/// may keep.
const CLIENTS_MAX: usize = 64;

static PLACES: Semaphore = Semaphore::const_new(CLIENTS_MAX);

/// The wait for another request of a client that has just had an answer.
#[derive(Default)]
pub(super) struct Lingering {
    place: Option<SemaphorePermit<'static>>,
    /// It goes on from request to request: setting a timer costs more than looking in vain.
    next_look: Option<Pin<Box<Sleep>>>,
    requests: u32,
}

impl Lingering {
    /// Called while nothing is asked or answered, after so many requests; ready when none has come
    /// for once or twice the time between two looks, or at once if too many linger already.
    pub(super) fn poll_over(&mut self, context: &mut Context<'_>, requests: u32) -> Poll<()> {
        if requests == 0 {
            return Poll::Ready(());
        }
        if self.place.is_none() {
            let Ok(place) = PLACES.try_acquire() else { return Poll::Ready(()) };
            self.place = Some(place);
        }
        let next_look = self.next_look.get_or_insert_with(|| Box::pin(sleep(LOOK_EVERY)));
        while next_look.as_mut().poll(context).is_ready() {
            if requests == std::mem::replace(&mut self.requests, requests) {
                return Poll::Ready(());
            }
            next_look.as_mut().reset(deadline(LOOK_EVERY));
        }
        Poll::Pending
    }
}
