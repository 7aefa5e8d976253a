//! Memory that files gather in which the catalog is to keep.
//!
//! What is in a buffer ends where a page of memory does, as it does in the catalog's file, so that the
//! disk can take it from where it is. Buffers are used again and again: fresh memory costs the system
//! as much as the copying.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of a buffer: the largest file that the catalog keeps unless it is told otherwise. A larger
/// file gets a buffer of its own size, which nobody uses again.
pub(crate) const BUFFER_BYTES: usize = 256 << 10;
const PAGE_BYTES: usize = 4_096;
/// What is behind the end of whatever ends with a page, at most, and before its beginning.
const AROUND_BYTES: usize = 2 * PAGE_BYTES;
/// Buffers that are kept while none is in use.
const KEPT: usize = 4;

/// Buffers that are used again.
#[derive(Default)]
pub(crate) struct Buffers(Mutex<Pool>);

#[derive(Default)]
struct Pool {
    free: Vec<Vec<u8>>,
    taken: usize,
}

/// What has come of one file.
pub(super) struct Buffer {
    buffers: Arc<Buffers>,
    memory: Vec<u8>,
    begin: usize,
    end: usize,
    /// Its share of what may wait, given back together with the memory.
    _room: OwnedSemaphorePermit,
}

impl Buffers {
    /// An empty buffer for so many bytes.
    pub(super) fn take(self: &Arc<Self>, bytes: usize, room: OwnedSemaphorePermit) -> Buffer {
        let free = {
            let mut pool = self.pool();
            pool.taken += 1;
            if bytes <= BUFFER_BYTES { pool.free.pop() } else { None }
        };
        let memory = free.unwrap_or_else(|| vec![0; bytes.max(BUFFER_BYTES) + AROUND_BYTES]);
        let page = memory.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        let begin = page + bytes.next_multiple_of(PAGE_BYTES) - bytes;
        Buffer { buffers: Arc::clone(self), memory, begin, end: begin, _room: room }
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buffer {
    /// Takes as many of the bytes as there is room for.
    pub(super) fn fill(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.memory.len() - self.end);
        self.memory[self.end..self.end + count].copy_from_slice(&bytes[..count]);
        self.end += count;
    }

    pub(super) fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[self.begin..self.end]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut pool = self.buffers.pool();
        pool.taken -= 1;
        if self.memory.len() == BUFFER_BYTES + AROUND_BYTES {
            pool.free.push(std::mem::take(&mut self.memory));
        }
        let kept = pool.taken.max(KEPT);
        pool.free.truncate(kept);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    fn take(buffers: &Arc<Buffers>, bytes: usize) -> Buffer {
        let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        buffers.take(bytes, room)
    }

    #[test]
    fn it_ends_with_a_page_and_holds_what_it_was_given() {
        let buffers = Arc::new(Buffers::default());
        for bytes in [1, BUFFER_BYTES, BUFFER_BYTES + 1, 1 << 20] {
            let content: Vec<u8> = (0..=250).cycle().take(bytes).collect();
            let mut buffer = take(&buffers, bytes);
            content.chunks(10_000).for_each(|piece| buffer.fill(piece));
            let frozen = buffer.freeze();
            assert_eq!(frozen.as_ptr_range().end.addr() % PAGE_BYTES, 0);
            assert!(frozen == content, "{bytes}");
        }
    }

    #[test]
    fn one_that_was_used_is_empty_again() {
        let buffers = Arc::new(Buffers::default());
        take(&buffers, 9).fill(b"something");
        assert_eq!(take(&buffers, 9).as_ref(), b"");
    }

    #[test]
    fn as_many_are_kept_as_are_in_use_or_few() {
        let buffers = Arc::new(Buffers::default());
        let mut taken: Vec<_> = (0..20).map(|_| take(&buffers, 9)).collect();
        drop(take(&buffers, BUFFER_BYTES + 1));
        assert_eq!(buffers.pool().free.len(), 0, "one of another size");
        taken.truncate(12);
        assert_eq!(buffers.pool().free.len(), 8);
        taken.truncate(6);
        assert_eq!(buffers.pool().free.len(), 6);
        taken.clear();
        assert_eq!(buffers.pool().free.len(), KEPT);
        assert_eq!(buffers.pool().taken, 0);
    }
}
