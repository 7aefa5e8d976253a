//! Room in a file that its parts are written to at the same time.
//!
//! Where a file has room already, several may write to it at once; elsewhere each has to wait until
//! it has grown by the others' bytes. But asking for room (`fallocate`) waits, too, for everything
//! that is being written to the file, and keeps whoever would begin. So it is asked for rarely, and
//! for all parts together: as much again as has come of all of them, wherever it is needed next.
//! Nobody takes room by promises. What is left over in the end is cut off.

use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gatepass_core::BlobId;
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};

/// Most bytes that are asked for ahead at once.
const AHEAD_BYTES_MAX: u64 = 64 << 20;
/// Stretches of one file that are kept in mind. Who writes to more of them, far apart, does without.
const STRETCHES_MAX: usize = 256;

/// The room of all blobs that parts are being written of.
pub(crate) struct Rooms {
    /// Bytes of the disk that are to be left free.
    keep_free: u64,
    /// Bytes that are being asked for at this moment.
    asking: AtomicU64,
    of_blobs: Mutex<HashMap<BlobId, Weak<Room>>>,
}

/// The room of one blob, as far as the parts know of it that are being written now.
pub(crate) struct Room {
    all: Arc<Rooms>,
    blob: BlobId,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Bytes that were written past the system's cache, or are about to be.
    came: u64,
    /// The disk has no more.
    is_refused: bool,
    /// What was asked for, in order, apart from one another.
    stretches: Vec<Range<u64>>,
}

impl Rooms {
    pub(crate) fn new(keep_free: u64) -> Self {
        Self { keep_free, asking: AtomicU64::new(0), of_blobs: Mutex::default() }
    }

    /// The room of a blob. It is shared with whoever has it already, and forgotten with the last.
    pub(crate) fn of(self: &Arc<Self>, blob: &BlobId) -> Arc<Room> {
        let mut rooms = self.lock();
        if let Some(room) = rooms.get(blob).and_then(Weak::upgrade) {
            return room;
        }
        let all = Arc::clone(self);
        let room = Arc::new(Room { all, blob: blob.clone(), taken: Mutex::default() });
        rooms.insert(blob.clone(), Arc::downgrade(&room));
        room
    }

