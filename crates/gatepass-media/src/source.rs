//! A file as parsers see it: bytes anywhere in it, within bounds.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, SeekFrom};

/// Most bytes that are fetched for one file: 64 MiB, above the 16 MiB of the largest image that is
/// decoded and enough for the headers of long recordings.
pub(crate) const FETCHED_BYTES_MAX: u64 = 64 << 20;
/// Most bytes of one fetch: what the store on disk reads at once.
pub(crate) const FETCH_BYTES_MAX: usize = 256 << 10;
/// Bytes of the first fetch: what whoever receives a file still has in memory.
const HEAD_BYTES: usize = 4 << 10;
/// Bytes that are fetched after a jump. Who goes on from there gets twice as many each time.
const JUMP_BYTES: usize = 16 << 10;
/// Fetched pieces that are kept, 2 MiB at most.
const PIECES_KEPT: usize = 8;
/// Most reads of one file. It ends every loop of a parser that reads, however little it reads at
/// a time; what a file of the largest size needs is far below.
const READS_MAX: u32 = 8_000_000;

/// Where the bytes come from.
pub(crate) trait Fetch {
    /// A range of the file, whole. It lies within the file and is not longer than
    /// [`FETCH_BYTES_MAX`].
    fn fetch(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
}

/// Reads a file through a few fetched pieces.
pub(crate) struct Source<'a> {
    bytes: Box<dyn Fetch + 'a>,
    size: u64,
    position: u64,
    pieces: VecDeque<Piece>,
    fetched: u64,
    reads: u32,
}

struct Piece {
    offset: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }

    fn from(&self, offset: u64) -> Option<&[u8]> {
        let skip = usize::try_from(offset.checked_sub(self.offset)?).ok()?;
        self.bytes.get(skip..).filter(|rest| !rest.is_empty())
    }
}

impl<'a> Source<'a> {
    pub(crate) fn new(bytes: impl Fetch + 'a, size: u64) -> Self {
        Self {
            bytes: Box::new(bytes),
            size,
            position: 0,
            pieces: VecDeque::new(),
            fetched: 0,
            reads: 0,
        }
    }

    /// Size of the file in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// `N` bytes from `offset` on; `None` if they are not all there, or a bound is reached.
    pub(crate) fn array<const N: usize>(&mut self, offset: u64) -> Option<[u8; N]> {
        let mut array = [0; N];
        self.position = offset;
        self.read_exact(&mut array).ok()?;
        Some(array)
    }

    /// A big-endian number of 16 bits.
    pub(crate) fn u16(&mut self, offset: u64) -> Option<u16> {
        self.array(offset).map(u16::from_be_bytes)
    }

    /// A big-endian number of 32 bits.
    pub(crate) fn u32(&mut self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_be_bytes)
    }

    /// A big-endian number of 64 bits.
    pub(crate) fn u64(&mut self, offset: u64) -> Option<u64> {
        self.array(offset).map(u64::from_be_bytes)
    }

    /// Up to `length` bytes from `offset` on: fewer at the end of the file, or where a bound is
    /// reached.
    pub(crate) fn up_to(&mut self, offset: u64, length: usize) -> Vec<u8> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = length.min(left);
        let mut bytes = Vec::with_capacity(length);
        self.position = offset;
        // What was read before an error stays.
        let _ = self.by_ref().take(length as u64).read_to_end(&mut bytes);
        bytes
    }

    fn fetch_at(&mut self, offset: u64) -> io::Result<()> {
        let goes_on = self.pieces.back().filter(|last| last.end() == offset);
        let wanted = match goes_on {
            _ if offset < HEAD_BYTES as u64 && self.pieces.is_empty() => HEAD_BYTES,
            Some(last) => last.bytes.len().saturating_mul(2).clamp(JUMP_BYTES, FETCH_BYTES_MAX),
            None => JUMP_BYTES,
        };
        let start = if wanted == HEAD_BYTES { 0 } else { offset };
        let left = usize::try_from(self.size.saturating_sub(start)).unwrap_or(usize::MAX);
        let length = wanted.min(left);
        self.fetched = self.fetched.saturating_add(length as u64);
        if self.fetched > FETCHED_BYTES_MAX {
            return Err(bound("bytes"));
        }
        let bytes = self.bytes.fetch(start, length)?;
        if bytes.len() != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.pieces.len() == PIECES_KEPT {
            self.pieces.pop_front();
        }
        self.pieces.push_back(Piece { offset: start, bytes });
        Ok(())
    }
}

