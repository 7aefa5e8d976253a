//! Room that a segment takes from the file system before it is needed: to append within it costs
//! less. It is a matter of speed alone, so nothing here fails.
//!
//! Room that was taken and never written is quick to take, and slow to sync once: the file system has
//! to note that it is written now, and to sync its own journal for it. So under load, when many
//! records share a sync, room is only taken. When they come one by one, the room is written with
//! zeroes first; then a sync is one of bytes alone, and takes half the time. That writes each byte
//! twice, and spares about as much of the file system's own. Behind the last record there are zeroes
//! either way: no record begins with them.

use std::fs::File;
use std::io::IoSlice;
use std::ops::Range;

use rustix::fs::{FallocateFlags, fallocate};

use super::output::write_all;

/// What is taken at once.
const TAKEN_BYTES: u64 = 4 << 20;
/// What is written with zeroes at once: fewer than one sync in a hundred has to take it along.
const WRITTEN_BYTES: u64 = 2 << 20;
/// In pieces about as long as a record: the system keeps each in memory as one piece, and counts all
/// of it as written again when a part of it is.
static ZEROES: [u8; 16 << 10] = [0; 16 << 10];
/// A group of records that is no larger is a small one.
const SMALL_BYTES: u64 = 64 << 10;
/// So many small groups in a row are no accident.
const SMALL_GROUPS: u32 = 8;

/// Up to where a segment has room.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    taken: u64,
    /// Up to where it was written, if it was.
    written: u64,
    small_groups: u32,
}

impl Ahead {
    /// A segment of this length.
    pub(super) fn of(length: u64) -> Self {
        Self { taken: length, ..Self::default() }
    }

    /// The next segment, which begins with so many bytes. Whoever comes one by one still does.
    pub(super) fn in_next(&self, length: u64) -> Self {
        Self { small_groups: self.small_groups, ..Self::of(length) }
    }

    /// Sees to it that there is room for a group of records; returns what was taken for it, and for
    /// more.
    pub(super) fn take(&mut self, file: &File, group: Range<u64>) -> Option<Range<u64>> {
        let small = group.end - group.start <= SMALL_BYTES;
        self.small_groups = if small { self.small_groups.saturating_add(1) } else { 0 };
        if self.small_groups >= SMALL_GROUPS && group.end > self.written {
            return self.write(file, group);
        }
        if group.end <= self.taken {
            return None;
        }
        self.taken = group.end + TAKEN_BYTES;
        let _ = fallocate(file, FallocateFlags::empty(), group.start, self.taken - group.start);
        Some(group.start..self.taken)
    }

    fn write(&mut self, file: &File, group: Range<u64>) -> Option<Range<u64>> {
        let written = group.end + WRITTEN_BYTES;
        let mut pieces = (group.end..written).step_by(ZEROES.len());
        if pieces.any(|place| write_all(file, &mut [IoSlice::new(&ZEROES)], place).is_err()) {
            // There may be room for the group alone; and not with each group again.
            let _ = file.set_len(group.end);
            (self.taken, self.small_groups) = (group.end, 0);
            return None;
        }
        self.written = written;
        self.taken = self.taken.max(written);
        Some(group.start..written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: u64 = 17_000;

    /// So many groups of a length, one after the other, and where they end.
    fn groups(ahead: &mut Ahead, file: &File, number: u64, begin: u64, length: u64) -> u64 {
        (0..number).fold(begin, |at, _| {
            ahead.take(file, at..at + length);
            at + length
        })
    }

    #[test]
    fn room_is_written_while_small_groups_come_and_taken_for_large_ones() {
        let file = tempfile::tempfile().unwrap();
        let mut ahead = Ahead::of(0);
        let end = groups(&mut ahead, &file, u64::from(SMALL_GROUPS) - 1, 0, RECORD);
        assert_eq!((ahead.written, ahead.taken), (0, RECORD + TAKEN_BYTES));
        let end = groups(&mut ahead, &file, 1, end, RECORD);
        let written = end + WRITTEN_BYTES;
        assert_eq!(ahead.written, written);
        // Until that is used up, and then again.
        let within = WRITTEN_BYTES / RECORD;
        let end = groups(&mut ahead, &file, within, end, RECORD);
        assert_eq!(ahead.written, written);
        let end = groups(&mut ahead, &file, 1, end, RECORD);
        assert_eq!(ahead.written, end + WRITTEN_BYTES);
        // A load of large groups never writes any.
        let written = ahead.written;
        let end = groups(&mut ahead, &file, 50, end, 4 * SMALL_BYTES);
        assert!(ahead.written == written && ahead.taken >= end && end > written);
    }

    /// A disk with little room is for records, not for zeroes.
    #[test]
    fn zeroes_that_find_no_room_leave_it_to_the_group() {
        let file = File::open("/dev/null").unwrap();
        let mut ahead = Ahead::of(0);
        let end = groups(&mut ahead, &file, u64::from(SMALL_GROUPS) - 1, 0, RECORD);
        let kept = ahead.take(&file, end..end + RECORD);
        assert_eq!((kept, ahead.written, ahead.taken), (None, 0, end + RECORD));
    }

    /// Records that are there are not written over.
    #[test]
    fn zeroes_are_behind_the_group_alone() {
        use std::os::unix::fs::FileExt as _;
        let file = tempfile::tempfile().unwrap();
        let record = vec![7; usize::try_from(RECORD).unwrap()];
        let (mut ahead, mut at) = (Ahead::of(0), 0);
        for number in 0..300_u64 {
            ahead.take(&file, at..at + RECORD);
            file.write_all_at(&record, at).unwrap();
            at += RECORD;
            assert!(ahead.taken >= at, "{number}");
        }
        let mut bytes = vec![0; usize::try_from(at).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 7));
    }
}
