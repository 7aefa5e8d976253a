//! The file that a blob is written to.

use std::io::{self, IoSlice};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{self, Advice, OFlags};
use rustix::io::{Errno, pwritev};

use crate::memory::{PAGE_BYTES, within_page};
use crate::room::Room;

/// Bytes from which on a write bypasses the system's cache. Of what is smaller the copy costs less
/// than the wait for the disk.
const DIRECT_BYTES_MIN: usize = 64 << 10;
/// Bytes after which the system is told to begin writing cached ones to the disk, so that the sync
/// at the end of a large upload has little left to wait for.
const WRITEBACK_BYTES: u64 = 8 << 20;

/// A file, and how far it is written.
pub(crate) struct Output {
    file: OwnedFd,
    at: u64,
    /// Up to where the bytes are on their way to the disk for sure.
    begun: u64,
    /// Whether the descriptor bypasses the cache now.
    is_direct: bool,
    /// Whether it may. Not every file system takes that.
    may_be_direct: bool,
    /// What room the file has; `None` where none is asked for.
    room: Option<Arc<Room>>,
}

impl Output {
    /// Writes from this position on. `may_be_direct` permits to bypass the system's cache: large
    /// files take as much of the processor for being copied there as for all the rest, and
    /// several parts of one file would wait for each other.
    pub(crate) fn new(file: OwnedFd, at: u64, may_be_direct: bool) -> Self {
        Self { file, at, begun: at, is_direct: false, may_be_direct, room: None }
    }

    /// Asks for room before it writes past the system's cache, so that others can write to the same
    /// file at once.
    pub(crate) fn in_room(self, room: Arc<Room>) -> Self {
        Self { room: Some(room), ..self }
    }

    /// Writes what comes next. `is_aligned` says that memory and position are alike within a page.
    pub(crate) fn write(&mut self, pieces: &[&[u8]], is_aligned: bool) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = slices.as_mut_slice();
        // Empty slices at the front would look like a write that makes no progress.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            let left = rest.iter().map(|slice| slice.len()).sum();
            let step = if is_aligned && self.may_be_direct {
                Step::next(self.at, left)
            } else {
                Step { length: left, is_direct: false }
            };
            match self.write_once(rest, step) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.at += count as u64;
                    IoSlice::advance_slices(&mut rest, count);
                }
                Err(Errno::INTR) => {}
                Err(Errno::INVAL) if step.is_direct => self.may_be_direct = false,
                Err(error) => return Err(error.into()),
            }
        }
        self.begin_writeback();
        Ok(())
    }

    fn write_once(&mut self, rest: &[IoSlice<'_>], step: Step) -> rustix::io::Result<usize> {
        if self.is_direct != step.is_direct {
            let flags = if step.is_direct { OFlags::DIRECT } else { OFlags::empty() };
            fs::fcntl_setfl(&self.file, flags)?;
            self.is_direct = step.is_direct;
        }
        if let Some(room) = self.room.as_ref().filter(|_| step.is_direct) {
            room.take(&self.file, self.at..self.at.saturating_add(step.length as u64));
        }
        let count = pwritev(&self.file, &first_bytes(rest, step.length), self.at)?;
        if step.is_direct {
            self.begun = self.at + count as u64;
        }
        Ok(count)
    }

    /// "Don't need" makes Linux begin to write dirty pages out, and drop clean ones: at this moment
    /// these are dirty, and stay in the cache. It is advice, so that nothing depends on it.
    fn begin_writeback(&mut self) {
        let fresh = self.at.saturating_sub(self.begun);
        if fresh >= WRITEBACK_BYTES {
            let fresh = NonZeroU64::new(fresh);
            let _ = fs::fadvise(&self.file, self.begun, fresh, Advice::DontNeed);
            self.begun = self.at;
        }
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(fs::fdatasync(&self.file)?)
    }
}

/// What one call writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    length: usize,
    is_direct: bool,
}

impl Step {
    /// Whole pages bypass the cache; what is before and behind them does not.
    fn next(at: u64, left: usize) -> Self {
        let into_page = within_page(at);
        let pages = left - left % PAGE_BYTES;
        if into_page == 0 && pages >= DIRECT_BYTES_MIN {
            return Self { length: pages, is_direct: true };
        }
        let before = (PAGE_BYTES - into_page) % PAGE_BYTES;
        let is_worth_it = left.saturating_sub(before) >= DIRECT_BYTES_MIN;
        Self { length: if is_worth_it { before } else { left }, is_direct: false }
    }
}

/// The first bytes of some slices.
fn first_bytes<'a>(slices: &'a [IoSlice<'_>], length: usize) -> Vec<IoSlice<'a>> {
    let mut left = length;
    let mut first = Vec::with_capacity(slices.len());
    for slice in slices {
        if left == 0 {
            break;
        }
        let count = slice.len().min(left);
        first.push(IoSlice::new(&slice[..count]));
        left -= count;
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(mut at: u64, mut left: usize) -> Vec<(usize, bool)> {
        let mut steps = Vec::new();
        while left > 0 {
            let Step { length, is_direct } = Step::next(at, left);
            assert!(length > 0 && length <= left);
            if is_direct {
                assert_eq!((within_page(at), length % PAGE_BYTES), (0, 0));
            }
            steps.push((length, is_direct));
            at += length as u64;
            left -= length;
        }
        steps
    }

    #[test]
    fn only_whole_pages_bypass_the_cache() {
        assert_eq!(steps(0, 256 << 10), [(256 << 10, true)]);
        assert_eq!(steps(8_192, 100_000), [(98_304, true), (1_696, false)]);
        assert_eq!(steps(5_000, 100_000), [(3_192, false), (94_208, true), (2_600, false)]);
        assert_eq!(steps(0, 65_535), [(65_535, false)]);
        assert_eq!(steps(5_000, 66_000), [(66_000, false)]);
        assert_eq!(steps(u64::MAX - 10, 3), [(3, false)]);
    }

    #[test]
    fn slices_are_cut_where_the_pages_end() {
        let slices = [IoSlice::new(b"one"), IoSlice::new(b"two"), IoSlice::new(b"three")];
        let lengths = |length| -> Vec<usize> {
            first_bytes(&slices, length).iter().map(|slice| slice.len()).collect()
        };
        assert_eq!(lengths(4), [3, 1]);
        assert_eq!(lengths(6), [3, 3]);
        assert_eq!(lengths(11), [3, 3, 5]);
        assert_eq!(lengths(1), [1]);
    }
}