fn bound(of: &str) -> io::Error {
    io::Error::other(format!("too many {of}"))
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads = self.reads.saturating_add(1);
        if self.reads > READS_MAX {
            return Err(bound("reads"));
        }
        let position = self.position;
        if buffer.is_empty() || position >= self.size {
            return Ok(0);
        }
        if !self.pieces.iter().any(|piece| piece.from(position).is_some()) {
            self.fetch_at(position)?;
        }
        let found = self.pieces.iter().rev().find_map(|piece| piece.from(position));
        let mut found = found.unwrap_or_default();
        let count = found.read(buffer)?;
        self.position = position.saturating_add(count as u64);
        Ok(count)
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(delta) => self.size.checked_add_signed(delta),
            SeekFrom::Current(delta) => self.position.checked_add_signed(delta),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// A file in memory.
#[cfg(test)]
impl Fetch for &[u8] {
    fn fetch(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(offset).unwrap();
        Ok(self[start..start + length].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    struct Noted<'a>(&'a RefCell<Vec<(u64, usize)>>, Vec<u8>);

    impl Fetch for Noted<'_> {
        fn fetch(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
            self.0.borrow_mut().push((offset, length));
            self.1.as_slice().fetch(offset, length)
        }
    }

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect()
    }

    #[test]
    fn the_head_is_fetched_alone_and_more_by_who_goes_on() {
        let fetches = RefCell::new(Vec::new());
        let bytes = content(1 << 20);
        let mut source = Source::new(Noted(&fetches, bytes.clone()), 1 << 20);
        assert_eq!(source.array::<4>(100), Some([100, 101, 102, 103]));
        assert_eq!(source.array::<2>(0), Some([0, 1]));
        assert_eq!(*fetches.borrow(), [(0, 4_096)]);
        let _ = source.up_to(0, 60_000);
        let _ = source.array::<1>(900_000);
        assert_eq!(
            *fetches.borrow(),
            [(0, 4_096), (4_096, 16_384), (20_480, 32_768), (53_248, 65_536), (900_000, 16_384)]
        );
        let mut all = Vec::new();
        source.seek(SeekFrom::Start(0)).unwrap();
        source.read_to_end(&mut all).unwrap();
        assert!(all == bytes);
        assert!(fetches.borrow().iter().all(|(_, length)| *length <= FETCH_BYTES_MAX));
    }

    #[test]
    fn bounds_end_every_reader() {
        let mut source = Source::new(Endless, u64::MAX);
        let mut total = 0;
        let mut buffer = vec![0; 1 << 20];
        while let Ok(count) = source.read(&mut buffer) {
            total += count as u64;
        }
        assert!(total <= FETCHED_BYTES_MAX && total > FETCHED_BYTES_MAX / 2);

        let mut source = Source::new(Endless, u64::MAX);
        let mut jumps: u64 = 0;
        while source.array::<1>(jumps * 1_000_003 + 5_000).is_some() {
            jumps += 1;
        }
        assert!(jumps <= FETCHED_BYTES_MAX / JUMP_BYTES as u64);

        let mut source = Source::new(Endless, 10);
        let reads = std::iter::repeat_with(|| source.array::<1>(3)).take_while(Option::is_some);
        assert!(reads.count() <= READS_MAX as usize);
    }

    struct Endless;

    impl Fetch for Endless {
        fn fetch(&mut self, _: u64, length: usize) -> io::Result<Vec<u8>> {
            Ok(vec![0; length])
        }
    }
}
