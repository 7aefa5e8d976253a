//! The files of the journal.

use std::fs::File;
use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::ops::{Range, RangeInclusive};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gatepass_core::port::OpenSlice;
use lru::LruCache;
use rustix::fs::{Advice, FlockOperation, fadvise, flock};

use super::record::Place;

/// Files that are kept open for reading.
const OPEN_MAX: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// The segments, for reading.
#[derive(Clone)]
pub(crate) struct Segments {
    directory: Arc<PathBuf>,
    open: Arc<Mutex<LruCache<u64, Arc<OwnedFd>>>>,
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
        let file = self.open(at.segment)?;
        read_exact(&file, &mut bytes, at.place)?;
        Ok(bytes.into())
    }

    pub(crate) fn open(&self, number: u64) -> io::Result<Arc<OwnedFd>> {
        if let Some(file) = self.opened(number) {
            return Ok(file);
        }
        let file = Arc::new(OwnedFd::from(File::open(self.path(number))?));
        self.lock().put(number, Arc::clone(&file));
        Ok(file)
    }

    /// A segment that is open already.
    pub(crate) fn opened(&self, number: u64) -> Option<Arc<OwnedFd>> {
        self.lock().get(&number).cloned()
    }

    /// Makes what is there of these segments durable. There is none with the number 0.
    pub(crate) fn sync(&self, numbers: RangeInclusive<u64>) -> io::Result<()> {
        let mut numbers = numbers.filter(|number| *number > 0);
        numbers.try_for_each(|number| File::open(self.path(number))?.sync_data())
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

    /// The same bytes as [`read`](Self::read) for the system to send; `file` is the
    /// [opened](Self::open) segment.
    pub(crate) fn slice(file: Arc<OwnedFd>, at: Place, size: u64) -> io::Result<OpenSlice> {
        if at.place.saturating_add(size) > length(&file)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(OpenSlice { file, begin: at.place })
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

    /// Keeps segments from being removed for as long as what this returns is there, in any process: for
    /// whoever reads for long what he has found at the beginning. The lock is on the directory that the
    /// database is in, which everybody can open who can read that.
    pub(crate) fn hold(&self) -> io::Result<File> {
        let file = self.hold_file()?;
        flock(&file, FlockOperation::LockShared)?;
        Ok(file)
    }

    /// The right to remove segments, unless somebody holds them.
    pub(crate) fn claim_removal(&self) -> io::Result<Option<File>> {
        let file = self.hold_file()?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn hold_file(&self) -> io::Result<File> {
        let parent = self.directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))
    }

    /// Removes a segment; one that is gone already is no error.
    pub(crate) fn remove(&self, number: u64) -> io::Result<()> {
        self.lock().pop(&number);
        match rustix::fs::unlink(self.path(number)) {
            Err(error) if error != rustix::io::Errno::NOENT => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<u64, Arc<OwnedFd>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads so many bytes, or finds that the file ends before.
pub(super) fn read_exact(file: &OwnedFd, mut bytes: &mut [u8], mut place: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::pread(file, &mut *bytes, place) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                bytes = &mut bytes[count..];
                place += count as u64;
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

pub(super) fn length(file: &OwnedFd) -> io::Result<u64> {
    u64::try_from(rustix::fs::fstat(file)?.st_size).map_err(io::Error::other)
}
