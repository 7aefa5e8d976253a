//! A record of the journal: its form, purely.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `GPj1` |
//! | 4 | length of the entry |
//! | 4 | length of the file's bytes |
//! | 4 | zero |
//! | 8 | checksum of the record before, or of the segment's head |
//! | 8 | checksum of all that, the record's place, and what follows |
//! | | the entry, as JSON, with spaces behind it so that some records end with a page |
//! | | the bytes of the file |
//!
//! Numbers are little-endian, checksums CRC-64/NVME. Since each record names the one before, what is
//! left of a write that failed is never taken for what was written over it.

use std::sync::Arc;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use gatepass_core::{BlobId, File};
use serde::{Deserialize, Serialize};

use super::pages::to_next_page;

/// What the catalog is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// What it is about.
    pub(crate) kind: Kind,
    /// The file as it is from then on.
    pub(crate) file: Arc<File>,
    /// Its bytes, unless the store has them.
    pub(crate) bytes: Option<Bytes>,
    /// The blob in the store that nothing points to any more.
    pub(crate) retired: Option<BlobId>,
}

impl Record {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }

    /// Whether its bytes are many. Then the record ends with a page, so that the disk can take most
    /// of it from where it is in memory.
    pub(crate) fn is_large(&self) -> bool {
        self.bytes().len() > LARGE_BYTES
    }
}

/// A record but for the bytes of its file.
#[derive(Deserialize)]
struct Entry {
    kind: Kind,
    file: File,
    #[serde(default)]
    retired: Option<BlobId>,
}

impl Entry {
    fn with(self, bytes: Bytes) -> Record {
        let bytes = self.file.inline.then_some(bytes);
        Record { kind: self.kind, file: Arc::new(self.file), bytes, retired: self.retired }
    }
}

/// Likewise, to be written.
#[derive(Serialize)]
struct EntryText<'a> {
    kind: Kind,
    file: &'a File,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired: Option<&'a BlobId>,
}

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A publication: the path points to the file.
    Published,
    /// A file of an export, which is left out if its path or id is taken.
    Added,
    /// The bytes of a file that is there, from a segment that is to go.
    Moved,
}

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Cursor {
    /// The number of the segment; 0 before the first.
    pub(crate) segment: u64,
    /// Bytes from its beginning.
    pub(crate) place: u64,
    /// The checksum of the record before.
    pub(crate) chain: u64,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: u64,
    pub(crate) place: u64,
}

/// With more bytes than that a file is large: half a page, which is what it takes to end with one, is
/// little beside it.
pub(crate) const LARGE_BYTES: usize = 64 << 10;

const MAGIC: [u8; 4] = *b"GPj1";
/// Length of what precedes the entry.
pub(crate) const HEAD_BYTES: usize = 32;
/// Length of a segment's head.
pub(crate) const SEGMENT_HEAD_BYTES: usize = 24;
const SEGMENT_MAGIC: [u8; 8] = *b"GPjourn1";

/// What precedes the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) entry_bytes: u32,
    pub(crate) file_bytes: u32,
    chain: u64,
    check: u64,
}