    /// Asks the file system; says whether there is room.
    fn ask(&self, file: &OwnedFd, asked: &Range<u64>) -> bool {
        let length = asked.end - asked.start;
        // Others ask at the same moment, and to be answered takes a while.
        let asking = self.asking.fetch_add(length, Ordering::Relaxed).saturating_add(length);
        let is_there = has_free(file, asking.saturating_add(self.keep_free))
            && fallocate(file, FallocateFlags::empty(), asked.start, length).is_ok();
        self.asking.fetch_sub(length, Ordering::Relaxed);
        is_there
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BlobId, Weak<Room>>> {
        self.of_blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_free(file: &OwnedFd, bytes: u64) -> bool {
    fstatvfs(file).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= bytes)
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut rooms = self.all.lock();
        // Somebody may have made another one meanwhile.
        if rooms.get(&self.blob).is_some_and(|room| room.strong_count() == 0) {
            rooms.remove(&self.blob);
        }
    }
}

impl Room {
    /// Sees to room in the file for what is going to be written. Without room the write itself will
    /// tell.
    pub(crate) fn take(&self, file: &OwnedFd, write: Range<u64>) {
        let Some(asked) = self.taken().take(write) else { return };
        if !self.all.ask(file, &asked) {
            self.taken().is_refused = true;
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Notes what is going to be written, and says what to ask the file system for before that.
    fn take(&mut self, write: Range<u64>) -> Option<Range<u64>> {
        self.came = self.came.saturating_add(write.end - write.start);
        let is_there = |taken: &Range<u64>| taken.start <= write.start && write.end <= taken.end;
        let touches = |taken: &Range<u64>| taken.start <= write.end && write.start <= taken.end;
        let are_many = self.stretches.len() >= STRETCHES_MAX;
        if self.is_refused
            || self.stretches.iter().any(is_there)
            || are_many && !self.stretches.iter().any(touches)
        {
            return None;
        }
        self.add(write.clone());
        let ahead = self.came.saturating_mul(2).saturating_sub(self.bytes()).min(AHEAD_BYTES_MAX);
        let asked = write.start..write.end.saturating_add(ahead);
        self.add(asked.clone());
        Some(asked)
    }

    /// Adds a stretch; those that it touches become one with it.
    fn add(&mut self, mut added: Range<u64>) {
        self.stretches.retain(|taken| {
            let is_apart = taken.end < added.start || added.end < taken.start;
            if !is_apart {
                added = taken.start.min(added.start)..taken.end.max(added.end);
            }
            is_apart
        });
        let place = self.stretches.partition_point(|taken| taken.start < added.start);
        self.stretches.insert(place, added);
    }

    fn bytes(&self) -> u64 {
        self.stretches.iter().map(|taken| taken.end - taken.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use gatepass_testkit::builders::blob_id;

    use super::*;

    const WRITE: u64 = 256 << 10;
    const CHUNK: u64 = 16 << 20;

    /// Chunks of a file, several at a time, in writes that take turns; how often room was asked for.
    fn chunks(taken: &mut Taken, chunks: u64, at_once: u64) -> usize {
        let mut asked = 0;
        for first in (0..chunks).step_by(usize::try_from(at_once).unwrap()) {
            for offset in (0..CHUNK).step_by(usize::try_from(WRITE).unwrap()) {
                for chunk in first..first + at_once {
                    let at = chunk * CHUNK + offset;
                    asked += usize::from(taken.take(at..at + WRITE).is_some());
                    assert!(taken.bytes() <= 2 * taken.came);
                }
            }
        }
        asked
    }

    #[test]
    fn it_is_asked_for_a_few_times_for_all_parts_together() {
        let mut taken = Taken::default();
        // Seven times for each of the first chunks, and then once for many.
        let begin = chunks(&mut taken, 4, 4);
        assert!(begin <= 7 * 4, "{begin}");
        let mut taken = Taken::default();
        let all = chunks(&mut taken, 128, 4);
        assert!(all <= begin + 2 * 32, "{all}");
        assert_eq!(taken.stretches.len(), 1);
    }

    #[test]
    fn nobody_takes_more_ahead_than_has_come() {
        let mut taken = Taken::default();
        assert_eq!(taken.take(0..CHUNK), Some(0..2 * CHUNK));
        // Far apart, where nothing has come.
        for number in 1..1_000 {
            let at = number << 40;
            taken.take(at..at + WRITE);
            assert!(taken.bytes() <= 2 * taken.came);
        }
        assert_eq!(taken.stretches.len(), STRETCHES_MAX);
        // Where something is already, it goes on.
        let last = taken.stretches[STRETCHES_MAX - 1].end;
        assert!(taken.take(last..last + WRITE).is_some());
        assert_eq!(taken.take(u64::MAX - WRITE..u64::MAX), None);
        assert!(Taken::default().take(u64::MAX - 5..u64::MAX).is_some());
    }

    #[test]
    fn stretches_that_touch_become_one() {
        let mut taken = Taken::default();
        for stretch in [10..20, 40..50, 30..35, 20..30, 0..5] {
            taken.add(stretch);
        }
        assert_eq!(taken.stretches, [0..5, 10..35, 40..50]);
        taken.add(4..60);
        assert_eq!(taken.stretches, std::slice::from_ref(&(0..60)));
        assert_eq!(taken.bytes(), 60);
    }

    #[test]
    fn it_is_shared_and_forgotten_with_the_last_part() {
        let rooms = Arc::new(Rooms::new(0));
        let (first, second) = (rooms.of(&blob_id()), rooms.of(&blob_id()));
        assert_eq!(rooms.lock().len(), 2);
        let again = rooms.of(&first.blob);
        assert!(Arc::ptr_eq(&first, &again));
        drop((first, second));
        assert_eq!(again.taken().take(0..10), Some(0..20));
        assert_eq!(rooms.lock().len(), 1);
        drop(again);
        assert!(rooms.lock().is_empty());
    }
}
