//! The journal: where a publication becomes durable, with the bytes of a small file.
//!
//! SQLite would write a file's bytes twice, and each page that a row touches, and sync once for each
//! transaction; the journal appends what was decided, once, and syncs. SQLite gets the row a little
//! later, together with others, without a sync: after a power cut the rows that it has lost are
//! made again from here (see `writer`). Bytes stay where they were written; a row tells where.
//!
//! One process at a time writes it. Others read.

mod ahead;
mod output;
mod pages;
mod record;
mod scan;
mod segments;

use std::fs::{DirBuilder, File};
use std::io::{self, IoSlice};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use gatepass_core::BlobId;
use rustix::fs::{FlockOperation, flock};

use ahead::Ahead;
use output::Output;
pub(crate) use record::{Cursor, Kind, LARGE_BYTES, Place, Record};
use record::{SEGMENT_HEAD_BYTES, encode, segment_head};
pub(crate) use scan::Scan;
pub(crate) use segments::Segments;

/// A segment is as long as this, or a group of records longer.
const SEGMENT_BYTES: u64 = 64 << 20;
/// What is written lies in the system's cache until the journal is so many segments further. To keep
/// all of it would take memory that others have better use for, and ever fresh pages cost more than
/// used ones.
const CACHED_SEGMENTS: u64 = 2;

/// The journal of the one process that writes it.
pub(crate) struct Journal {
    segments: Segments,
    /// Held as long as this lives.
    _owner: Owner,
    output: Option<Output>,
    end: Cursor,
    ahead: Ahead,
    /// A sync has failed: nothing more is written to this segment.
    failed: bool,
}

/// A record that is durable. The bytes of its file are where it says, and no longer in memory.
#[derive(Debug, Clone)]
pub(crate) struct Accepted {
    pub(crate) kind: Kind,
    pub(crate) file: Arc<gatepass_core::File>,
    pub(crate) retired: Option<BlobId>,
    /// Where the bytes are, unless the store has them.
    pub(crate) place: Option<Place>,
    /// Where the record ends.
    pub(crate) next: Cursor,
}

impl Accepted {
    pub(crate) fn of(record: Record, place: Place, next: Cursor) -> Self {
        let Record { kind, file, bytes, retired } = record;
        Self { kind, file, retired, place: bytes.map(|_| place), next }
    }
}

/// The right to write.
pub(crate) struct Owner(#[expect(dead_code, reason = "closing it ends the lock")] File);

impl Owner {
    /// Takes the right to write the journal, or finds that another has it.
    pub(crate) fn claim(segments: &Segments) -> io::Result<Option<Self>> {
        let directory = segments.directory();
        match DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => sync_directory(directory.parent().unwrap_or(Path::new(".")))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let file = File::open(directory)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl Journal {
    /// Goes on at the end of the records. What was written there is made durable first: it may be
    /// that only the system's memory has it.
    pub(crate) fn resume(
        segments: Segments,
        owner: Owner,
        from: Cursor,
        end: Cursor,
    ) -> io::Result<Self> {
        segments.sync(from.segment..=end.segment)?;
        // Nothing is written to a segment before its name is durable.
        if end.place == SEGMENT_HEAD_BYTES as u64 {
            sync_directory(segments.directory())?;
        }
        let number = end.segment;
        let output = (number > 0).then(|| Output::open(&segments.path(number))).transpose()?;
        let length = output.as_ref().map_or(Ok(0), Output::length)?;
        let ahead = Ahead::of(length);
        Ok(Self { segments, _owner: owner, output, end, ahead, failed: false })
    }

    /// Where the records end.
    pub(crate) fn end(&self) -> Cursor {
        self.end
    }

    /// Whether a new segment has to be begun, and its beginning [noted](Self::noted), before
    /// anything can be written again.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The catalog will look for records from the [end](Self::end) on, and for none before it.
    pub(crate) fn noted(&mut self) {
        self.failed = false;
    }

    /// Appends records, and returns them when they are durable. After an error none of them counts.
    pub(crate) fn append(&mut self, records: Vec<Record>) -> io::Result<Vec<Accepted>> {
        if self.failed {
            return Err(io::Error::other("a sync of the journal has failed"));
        }
        if self.output.is_none() || self.end.place >= SEGMENT_BYTES {
            self.begin_segment()?;
        }
        let Some(output) = &mut self.output else {
            return Err(io::Error::other("no segment is open"));
        };
        let is_large = records.iter().any(Record::is_large);
        let plan = Plan::of(&records, self.end, is_large)?;
        let end = plan.ends.last().map_or(self.end, |(_, _, next)| *next);
        if let Some(taken) = self.ahead.take(output.file(), self.end.place..end.place)
            && let Some(behind) = end.segment.checked_sub(CACHED_SEGMENTS)
        {
            self.segments.leave_cache(behind, taken);
        }
        if let Err(error) = output.write(&mut plan.slices(&records), self.end.place, is_large) {
            self.ahead = Ahead::of(self.end.place);
            return Err(error);
        }
        if let Err(error) = output.sync() {
            self.failed = true;
            return Err(error);
        }
        self.end = end;
        let ends = plan.ends.into_iter();
        let placed = records.into_iter().zip(ends);
        Ok(placed.map(|(record, (_, place, next))| Accepted::of(record, place, next)).collect())
    }

    /// Begins the next segment. What follows the end of the records is of no use to anybody.
    pub(crate) fn begin_segment(&mut self) -> io::Result<()> {
        if let Some(output) = self.output.take().filter(|_| !self.failed) {
            output.finish(self.end.place)?;
        }
        let (head, begin) = segment_head(self.end.segment + 1, self.end.chain);
        let output = Output::create(&self.segments.path(begin.segment), &head)?;
        sync_directory(self.segments.directory())?;
        (self.end, self.ahead) = (begin, self.ahead.in_next(begin.place));
        self.output = Some(output);
        Ok(())
    }
}

/// What is to be written: all records but for the bytes of their files, and of each where its part
/// of that ends, where its bytes are to be, and where it ends in the segment.
struct Plan {
    text: Vec<u8>,
    ends: Vec<(usize, Place, Cursor)>,
}

impl Plan {
    /// If any of the records is large, all of them end with a page.
    fn of(records: &[Record], mut at: Cursor, is_large: bool) -> io::Result<Self> {
        let mut plan = Self { text: Vec::new(), ends: Vec::with_capacity(records.len()) };
        for (index, record) in records.iter().enumerate() {
            let is_last = index + 1 == records.len();
            let to_page = record.is_large() || (is_large && is_last);
            let head = encode(record, at, to_page, &mut plan.text)?;
            let place = head.bytes_at(at);
            at = head.next(at);
            plan.ends.push((plan.text.len(), place, at));
        }
        Ok(plan)
    }

    fn slices<'a>(&'a self, records: &'a [Record]) -> Vec<IoSlice<'a>> {
        let mut begin = 0;
        let mut slices = Vec::with_capacity(2 * records.len());
        for ((end, _, _), record) in self.ends.iter().zip(records) {
            slices.push(IoSlice::new(&self.text[begin..*end]));
            slices.push(IoSlice::new(record.bytes()));
            begin = *end;
        }
        slices
    }
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}