impl Head {
    /// Reads it; `None` if there is no record that follows the one before.
    pub(crate) fn parse(bytes: &[u8; HEAD_BYTES], at: Cursor) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (entry_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (file_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (_zero, rest) = rest.split_first_chunk::<4>()?;
        let (chain, rest) = rest.split_first_chunk::<8>()?;
        let head = Self {
            entry_bytes: u32::from_le_bytes(*entry_bytes),
            file_bytes: u32::from_le_bytes(*file_bytes),
            chain: u64::from_le_bytes(*chain),
            check: u64::from_le_bytes(*rest.first_chunk::<8>()?),
        };
        (*magic == MAGIC && head.chain == at.chain).then_some(head)
    }

    /// Reads what follows it; `None` if it is not what was written.
    pub(crate) fn record(&self, text: &[u8], bytes: Bytes, at: Cursor) -> Option<Record> {
        let whole = self.check == check(self.entry_bytes, self.file_bytes, at, text, &bytes);
        let entry: Option<Entry> = if whole { serde_json::from_slice(text).ok() } else { None };
        entry.map(|entry| entry.with(bytes))
    }

    /// Where the bytes of the file are.
    pub(crate) fn bytes_at(&self, at: Cursor) -> Place {
        let place = at.place + HEAD_BYTES as u64 + u64::from(self.entry_bytes);
        Place { segment: at.segment, place }
    }

    /// Where the next record is.
    pub(crate) fn next(&self, at: Cursor) -> Cursor {
        let place = self.bytes_at(at).place + u64::from(self.file_bytes);
        Cursor { place, chain: self.check, ..at }
    }
}

/// Writes a record but for the bytes of its file. `to_page` has it end with a page.
pub(crate) fn encode(
    record: &Record,
    at: Cursor,
    to_page: bool,
    out: &mut Vec<u8>,
) -> Result<Head, serde_json::Error> {
    let begin = out.len();
    out.extend_from_slice(&[0; HEAD_BYTES]);
    let Record { kind, file, retired, .. } = record;
    let text = EntryText { kind: *kind, file, retired: retired.as_ref() };
    serde_json::to_writer(&mut *out, &text)?;
    if to_page {
        let length = (out.len() - begin + record.bytes().len()) as u64;
        out.resize(out.len() + to_next_page(at.place + length), b' ');
    }
    let too_long = |_| serde::ser::Error::custom("a record is too long");
    let entry_bytes = u32::try_from(out.len() - begin - HEAD_BYTES).map_err(too_long)?;
    let file_bytes = u32::try_from(record.bytes().len()).map_err(too_long)?;
    let text = &out[begin + HEAD_BYTES..];
    let check = check(entry_bytes, file_bytes, at, text, record.bytes());
    let head = Head { entry_bytes, file_bytes, chain: at.chain, check };
    let fields: [&[u8]; 6] = [
        &MAGIC,
        &entry_bytes.to_le_bytes(),
        &file_bytes.to_le_bytes(),
        &[0; 4],
        &at.chain.to_le_bytes(),
        &check.to_le_bytes(),
    ];
    out[begin..begin + HEAD_BYTES].copy_from_slice(&fields.concat());
    Ok(head)
}

fn check(entry_bytes: u32, file_bytes: u32, at: Cursor, text: &[u8], bytes: &[u8]) -> u64 {
    let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
    digest.update(&entry_bytes.to_le_bytes());
    digest.update(&file_bytes.to_le_bytes());
    digest.update(&at.chain.to_le_bytes());
    digest.update(&at.segment.to_le_bytes());
    digest.update(&at.place.to_le_bytes());
    digest.update(text);
    digest.update(bytes);
    digest.finalize()
}

/// What a segment begins with, after the records before it; and where its first record is.
pub(crate) fn segment_head(number: u64, chain: u64) -> ([u8; SEGMENT_HEAD_BYTES], Cursor) {
    let mut head = [0; SEGMENT_HEAD_BYTES];
    let fields: [&[u8]; 3] = [&SEGMENT_MAGIC, &number.to_le_bytes(), &chain.to_le_bytes()];
    head.copy_from_slice(&fields.concat());
    let chain = crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &head);
    (head, Cursor { segment: number, place: SEGMENT_HEAD_BYTES as u64, chain })
}

#[cfg(test)]
mod tests {
    use gatepass_core::publication::{self, NewFile};
    use gatepass_core::{FileId, MediaId};
    use gatepass_testkit::builders::{new_file, noise, time};

    use super::*;

    fn record() -> Record {
        let bytes = noise(1, 50);
        let new = new_file("a", time(1));
        let (id, media_id) = (FileId::from_random([1; 16]), MediaId::from_random([2; 16]));
        let blob = BlobId::from_random([3; BlobId::CHARS]);
        let file = publication::publish(NewFile { id, media_id, blob, ..new }, None).unwrap().file;
        let file = File { inline: true, size: 50, crc64: 7, ..file };
        Record { kind: Kind::Published, file: Arc::new(file), bytes: Some(bytes), retired: None }
    }

    const AT: Cursor = Cursor { segment: 3, place: 99, chain: 7 };

    fn written() -> (Vec<u8>, Head) {
        let mut out = Vec::new();
        let head = encode(&record(), AT, false, &mut out).unwrap();
        (out, head)
    }

    fn read(bytes: &[u8], at: Cursor) -> Option<Record> {
        let (head, text) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let head = Head::parse(head, at)?;
        head.record(text.get(..usize::try_from(head.entry_bytes).unwrap())?, noise(1, 50), at)
    }

    #[test]
    fn it_is_read_as_it_was_written_and_there_alone() {
        let (out, head) = written();
        assert_eq!(read(&out, AT), Some(record()));
        assert_eq!(head.bytes_at(AT).place, 99 + out.len() as u64);
        assert_eq!(head.next(AT).place, 99 + out.len() as u64 + 50);
        for elsewhere in
            [Cursor { segment: 4, ..AT }, Cursor { place: 100, ..AT }, Cursor { chain: 8, ..AT }]
        {
            assert_eq!(read(&out, elsewhere), None);
        }
    }

    #[test]
    fn no_flipped_bit_is_read() {
        let (out, _) = written();
        for bit in 0..out.len() * 8 {
            let mut flipped = out.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // The four bytes of zero are for later.
            let reserved = (12 * 8..16 * 8).contains(&bit);
            assert_eq!(read(&flipped, AT).is_some(), reserved, "bit {bit}");
        }
        for length in 0..out.len() {
            assert_eq!(read(&out[..length], AT), None);
        }
    }

    #[test]
    fn bytes_that_were_not_written_are_not_taken() {
        let (out, head) = written();
        let text = &out[HEAD_BYTES..];
        assert_eq!(head.record(text, noise(1, 50), AT), Some(record()));
        assert_eq!(head.record(text, noise(2, 50), AT), None);
        assert_eq!(head.record(text, noise(1, 49), AT), None);
    }

    #[test]
    fn segments_follow_one_another() {
        let (first, cursor) = segment_head(1, 5);
        assert_ne!((first, cursor), segment_head(1, 6));
        assert_ne!(cursor.chain, segment_head(2, 5).1.chain);
    }
}
