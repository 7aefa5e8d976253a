//! Cutting what a source sends into slices, each of which is recorded by itself.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use gatepass_core::ByteRange;
use gatepass_core::port::{FetchError, FetchedBody};
use tokio::time::{Instant, timeout_at};

use crate::receive::{Body, BodyError};

/// Slices are at least this long, in bytes: a sync for each is of no weight then.
const BYTES_MIN: u64 = 8 << 20;
/// A slice of a slow source takes at least this long.
const TIME_MIN: Duration = Duration::from_secs(1);
/// Slices grow with what came before by this part, so that their number stays far below that of
/// the parts that an upload may have.
const GROWTH: u32 = 64;

/// A source, of which one slice after the other is taken.
pub(super) struct Source {
    body: FetchedBody,
    begun: Instant,
    rest: Bytes,
    ended: bool,
    failure: Option<FetchError>,
}

/// Bytes until enough have come, or enough time has passed.
pub(super) struct Slice<'a> {
    source: &'a mut Source,
    left: u64,
    taken: u64,
    until: Instant,
}

impl Source {
    pub(super) fn new(body: FetchedBody) -> Self {
        Self { body, begun: Instant::now(), rest: Bytes::new(), ended: false, failure: None }
    }

    /// Whether everything was taken.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// What the source failed with, if it did.
    pub(super) fn take_failure(&mut self) -> Option<FetchError> {
        self.failure.take()
    }

    /// The slice that begins at this offset.
    pub(super) fn slice(&mut self, offset: u64) -> Slice<'_> {
        let until = Instant::now() + slice_time(self.begun.elapsed());
        Slice { source: self, left: slice_bytes(offset), taken: 0, until }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match self.body.next().await {
            Some(Ok(piece)) => Ok(Some(piece)),
            Some(Err(failure)) => {
                self.failure = Some(failure);
                Err(BodyError::Incomplete)
            }
            None => {
                self.ended = true;
                Ok(None)
            }
        }
    }
}

/// The first slice of content of this size, if the source is not slow.
pub(super) fn first(total: Option<u64>) -> ByteRange {
    ByteRange::first(slice_bytes(0).min(total.unwrap_or(u64::MAX)))
}

fn slice_bytes(offset: u64) -> u64 {
    BYTES_MIN.max(offset / u64::from(GROWTH))
}

fn slice_time(elapsed: Duration) -> Duration {
    TIME_MIN.max(elapsed / GROWTH)
}

impl Body for Slice<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.left == 0 || self.source.ended {
            return Ok(None);
        }
        if self.source.rest.is_empty() {
            let next = self.source.next();
            let piece = if self.taken == 0 {
                next.await?
            } else {
                match timeout_at(self.until, next).await {
                    Ok(piece) => piece?,
                    Err(_) => return Ok(None),
                }
            };
            let Some(piece) = piece else { return Ok(None) };
            self.source.rest = piece;
        }
        let length = usize::try_from(self.left).unwrap_or(usize::MAX).min(self.source.rest.len());
        let piece = self.source.rest.split_to(length);
        self.left -= length as u64;
        self.taken += length as u64;
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_slices_is_bounded() {
        let (mut offset, mut slices) = (0_u64, 0);
        while offset < 5 << 40 {
            offset += slice_bytes(offset);
            slices += 1;
        }
        assert!(slices < 1_000, "{slices}");
        let (mut elapsed, mut slices) = (Duration::ZERO, 0);
        while elapsed < Duration::from_hours(7 * 24) {
            elapsed += slice_time(elapsed);
            slices += 1;
        }
        assert!(slices < 1_000, "{slices}");
    }

    async fn take(slice: &mut Slice<'_>) -> usize {
        let mut taken = 0;
        while let Some(piece) = slice.next().await.unwrap() {
            taken += piece.len();
        }
        taken
    }

    #[tokio::test]
    async fn a_piece_may_lie_in_two_slices() {
        let min = usize::try_from(BYTES_MIN).unwrap();
        let pieces = [Bytes::from(vec![1; min - 1]), Bytes::from(vec![2; 10])];
        let mut source = Source::new(Box::pin(futures_util::stream::iter(pieces.map(Ok))));
        assert_eq!(take(&mut source.slice(0)).await, min);
        assert!(!source.has_ended());
        assert_eq!(take(&mut source.slice(BYTES_MIN)).await, 9);
        assert!(source.has_ended());
    }

    #[tokio::test]
    async fn what_a_slow_source_has_sent_is_recorded_meanwhile() {
        let first = futures_util::stream::iter([Ok(Bytes::from_static(b"first"))]);
        let silence = futures_util::stream::pending();
        let mut source = Source::new(Box::pin(first.chain(silence)));
        assert_eq!(take(&mut source.slice(0)).await, 5);
        assert!(!source.has_ended());
    }

    #[tokio::test]
    async fn a_failure_is_no_end_and_is_kept() {
        let pieces = [Ok(Bytes::from_static(b"x")), Err(FetchError::Stalled)];
        let mut source = Source::new(Box::pin(futures_util::stream::iter(pieces)));
        let mut slice = source.slice(0);
        assert!(slice.next().await.is_ok());
        assert_eq!(slice.next().await, Err(BodyError::Incomplete));
        assert!(matches!(source.take_failure(), Some(FetchError::Stalled)));
        assert!(!source.has_ended());
    }
}
