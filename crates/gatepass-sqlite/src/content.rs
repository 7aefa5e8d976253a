//! Where the bytes of a file are, for whoever reads it.

use std::sync::Arc;

use bytes::Bytes;
use gatepass_core::File;

use crate::files::bytes_at;
use crate::journal::{LARGE_BYTES, Place, Segments};

/// A file, and where its bytes are.
#[derive(Debug, Clone)]
pub(crate) struct FileAndContent {
    pub(crate) file: Arc<File>,
    pub(crate) content: Content,
}

/// Where the bytes of a file are.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// The store has them.
    Stored,
    /// They have been read.
    Memory(Bytes),
    /// In the journal, from where they are sent: to read so many costs more.
    Journal(Place),
}

impl Content {
    /// Of a file whose bytes are at a place in the journal: a small one is read.
    pub(crate) fn at(place: Place, segments: &Segments, file: &File) -> rusqlite::Result<Self> {
        if file.size > LARGE_BYTES as u64 {
            return Ok(Self::Journal(place));
        }
        bytes_at(segments, place, file.size).map(Self::Memory)
    }

    /// Bytes in memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::Stored | Self::Journal(_) => 0,
        }
    }
}
