//! Memory that uploads gather their bytes in on their way to the disk.
//!
//! A segment begins and ends where a page of its file does, in memory as in the file, so that the
//! disk can take it from where it is. Segments are used again and again: fresh memory costs the
//! system as much as the copying.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes};

/// Bytes of a segment: that of an upload of middle size, or a quarter of one write.
pub(crate) const SEGMENT_BYTES: usize = 256 << 10;
/// What positions and memory have to be multiples of, for the disk to take them as they are.
pub(crate) const PAGE_BYTES: usize = 4_096;
/// Segments in use at once, 5 MiB. Whoever finds none goes on with what memory the bytes came in.
const SEGMENTS_MAX: usize = 20;
/// What a piece takes beside its bytes.
const PIECE_BYTES: usize = 64;
/// Segments that are kept while none is in use.
const SEGMENTS_KEPT: usize = 4;

/// What all uploads of a store have in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pool: Mutex<Pool>,
    /// Bytes that wait outside of segments.
    loose: AtomicUsize,
}

#[derive(Default)]
struct Pool {
    free: Vec<Vec<u8>>,
    taken: usize,
}

/// A piece in the memory that it came in.
pub(crate) struct Loose {
    memory: Arc<Memory>,
    bytes: Bytes,
}

/// A stretch of a file in memory of ours.
pub(crate) struct Segment {
    memory: Arc<Memory>,
    bytes: Vec<u8>,
    begin: usize,
    end: usize,
    limit: usize,
}

impl Memory {
    /// A segment for what comes from this position of a file on, for an upload that has `own`
    /// already. Nobody gets more than are left, so that few uploads get many, and many some.
    pub(crate) fn segment(self: &Arc<Self>, position: u64, own: usize) -> Option<Segment> {
        let free = {
            let mut pool = self.pool();
            if own >= SEGMENTS_MAX - pool.taken {
                return None;
            }
            pool.taken += 1;
            pool.free.pop()
        };
        // From one page more every segment can begin where a page does.
        let bytes = free.unwrap_or_else(|| vec![0; SEGMENT_BYTES + PAGE_BYTES]);
        let page = bytes.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        let begin = page + within_page(position);
        let memory = Arc::clone(self);
        Some(Segment { memory, bytes, begin, end: begin, limit: page + SEGMENT_BYTES })
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that wait outside of segments.
    pub(crate) fn loose(&self) -> usize {
        self.loose.load(Ordering::Relaxed)
    }

    /// Counts a piece that waits as it came.
    pub(crate) fn keep(self: &Arc<Self>, bytes: Bytes) -> Loose {
        self.loose.fetch_add(loose_cost(&bytes), Ordering::Relaxed);
        Loose { memory: Arc::clone(self), bytes }
    }
}

/// What a piece takes with what goes with it: a client may send bytes one by one.
pub(crate) fn loose_cost(piece: &Bytes) -> usize {
    piece.len() + PIECE_BYTES
}

/// How far into its page a position is.
pub(crate) fn within_page(position: u64) -> usize {
    usize::try_from(position % PAGE_BYTES as u64).unwrap_or(0)
}

impl Segment {
    /// Takes as many of the bytes as there is room for.
    pub(crate) fn fill(&mut self, bytes: &mut Bytes) {
        let count = bytes.len().min(self.room());
        self.bytes[self.end..self.end + count].copy_from_slice(&bytes[..count]);
        bytes.advance(count);
        self.end += count;
    }

    /// How many more bytes it can take.
    pub(crate) fn room(&self) -> usize {
        self.limit - self.end
    }

    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.begin..self.end]
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let mut pool = self.memory.pool();
        pool.taken -= 1;
        pool.free.push(std::mem::take(&mut self.bytes));
        if pool.taken == 0 {
            pool.free.truncate(SEGMENTS_KEPT);
        }
    }
}

impl Loose {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it takes in memory.
    pub(crate) fn cost(&self) -> usize {
        loose_cost(&self.bytes)
    }
}

impl Drop for Loose {
    fn drop(&mut self) {
        self.memory.loose.fetch_sub(self.cost(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_position_are_alike() {
        let memory = Arc::new(Memory::default());
        for position in [0, 1, 4_095, 4_096, 10_000, u64::MAX] {
            let mut segment = memory.segment(position, 0).unwrap();
            let mut bytes = Bytes::from(vec![7; 2 * SEGMENT_BYTES]);
            segment.fill(&mut bytes);
            assert!(segment.is_full());
            assert_eq!(segment.bytes().as_ptr().addr() % PAGE_BYTES, within_page(position));
            assert_eq!(segment.bytes().len(), SEGMENT_BYTES - within_page(position));
            assert_eq!(bytes.len(), SEGMENT_BYTES + within_page(position));
        }
    }

    #[test]
    fn there_are_so_many_and_few_are_kept() {
        let memory = Arc::new(Memory::default());
        let mut taken: Vec<_> = (0..SEGMENTS_MAX).map(|_| memory.segment(0, 0).unwrap()).collect();
        assert!(memory.segment(0, 0).is_none());
        taken.pop();
        assert!(memory.segment(0, 0).is_some());
        taken.clear();
        assert_eq!(memory.pool().free.len(), SEGMENTS_KEPT);
    }

    #[test]
    fn nobody_gets_more_than_are_left() {
        for (uploads, share) in [(1, 10), (3, 5), (7, 2), (20, 1)] {
            let memory = Arc::new(Memory::default());
            let mut own: Vec<Vec<Segment>> = (0..uploads).map(|_| Vec::new()).collect();
            for _ in 0..SEGMENTS_MAX {
                for own in &mut own {
                    own.extend(memory.segment(0, own.len()));
                }
            }
            assert!(own.iter().all(|own| own.len() >= share), "{uploads}");
        }
    }
}
