//! Which bytes of an upload are there.

use std::sync::Arc;

use crate::digest::combine_crc64;
use crate::{ByteRange, Memo};

/// Bytes of an upload that are durable, as one request brought them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Where they are in the file.
    pub range: ByteRange,
    /// CRC-64/NVME of them.
    pub crc64: u64,
    /// By what the store finds them again.
    pub memo: Memo,
}

impl Part {
    /// Whether both are the same bytes. Two processes may have stored them, each in its own place.
    fn is_same(&self, other: &Self) -> bool {
        self.range == other.range && self.crc64 == other.crc64
    }
}

/// The parts of an upload: sorted, not empty, never overlapping.
///
/// ```
/// use gatepass_core::part_map::{Part, PartMap};
/// use gatepass_core::{ByteRange, Memo};
///
/// let range = |start, end| ByteRange::new(start, end).unwrap();
/// let mut map = PartMap::default();
/// map.insert(Part { range: range(10, 20), crc64: 0, memo: Memo::default() }).unwrap();
/// assert_eq!(map.missing(Some(25)), [range(0, 10), range(20, 25)]);
/// assert_eq!(map.offset(), 0);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartMap {
    /// Shared, as they are many and most copies are only looked at.
    parts: Arc<Vec<Part>>,
}

/// A stretch of a request's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// Not there yet: to be written.
    Missing(ByteRange),
    /// Durable already: to be compared.
    Recorded(ByteRange),
}

impl Segment {
    /// The bytes it covers.
    pub fn range(self) -> ByteRange {
        match self {
            Self::Missing(range) | Self::Recorded(range) => range,
        }
    }
}

/// The bytes are there already, from another part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the part overlaps another")]
pub struct Overlap;

impl PartMap {
    /// Every part, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Adds a part. The same part again changes nothing; says whether it was new.
    pub fn insert(&mut self, part: Part) -> Result<bool, Overlap> {
        if part.range.is_empty() {
            return Ok(false);
        }
        let at = self.parts.partition_point(|other| other.range.end() <= part.range.start());
        match self.parts.get(at) {
            Some(other) if other.is_same(&part) => Ok(false),
            Some(other) if other.range.start() < part.range.end() => Err(Overlap),
            _ => {
                Arc::make_mut(&mut self.parts).insert(at, part);
                Ok(true)
            }
        }
    }

    /// The parts that a range touches, in order.
    pub fn overlapping(&self, range: ByteRange) -> &[Part] {
        let first = self.parts.partition_point(|part| part.range.end() <= range.start());
        let past = self.parts.partition_point(|part| part.range.start() < range.end());
        self.parts.get(first..past).unwrap_or_default()
    }

    /// Number of bytes that are there.
    pub fn received(&self) -> u64 {
        self.parts.iter().map(|part| part.range.length()).sum()
    }

    /// Number of bytes that are there without a gap from the beginning.
    pub fn offset(&self) -> u64 {
        self.ranges().first().filter(|range| range.start() == 0).map_or(0, |range| range.end())
    }

