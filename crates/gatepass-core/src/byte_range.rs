//! Ranges of bytes: half-open inside, inclusive only on the wire.

use std::ops::Range;

/// A range of bytes, half-open: `start..end` with `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ByteRange {
    start: u64,
    end: u64,
}

impl ByteRange {
    /// A range, or `None` if it ends before it starts.
    pub fn new(start: u64, end: u64) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// The first `length` bytes.
    pub fn first(length: u64) -> Self {
        Self { start: 0, end: length }
    }

    /// Position of the first byte.
    pub fn start(self) -> u64 {
        self.start
    }

    /// Position after the last byte.
    pub fn end(self) -> u64 {
        self.end
    }

    /// Number of bytes.
    pub fn length(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// From here to the end of a range that follows.
    #[must_use]
    pub fn until(self, following: Self) -> Self {
        Self { start: self.start, end: following.end.max(self.start) }
    }

    /// Whether the two have bytes in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether there are no bytes in it.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl From<ByteRange> for Range<u64> {
    fn from(range: ByteRange) -> Self {
        range.start..range.end
    }
}

/// One `Range` as a client wrote it (RFC 9110, section 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// `bytes=first-` or `bytes=first-last`.
    From {
        /// Position of the first byte.
        first: u64,
        /// Position of the last byte, if given.
        last: Option<u64>,
    },
    /// `bytes=-length`: so many bytes from the end.
    Suffix {
        /// Number of bytes.
        length: u64,
    },
}

/// What a range request gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// These bytes of the file: 206.
    Part(ByteRange),
    /// The whole file: 200. The end of an empty file can be asked for, and no `Content-Range` can
    /// say that it was sent.
    Whole,
    /// None: the range lies outside the file: 416.
    Unsatisfiable,
}

/// Applies a range to a file of `length` bytes.
///
/// ```
/// use gatepass_core::byte_range::{RangeSpec, Resolved, resolve};
///
/// let Resolved::Part(range) = resolve(RangeSpec::Suffix { length: 5 }, 3) else { panic!() };
/// assert_eq!((range.start(), range.end()), (0, 3));
/// assert_eq!(resolve(RangeSpec::From { first: 3, last: None }, 3), Resolved::Unsatisfiable);
/// ```
pub fn resolve(spec: RangeSpec, length: u64) -> Resolved {
    let range = match spec {
        RangeSpec::From { first, last } => {
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            ByteRange::new(first, end)
        }
        RangeSpec::Suffix { length: suffix } if suffix > 0 && length == 0 => {
            return Resolved::Whole;
        }
        RangeSpec::Suffix { length: suffix } => {
            ByteRange::new(length.saturating_sub(suffix), length)
        }
    };
    match range {
        Some(range) if !range.is_empty() => Resolved::Part(range),
        _ => Resolved::Unsatisfiable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(start: u64, end: u64) -> Resolved {
        Resolved::Part(ByteRange { start, end })
    }

    #[test]
    fn resolves_within_the_file_only() {
        let from = |first, last| RangeSpec::From { first, last };
        let suffix = |length| RangeSpec::Suffix { length };
        for (spec, length, expected) in [
            (from(0, None), 10, part(0, 10)),
            (from(2, Some(4)), 10, part(2, 5)),
            (from(9, Some(u64::MAX)), 10, part(9, 10)),
            (from(10, None), 10, Resolved::Unsatisfiable),
            (from(u64::MAX, Some(u64::MAX)), 10, Resolved::Unsatisfiable),
            (from(0, Some(0)), 0, Resolved::Unsatisfiable),
            (suffix(3), 10, part(7, 10)),
            (suffix(u64::MAX), 10, part(0, 10)),
            (suffix(0), 10, Resolved::Unsatisfiable),
            (suffix(0), 0, Resolved::Unsatisfiable),
            (suffix(1), 0, Resolved::Whole),
        ] {
            assert_eq!(resolve(spec, length), expected, "{spec:?} of {length}");
        }
    }
}
