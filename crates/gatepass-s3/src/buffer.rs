//! Bytes that are gathered before they are sent, and the room that all of them share.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatepass_core::port::BlobError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// What room is counted in, and what a buffer begins with.
const UNIT_BYTES: usize = 64 << 10;
/// How long an upload waits for room. Then it is refused, which makes room for others.
const PATIENCE: Duration = Duration::from_secs(10);

/// The room for all buffers of a store.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / UNIT_BYTES)))
    }

    async fn take(&self, units: usize) -> Result<OwnedSemaphorePermit, BlobError> {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let taken = timeout(PATIENCE, Arc::clone(&self.0).acquire_many_owned(units)).await;
        match taken {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(BlobError::Unavailable(io::Error::new(
                io::ErrorKind::OutOfMemory,
                "too much is on its way to the store",
            ))),
        }
    }
}

/// A buffer that grows as it is filled: by doubling, so that small uploads hold little.
#[derive(Debug)]
pub(crate) struct Buffer {
    room: Room,
    bytes: Vec<u8>,
    held: Option<OwnedSemaphorePermit>,
}

/// Bytes that are gathered, and the room to hold until they are sent.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) bytes: Bytes,
    pub(crate) room: Option<OwnedSemaphorePermit>,
}

impl Buffer {
    pub(crate) fn new(room: Room) -> Self {
        Self { room, bytes: Vec::new(), held: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds bytes. The buffer will be filled to at most `max` bytes.
    pub(crate) async fn push(&mut self, piece: &[u8], max: usize) -> Result<(), BlobError> {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes.capacity() {
            let capacity = needed.next_power_of_two().max(UNIT_BYTES).min(max.max(needed));
            self.grow(capacity).await?;
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }

    /// Makes room for so many bytes at once.
    pub(crate) async fn reserve(&mut self, bytes: usize) -> Result<(), BlobError> {
        if bytes > self.bytes.capacity() { self.grow(bytes).await } else { Ok(()) }
    }

    async fn grow(&mut self, capacity: usize) -> Result<(), BlobError> {
        let held = self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let units = capacity.div_ceil(UNIT_BYTES).saturating_sub(held);
        let permit = self.room.take(units).await?;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        self.bytes.reserve_exact(capacity - self.bytes.len());
        Ok(())
    }

    /// What was gathered; the buffer is empty then.
    pub(crate) fn take(&mut self) -> Filled {
        Filled { bytes: std::mem::take(&mut self.bytes).into(), room: self.held.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn room_is_bounded_and_comes_back() {
        let room = Room::new(4 * UNIT_BYTES);
        let (mut first, mut second) = (Buffer::new(room.clone()), Buffer::new(room.clone()));
        first.push(&vec![1; 3 * UNIT_BYTES], 8 * UNIT_BYTES).await.unwrap();
        assert_eq!(room.0.available_permits(), 0);
        assert!(matches!(second.push(&[1], 10).await, Err(BlobError::Unavailable(_))));
        let filled = first.take();
        assert_eq!((filled.bytes.len(), first.len()), (3 * UNIT_BYTES, 0));
        assert_eq!(room.0.available_permits(), 0);
        drop(filled);
        second.push(&[1], 10).await.unwrap();
        assert_eq!(room.0.available_permits(), 3);
    }
}
