//! The files of the journal.

use std::fs::File;
use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lru::LruCache;
use rustix::fs::{Advice, fadvise};

use super::record::Place;

/// Files that are kept open for reading.
const OPEN_MAX: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// The segments, for reading.
#[derive(Clone)]
pub(crate) struct Segments {
    directory: Arc<PathBuf>,
    open: Arc<Mutex<LruCache<u64, Arc<File>>>>,
}

impl Segments {
    /// Those of the database at this path.
    pub(crate) fn beside(database: &Path) -> Self {
        let directory = Arc::new(database.with_file_name("journal"));
        Self { directory, open: Arc::new(Mutex::new(LruCache::new(OPEN_MAX))) }
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:010}"))
    }

    /// The bytes of a file. They are those of its version for ever: nothing is written twice.
    pub(crate) fn read(&self, at: Place, size: u64) -> io::Result<Bytes> {
        let size = usize::try_from(size).map_err(io::Error::other)?;
        let mut bytes = vec![0; size];
        self.open(at.segment)?.read_exact_at(&mut bytes, at.place)?;
        Ok(bytes.into())
    }

    pub(crate) fn open(&self, number: u64) -> io::Result<Arc<File>> {
        if let Some(file) = self.lock().get(&number) {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(File::open(self.path(number))?);
        self.lock().put(number, Arc::clone(&file));
        Ok(file)
    }

    /// Has the system forget what it keeps of a part of a segment that was synced. A file that is
    /// read again comes back.
    pub(super) fn leave_cache(&self, number: u64, part: Range<u64>) {
        let length = NonZeroU64::new(part.end.saturating_sub(part.start));
        // Only a matter of memory, and the segment may be gone.
        if let Ok(file) = self.open(number) {
            let _ = fadvise(&file, part.start, length, Advice::DontNeed);
        }
    }

    /// The numbers of all segments, and how many bytes each file has.
    pub(crate) fn all(&self) -> io::Result<Vec<(u64, u64)>> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(self.directory())? {
            let entry = entry?;
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(number) = number {
                all.push((number, entry.metadata()?.len()));
            }
        }
        Ok(all)
    }

    /// Removes a segment; one that is gone already is no error.
    pub(crate) fn remove(&self, number: u64) -> io::Result<()> {
        self.lock().pop(&number);
        match rustix::fs::unlink(self.path(number)) {
            Err(error) if error != rustix::io::Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<u64, Arc<File>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
