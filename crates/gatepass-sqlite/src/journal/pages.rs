//! What is to be written, in whole pages of memory and of the file: so the disk takes it from where
//! it is.

use std::io::IoSlice;
use std::ops::Range;

/// What positions and memory have to be multiples of, for the disk to take them as they are.
pub(crate) const PAGE_BYTES: usize = 4_096;

/// Bytes that begin with a page and end with one.
pub(super) struct Pages<'a> {
    /// What does not lie in memory as it is to lie in the file. It begins at `begin`, which is where
    /// a page of memory does.
    copied: Vec<u8>,
    begin: usize,
    pieces: Vec<Piece<'a>>,
}

enum Piece<'a> {
    Copied(Range<usize>),
    /// It is taken from where it is.
    There(&'a [u8]),
}

impl<'a> Pages<'a> {
    /// These slices, of which the first begins with a page.
    pub(super) fn of(slices: &'a [IoSlice<'_>]) -> Self {
        let mut pages = Self::with_room(copied_bytes(slices));
        let (mut position, mut begun) = (0, pages.begin);
        for slice in slices {
            let (before, there, after) = parts(position, slice);
            position += slice.len();
            pages.copied.extend_from_slice(before);
            if !there.is_empty() {
                let copied = begun..pages.copied.len();
                pages.pieces.extend([Piece::Copied(copied), Piece::There(there)]);
                begun = pages.copied.len();
            }
            pages.copied.extend_from_slice(after);
        }
        pages.pieces.push(Piece::Copied(begun..pages.copied.len()));
        pages
    }

    fn with_room(bytes: usize) -> Self {
        let mut copied: Vec<u8> = Vec::with_capacity(bytes + PAGE_BYTES);
        let begin = copied.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
        copied.resize(begin, 0);
        Self { copied, begin, pieces: Vec::new() }
    }

    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let bytes = |piece: &'_ Piece<'a>| match piece {
            Piece::Copied(range) => &self.copied[range.clone()],
            Piece::There(bytes) => bytes,
        };
        self.pieces.iter().map(bytes).filter(|it| !it.is_empty()).map(IoSlice::new).collect()
    }
}

fn copied_bytes(slices: &[IoSlice<'_>]) -> usize {
    let (mut position, mut copied) = (0, 0);
    for slice in slices {
        copied += slice.len() - parts(position, slice).1.len();
        position += slice.len();
    }
    copied
}

/// The whole pages of a slice that can be taken from where they are, and what is before and behind
/// them.
fn parts(position: usize, slice: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let before = slice.as_ptr().align_offset(PAGE_BYTES);
    let is_alike = (position + before).is_multiple_of(PAGE_BYTES);
    let pages = slice.len().saturating_sub(before) / PAGE_BYTES * PAGE_BYTES;
    if !is_alike || pages == 0 {
        return (slice, &[], &[]);
    }
    let (before, rest) = slice.split_at(before);
    let (there, after) = rest.split_at(pages);
    (before, there, after)
}

/// How many bytes are missing from a position to the next page.
pub(super) fn to_next_page(position: u64) -> usize {
    let page = PAGE_BYTES as u64;
    usize::try_from(position.next_multiple_of(page) - position).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that begin so far behind the beginning of a page.
    fn at(offset: usize, length: usize) -> (Vec<u8>, Range<usize>) {
        let bytes: Vec<u8> = (0..=250).cycle().take(length + 2 * PAGE_BYTES).collect();
        let begin = bytes.as_ptr().align_offset(PAGE_BYTES) + offset;
        (bytes, begin..begin + length)
    }

    /// The lengths of what is written of slices of some lengths, which begin so far behind the
    /// beginning of a page of memory: it lies in whole pages, and is what it should be.
    fn lengths(slices: &[(usize, usize)]) -> Vec<usize> {
        let slices: Vec<_> = slices.iter().map(|(offset, length)| at(*offset, *length)).collect();
        let slices: Vec<_> =
            slices.iter().map(|(bytes, range)| IoSlice::new(&bytes[range.clone()])).collect();
        let pages = Pages::of(&slices);
        let written = pages.slices();
        for slice in &written {
            assert_eq!((slice.as_ptr().addr() % PAGE_BYTES, slice.len() % PAGE_BYTES), (0, 0));
        }
        let joined = |slices: &[IoSlice<'_>]| -> Vec<u8> {
            slices.iter().flat_map(|slice| slice.to_vec()).collect()
        };
        assert!(joined(&written) == joined(&slices));
        written.iter().map(|slice| slice.len()).collect()
    }

    #[test]
    fn whole_pages_are_taken_from_where_they_are() {
        assert_eq!(lengths(&[(0, 8_192)]), [8_192]);
        assert_eq!(lengths(&[(5, 1_000), (1_000, 11_288)]), [4_096, 8_192]);
        assert_eq!(lengths(&[(5, 4_096), (0, 8_292), (9, 3_996)]), [4_096, 8_192, 4_096]);
        assert_eq!(lengths(&[(5, 96), (96, 8_192), (0, 4_000)]), [4_096, 4_096, 4_096]);
    }

    #[test]
    fn all_else_is_copied() {
        assert_eq!(lengths(&[(1, 8_192)]), [8_192]);
        assert_eq!(lengths(&[(9, 1), (0, 8_191)]), [8_192]);
        assert_eq!(lengths(&[(0, 0), (0, 1), (1, 4_095)]), [4_096]);
        assert!(lengths(&[]).is_empty());
    }

    #[test]
    fn a_page_ends_where_the_next_begins() {
        assert_eq!([0, 1, 4_095, 4_096].map(to_next_page), [0, 4_095, 1, 0]);
    }
}
