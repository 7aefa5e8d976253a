//! Room in the journal that files have left.
//!
//! A segment that is finished is never written again. When less than half of it is in use, what is in
//! use is appended anew; and when nothing is in use, it goes, after an hour, in which whoever has
//! found a file in it can read it. While somebody exports everything, none goes.

use std::time::Duration;

use gatepass_core::Timestamp;
use gatepass_core::port::CatalogError;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::connection::catalog_error;
use crate::files::unreadable;
use crate::journal::{Kind, Record, Scan, Segments};
use crate::readers::Readers;
use crate::writer::{Writer, noted};

/// How long an empty segment stays.
const KEEP: Duration = Duration::from_hours(1);
/// Bytes of files that are moved at once.
const MOVE_BYTES: usize = 4 << 20;
/// Files that are moved at once: publications wait meanwhile.
const MOVE_FILES: usize = 256;
/// What a record has beside the bytes of its file, about.
const RECORD_BYTES: u64 = 600;

pub(crate) struct JournalRoom<'a> {
    pub(crate) readers: &'a Readers,
    pub(crate) writer: &'a Writer,
    pub(crate) segments: &'a Segments,
}

impl JournalRoom<'_> {
    /// Returns how many bytes it gave back.
    pub(crate) async fn give_back(&self, now: Timestamp) -> Result<u64, CatalogError> {
        let segments = self.segments.clone();
        let finished =
            self.readers.query(move |connection| finished(connection, &segments)).await?;
        for segment in finished.iter().filter(|segment| segment.is_sparse()) {
            self.empty(segment.number).await?;
        }
        let failed = |error: std::io::Error| CatalogError::Unavailable(error.into());
        let Some(_claim) = self.segments.claim_removal().map_err(failed)? else { return Ok(0) };
        let numbers: Vec<u64> = finished.iter().map(|segment| segment.number).collect();
        let empty =
            move |connection: &_| note_empty(connection, &numbers, now).map_err(catalog_error);
        let mut room = 0;
        // This is synced, and so is whatever emptied them.
        for number in self.writer.change(empty).await? {
            self.segments.remove(number).map_err(failed)?;
            room +=
                finished.iter().filter(|it| it.number == number).map(|it| it.length).sum::<u64>();
        }
        Ok(room)
    }

    /// Appends anew what is in use of a segment.
    async fn empty(&self, number: u64) -> Result<(), CatalogError> {
        let segments = self.segments.clone();
        let begin =
            move |_: &Connection| Scan::of(&segments, number).map_err(|error| unreadable(&error));
        let mut rest = self.readers.query(begin).await?;
        while let Some(mut scan) = rest.take() {
            let next = move |connection: &Connection| {
                let records = in_use(connection, &mut scan, number)?;
                Ok((records, scan))
            };
            let (records, scan) = self.readers.query(next).await?;
            if !records.is_empty() {
                self.writer.append(records).await?;
                rest = Some(scan);
            }
        }
        self.writer.settle().await
    }
}

/// A segment that is not written any more, and that the database does not need to catch up.
struct Finished {
    number: u64,
    /// Of the file, in bytes.
    length: u64,
    /// Files that are in use, and their bytes.
    files: u64,
    bytes: u64,
}

impl Finished {
    /// A record is never much shorter than [`RECORD_BYTES`], however small its file: else what is full
    /// of tiny files would be moved again and again.
    fn is_sparse(&self) -> bool {
        self.files > 0 && self.bytes + self.files * RECORD_BYTES < self.length / 2
    }
}

fn finished(connection: &Connection, segments: &Segments) -> rusqlite::Result<Vec<Finished>> {
    let current = noted(connection)?.segment;
    let all = segments.all().map_err(|error| unreadable(&error))?.into_iter();
    all.filter(|(number, _)| *number < current)
        .map(|(number, length)| {
            let used = connection
                .prepare_cached("SELECT files, bytes FROM segments WHERE number = ?1")?
                .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let (files, bytes) = used.unwrap_or_default();
            Ok(Finished { number, length, files, bytes })
        })
        .collect()
}

/// Notes which of these segments are empty now; returns those that have been so for long.
fn note_empty(
    connection: &Connection,
    numbers: &[u64],
    now: Timestamp,
) -> rusqlite::Result<Vec<u64>> {
    let mut gone = Vec::new();
    for number in numbers {
        connection
            .prepare_cached(
                "INSERT INTO segments (number, files, bytes, emptied) VALUES (?1, 0, 0, ?2) \
                 ON CONFLICT (number) DO UPDATE SET emptied = ?2 \
                     WHERE files = 0 AND emptied IS NULL",
            )?
            .execute(params![number, now.unix_millis()])?;
        let removed = connection
            .prepare_cached(
                "DELETE FROM segments WHERE number = ?1 AND files = 0 AND emptied <= ?2",
            )?
            .execute(params![number, now.minus(KEEP).unix_millis()])?;
        if removed > 0 {
            gone.push(*number);
        }
    }
    Ok(gone)
}

/// The next files of a segment that are in use; none at its end.
fn in_use(connection: &Connection, scan: &mut Scan, number: u64) -> rusqlite::Result<Vec<Record>> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    while bytes < MOVE_BYTES && records.len() < MOVE_FILES {
        let Some(found) = scan.next_here().map_err(|error| unreadable(&error))? else { break };
        let Record { file, bytes: Some(content), .. } = found.record else { continue };
        let is_used = connection
            .prepare_cached("SELECT 1 FROM files WHERE id = ?1 AND blob = ?2 AND segment = ?3")?
            .exists(params![file.id.as_str(), file.blob.as_str(), number])?;
        if is_used {
            bytes += content.len();
            records.push(Record { kind: Kind::Moved, file, bytes: Some(content), retired: None });
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_sparse_when_most_of_its_records_are_gone() {
        let is_sparse =
            |files, bytes| Finished { number: 1, length: 64 << 20, files, bytes }.is_sparse();
        assert!(!is_sparse(0, 0), "it is empty");
        for (file_bytes, all) in [(1, 95_000), (100, 88_000), (16 << 10, 3_900), (1 << 20, 63)] {
            assert!(!is_sparse(all, all * file_bytes), "{file_bytes}");
            assert!(!is_sparse(all * 6 / 10, all * 6 / 10 * file_bytes), "{file_bytes}");
            assert!(is_sparse(all * 4 / 10, all * 4 / 10 * file_bytes), "{file_bytes}");
        }
    }
}
