//! Reads records one after the other.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::record::{Cursor, HEAD_BYTES, Head, Place, Record, SEGMENT_HEAD_BYTES, segment_head};
use super::segments::{self, Segments};

/// A record that is whole.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) record: Record,
    /// Where the bytes of its file are.
    pub(crate) place: Place,
    /// Where it ends.
    pub(crate) next: Cursor,
}

/// Reads from a place on, over as many segments as there are.
pub(crate) struct Scan {
    segments: Segments,
    file: Option<Arc<OwnedFd>>,
    at: Cursor,
}

impl Scan {
    /// Begins where a record ends.
    pub(crate) fn from(segments: &Segments, at: Cursor) -> io::Result<Self> {
        let file = if at.segment == 0 { None } else { Some(segments.open(at.segment)?) };
        Ok(Self { segments: segments.clone(), file, at })
    }

    /// Begins with the first record of a segment, and ends with its last; `None` if there is no
    /// such segment.
    pub(crate) fn of(segments: &Segments, number: u64) -> io::Result<Option<Self>> {
        let found = first(segments, number)?;
        Ok(found.map(|(file, at, _)| Self { segments: segments.clone(), file: Some(file), at }))
    }

    /// Where it has come to.
    pub(crate) fn at(&self) -> Cursor {
        self.at
    }

    /// The next record, which may be in the next segment; `None` at the end, and at one that is
    /// not whole.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found>> {
        loop {
            if let Some(found) = self.next_here()? {
                return Ok(Some(found));
            }
            match first(&self.segments, self.at.segment + 1)? {
                Some((file, at, before)) if before == self.at.chain => {
                    (self.file, self.at) = (Some(file), at);
                }
                _ => return Ok(None),
            }
        }
    }

    /// The next record of this segment.
    pub(crate) fn next_here(&mut self) -> io::Result<Option<Found>> {
        let Some(file) = &self.file else { return Ok(None) };
        let found = record(file, self.at)?;
        if let Some(found) = &found {
            self.at = found.next;
        }
        Ok(found)
    }
}

fn record(file: &OwnedFd, at: Cursor) -> io::Result<Option<Found>> {
    let mut head = [0; HEAD_BYTES];
    if !read_exact(file, &mut head, at.place)? {
        return Ok(None);
    }
    let Some(head) = Head::parse(&head, at) else { return Ok(None) };
    let (place, next) = (head.bytes_at(at), head.next(at));
    // Before so much memory is taken.
    if next.place > segments::length(file)? {
        return Ok(None);
    }
    let text = read(file, head.entry_bytes, at.place + HEAD_BYTES as u64)?;
    let bytes = read(file, head.file_bytes, place.place)?;
    let record = text.zip(bytes).and_then(|(text, bytes)| head.record(&text, bytes.into(), at));
    Ok(record.map(|record| Found { record, place, next }))
}

/// A segment, where its first record is, and the checksum of the record before.
fn first(segments: &Segments, number: u64) -> io::Result<Option<(Arc<OwnedFd>, Cursor, u64)>> {
    let file = match segments.open(number) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut head = [0; SEGMENT_HEAD_BYTES];
    if !read_exact(&file, &mut head, 0)? {
        return Ok(None);
    }
    let Some(before) = head.last_chunk::<8>() else { return Ok(None) };
    let before = u64::from_le_bytes(*before);
    let (expected, cursor) = segment_head(number, before);
    Ok((head == expected).then_some((file, cursor, before)))
}

fn read(file: &OwnedFd, length: u32, place: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    Ok(read_exact(file, &mut bytes, place)?.then_some(bytes))
}

/// Whether so many bytes are there.
fn read_exact(file: &OwnedFd, bytes: &mut [u8], place: u64) -> io::Result<bool> {
    match segments::read_exact(file, bytes, place) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
