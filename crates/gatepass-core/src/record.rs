//! A catalog, record by record: what an export gives and an import takes, whatever keeps them.

use bytes::Bytes;

use crate::project::{Domain, Project, SealedKey};
use crate::{BlobId, File, Timestamp, Upload};

/// One record of a catalog.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all records are files")]
pub enum Record {
    /// A project.
    Project(Project),
    /// A domain.
    Domain(Domain),
    /// A key, sealed.
    Key(SealedKey),
    /// A file.
    File(FileRecord),
    /// An upload with its parts, unfinished or remembered.
    Upload(Box<Upload>),
    /// A blob that nothing points to any more.
    Retired(RetiredBlob),
}

/// A file, and its bytes if the catalog keeps them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRecord {
    /// The file.
    pub file: File,
    /// Its bytes; there if and only if the file is [`inline`](File::inline).
    pub bytes: Option<Bytes>,
}

/// A blob that is deleted once readers have had their time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetiredBlob {
    /// The blob.
    pub blob: BlobId,
    /// When the last path stopped pointing to it.
    pub at: Timestamp,
}

impl Record {
    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        const ROW: usize = 512;
        ROW + match self {
            Self::File(FileRecord { bytes, .. }) => bytes.as_ref().map_or(0, Bytes::len),
            Self::Upload(upload) => upload.parts.parts().len() * 128,
            _ => 0,
        }
    }
}

/// Records that travel together: bounded in number and in bytes.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Record>,
    weight: usize,
}

impl Batch {
    /// Most records of a batch: few enough for one transaction that holds nobody up for long.
    pub const RECORDS_MAX: usize = 500;
    /// Bytes from which on a batch is full.
    pub const BYTES_MAX: usize = 4 << 20;

    /// Adds a record; returns the batch if it is full now.
    pub fn push(&mut self, record: Record) -> Option<Vec<Record>> {
        self.weight += record.weight();
        self.records.push(record);
        let is_full = self.records.len() >= Self::RECORDS_MAX || self.weight >= Self::BYTES_MAX;
        is_full.then(|| self.take())
    }

    /// What is left, and begins anew.
    pub fn take(&mut self) -> Vec<Record> {
        self.weight = 0;
        std::mem::take(&mut self.records)
    }
}