    /// Position after the last byte that is there.
    pub fn end(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.range.end())
    }

    /// What is there, neighbours joined.
    pub fn ranges(&self) -> Vec<ByteRange> {
        let mut ranges: Vec<ByteRange> = Vec::new();
        for part in self.parts.iter() {
            match ranges.last_mut() {
                Some(last) if last.end() == part.range.start() => *last = last.until(part.range),
                _ => ranges.push(part.range),
            }
        }
        ranges
    }

    /// The gaps; without a total those before the last byte that is there.
    pub fn missing(&self, total: Option<u64>) -> Vec<ByteRange> {
        let mut gaps = Vec::new();
        let mut at = 0;
        for range in self.ranges() {
            gaps.extend(ByteRange::new(at, range.start()));
            at = range.end();
        }
        gaps.extend(ByteRange::new(at, total.unwrap_or(at)));
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }

    /// Whether every byte of a file of this size is there.
    pub fn is_complete(&self, total: Option<u64>) -> bool {
        total.is_some_and(|total| self.offset() == total)
    }

    /// Divides the bytes of a request into what is missing and what is there.
    pub fn plan(&self, range: ByteRange) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut at = range.start();
        for recorded in self.ranges() {
            let start = recorded.start().clamp(at, range.end());
            let end = recorded.end().clamp(start, range.end());
            segments.extend(ByteRange::new(at, start).map(Segment::Missing));
            segments.extend(ByteRange::new(start, end).map(Segment::Recorded));
            at = end;
        }
        segments.extend(ByteRange::new(at, range.end()).map(Segment::Missing));
        segments.retain(|segment| !segment.range().is_empty());
        segments
    }

    /// CRC-64/NVME of a range, if it is made of whole parts.
    pub fn crc64_of(&self, range: ByteRange) -> Option<u64> {
        let mut crc64 = 0;
        let mut at = range.start();
        let first = self.parts.partition_point(|part| part.range.start() < range.start());
        for part in &self.parts[first..] {
            if at == range.end() {
                break;
            }
            if part.range.start() != at || part.range.end() > range.end() {
                return None;
            }
            crc64 = combine_crc64(crc64, part.crc64, part.range.length());
            at = part.range.end();
        }
        (at == range.end()).then_some(crc64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ContentHasher, ExpectedDigests};

    fn range(start: u64, end: u64) -> ByteRange {
        ByteRange::new(start, end).unwrap()
    }

    fn crc64(bytes: &[u8]) -> u64 {
        let mut hasher = ContentHasher::new(&ExpectedDigests::default());
        hasher.update(bytes);
        hasher.finish().crc64
    }

    const FILE: &[u8] = b"the quick brown fox jumps over the lazy dog; the cat does not care....";

    fn part(start: usize, end: usize) -> Part {
        let (range, crc64) = (range(start as u64, end as u64), crc64(&FILE[start..end]));
        Part { range, crc64, memo: Memo::default() }
    }

    #[test]
    fn parts_never_overlap() {
        let mut map = PartMap::default();
        assert_eq!(map.insert(part(10, 20)), Ok(true));
        assert_eq!(map.insert(part(10, 20)), Ok(false));
        assert_eq!(map.insert(part(20, 30)), Ok(true));
        for (start, end) in [(5, 11), (10, 19), (11, 20), (19, 21), (0, 70), (29, 31)] {
            assert_eq!(map.insert(part(start, end)), Err(Overlap), "{start}-{end}");
        }
        let other = Part { crc64: 1, ..part(10, 20) };
        assert_eq!(map.insert(other), Err(Overlap));
        assert_eq!(map.insert(part(10, 10)), Ok(false));
        assert_eq!((map.received(), map.end(), map.offset()), (20, 30, 0));
        assert_eq!(map.ranges(), [range(10, 30)]);
    }

    #[test]
    fn a_request_is_divided_at_what_is_there() {
        let mut map = PartMap::default();
        map.insert(part(10, 20)).unwrap();
        map.insert(part(30, 40)).unwrap();
        let segments = map.plan(range(5, 35));
        assert_eq!(
            segments,
            [
                Segment::Missing(range(5, 10)),
                Segment::Recorded(range(10, 20)),
                Segment::Missing(range(20, 30)),
                Segment::Recorded(range(30, 35)),
            ]
        );
        assert_eq!(map.plan(range(12, 15)), [Segment::Recorded(range(12, 15))]);
        assert_eq!(map.plan(range(50, 60)), [Segment::Missing(range(50, 60))]);
        assert_eq!(map.plan(range(20, 20)), []);
    }

    #[test]
    fn a_file_is_complete_without_a_gap_only() {
        let mut map = PartMap::default();
        assert!(map.is_complete(Some(0)));
        map.insert(part(0, 10)).unwrap();
        map.insert(part(11, 70)).unwrap();
        assert!(!map.is_complete(Some(70)));
        map.insert(part(10, 11)).unwrap();
        assert!(map.is_complete(Some(70)));
        assert!(!map.is_complete(Some(71)));
        assert!(!map.is_complete(None));
    }

    proptest! {
        /// Against a map of single bytes: cuts in any order, whatever overlaps is refused.
        #[test]
        fn it_agrees_with_a_map_of_bytes(
            cuts in prop::collection::vec((0..70_usize, 0..70_usize), 0..40),
            asked in (0..70_usize, 0..70_usize),
        ) {
            let mut map = PartMap::default();
            let mut there = [false; 70];
            for (start, end) in cuts.into_iter().filter(|(start, end)| start < end) {
                if map.insert(part(start, end)) == Ok(true) {
                    prop_assert!(there[start..end].iter().all(|there| !there));
                    there[start..end].fill(true);
                }
            }
            let received = there.iter().filter(|there| **there).count();
            prop_assert_eq!(map.received(), received as u64);
            let offset = there.iter().take_while(|there| **there).count();
            prop_assert_eq!(map.offset(), offset as u64);
            let missing: u64 = map.missing(Some(70)).iter().map(|gap| gap.length()).sum();
            prop_assert_eq!(missing, 70 - received as u64);
            prop_assert_eq!(map.is_complete(Some(70)), received == 70);

            let (start, end) = (asked.0.min(asked.1), asked.0.max(asked.1));
            let mut at = start;
            for segment in map.plan(range(start as u64, end as u64)) {
                let bytes = segment.range();
                prop_assert_eq!(bytes.start(), at as u64);
                let recorded = matches!(segment, Segment::Recorded(_));
                let until = usize::try_from(bytes.end()).unwrap();
                prop_assert!(there[at..until].iter().all(|there| *there == recorded));
                at = until;
            }
            prop_assert_eq!(at, end);
            if let Some(found) = map.crc64_of(range(start as u64, end as u64)) {
                prop_assert_eq!(found, crc64(&FILE[start..end]));
            }
        }
    }
}
