use std::cmp::Ordering;
use std::io;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gatepass_core::port::{
    BlobError, BlobListing, BlobReader, BlobStore, Link, OpenBlob, OpenSlice, Outlook, PartedBlob,
    Staging,
};
use gatepass_core::{BlobId, ByteRange, ContentHasher, Memo, Part, PartMap, Timestamp};
use rustix::fs::{self, AtFlags, Dir, Mode, OFlags};
use rustix::io::Errno;
use tokio::task::spawn_blocking;

use crate::folders::{FOLDERS, Folders, index_of};
use crate::memory::Memory;
use crate::read;
use crate::room::Rooms;
use crate::staging::{DiskStaging, Extent};

/// A blob store on a directory.
#[derive(Clone)]
pub struct DiskStore {
    folders: Arc<Folders>,
    memory: Arc<Memory>,
    rooms: Arc<Rooms>,
    options: DiskOptions,
}

/// Settings of a [`DiskStore`].
#[derive(Debug, Clone, Copy)]
pub struct DiskOptions {
    /// Bytes that uploads leave free, so that the catalog beside the blobs can go on and files
    /// can still be deleted. 64 MiB.
    pub keep_free_bytes: u64,
}

impl Default for DiskOptions {
    fn default() -> Self {
        Self { keep_free_bytes: 64 << 20 }
    }
}

/// Why a directory is not taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {path} for blobs: {source}")]
pub struct OpenError {
    path: String,
    source: io::Error,
}

impl DiskStore {
    /// Opens a directory, which is made if it is not there, and tries to write to it.
    pub fn open(directory: &Path, options: DiskOptions) -> Result<Self, OpenError> {
        let failed = |source| OpenError { path: directory.display().to_string(), source };
        let folders = Folders::open(directory).map_err(failed)?;
        let probe = fs::accessat(
            folders.root(),
            ".",
            fs::Access::WRITE_OK | fs::Access::EXEC_OK,
            AtFlags::EACCESS,
        );
        probe.map_err(|error| failed(error.into()))?;
        let rooms = Arc::new(Rooms::new(options.keep_free_bytes));
        Ok(Self { folders: Arc::new(folders), memory: Arc::default(), rooms, options })
    }

    fn staging(&self, blob: &BlobId, extent: Extent, hasher: ContentHasher) -> Box<dyn Staging> {
        let (folders, rooms) = (Arc::clone(&self.folders), Arc::clone(&self.rooms));
        let memory = Arc::clone(&self.memory);
        Box::new(DiskStaging::new(folders, rooms, memory, blob.clone(), extent, hasher))
    }

    fn check_room(&self) -> Result<(), BlobError> {
        let stat = fs::fstatvfs(self.folders.root()).map_err(|error| blob_error(error.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < self.options.keep_free_bytes {
            let text = format!("only {free} bytes are free at {}", self.folders.path().display());
            return Err(BlobError::Full(io::Error::new(io::ErrorKind::StorageFull, text)));
        }
        Ok(())
    }
}

#[async_trait]
impl BlobStore for DiskStore {
    async fn stage(
        &self,
        blob: &BlobId,
        size: Option<u64>,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError> {
        self.check_room()?;
        Ok(self.staging(blob, Extent::Whole(size), hasher))
    }

    /// The first part makes the file.
    async fn begin(&self, _blob: &BlobId, _outlook: Outlook) -> Result<Memo, BlobError> {
        self.check_room()?;
        Ok(Memo::default())
    }

    async fn stage_part(
        &self,
        blob: &PartedBlob,
        offset: u64,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError> {
        self.check_room()?;
        Ok(self.staging(&blob.id, Extent::Part(offset), hasher))
    }

    /// Parts are in their places already.
    async fn read_part(
        &self,
        blob: &PartedBlob,
        _part: &Part,
        range: ByteRange,
    ) -> Result<BlobReader, BlobError> {
        self.read(&blob.id, range).await
    }

    async fn assemble(&self, blob: &PartedBlob, parts: &PartMap) -> Result<(), BlobError> {
        let (folders, blob, size) = (Arc::clone(&self.folders), blob.id.clone(), parts.end());
        off_thread(move || trim(&folders, &blob, size)).await
    }

    async fn read(&self, blob: &BlobId, range: ByteRange) -> Result<BlobReader, BlobError> {
        read::read(Arc::clone(&self.folders), blob.clone(), range).await
    }

    async fn open(&self, blob: &BlobId, range: ByteRange) -> Result<OpenBlob, BlobError> {
        let file = Arc::new(read::open(&self.folders, blob, range).await?);
        Ok(OpenBlob::Descriptor(OpenSlice { file, begin: 0 }))
    }

    async fn size(&self, blob: &BlobId) -> Result<Option<u64>, BlobError> {
        let (folders, blob) = (Arc::clone(&self.folders), blob.clone());
        off_thread(move || size_of(&folders, &blob)).await
    }

    /// A directory serves nobody.
    fn link(&self, _blob: &BlobId, _link: &Link) -> Option<String> {
        None
    }

    async fn delete(&self, blob: &BlobId) -> Result<(), BlobError> {
        let (folders, blob) = (Arc::clone(&self.folders), blob.clone());
        off_thread(move || unlink(&folders, &blob)).await
    }

    async fn list(&self, cursor: Option<&str>) -> Result<Vec<BlobListing>, BlobError> {
        let folders = Arc::clone(&self.folders);
        let after = cursor.and_then(BlobId::parse);
        off_thread(move || list_after(&folders, after.as_ref())).await
    }

    async fn check(&self) -> Result<(), BlobError> {
        self.check_room()
    }
}

/// Runs something that waits for the disk where it holds nobody up.
pub(crate) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    match spawn_blocking(work).await {
        Ok(result) => result.map_err(blob_error),
        Err(error) => Err(BlobError::Unavailable(io::Error::other(error))),
    }
}

/// What an error of the system means for the caller.
pub(crate) fn blob_error(error: io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::NotFound => BlobError::NotFound,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            BlobError::Full(error)
        }
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => BlobError::Corrupt,
        _ => BlobError::Unavailable(error),
    }
}

/// Cuts off what parts that were given up have left behind the end. Every part is in its place
/// and durable already.
fn trim(folders: &Folders, blob: &BlobId, size: u64) -> io::Result<()> {
    let mut flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // No part ever made an empty file.
    flags.set(OFlags::CREATE, size == 0);
    let folder = folders.of(blob)?;
    let file = fs::openat(folder, blob.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
    if size == 0 {
        folders.sync_name(blob)?;
    }
    let found = u64::try_from(fs::fstat(&file)?.st_size).unwrap_or(0);
    match found.cmp(&size) {
        Ordering::Less => Err(io::ErrorKind::UnexpectedEof.into()),
        Ordering::Equal => Ok(()),
        Ordering::Greater => {
            fs::ftruncate(&file, size)?;
            Ok(fs::fdatasync(&file)?)
        }
    }
}

fn size_of(folders: &Folders, blob: &BlobId) -> io::Result<Option<u64>> {
    match fs::statat(folders.of(blob)?, blob.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(u64::try_from(stat.st_size).unwrap_or(0))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes a blob; one that is not there counts as removed.
pub(crate) fn unlink(folders: &Folders, blob: &BlobId) -> io::Result<()> {
    match fs::unlinkat(folders.of(blob)?, blob.as_str(), AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A page is what one folder holds: the rest of the one with `after`, or the next that is not
/// empty.
fn list_after(folders: &Folders, after: Option<&BlobId>) -> io::Result<Vec<BlobListing>> {
    let first = after.map_or(0, index_of);
    for index in first..FOLDERS {
        let mut page = list_folder(folders, index)?;
        page.sort_unstable_by(|a, b| a.blob.as_str().cmp(b.blob.as_str()));
        if let Some(after) = after.filter(|_| index == first) {
            page.retain(|entry| entry.blob.as_str() > after.as_str());
        }
        if !page.is_empty() {
            return Ok(page);
        }
    }
    Ok(Vec::new())
}

fn list_folder(folders: &Folders, index: usize) -> io::Result<Vec<BlobListing>> {
    let folder = folders.at(index)?;
    let mut page = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_str().ok().and_then(BlobId::parse);
        let Some(blob) = name else { continue };
        let stat = match fs::statat(folder, blob.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Deleted since it was listed.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        page.push(BlobListing {
            cursor: blob.as_str().to_owned(),
            blob,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: Timestamp::from_unix_millis(stat.st_mtime.saturating_mul(1_000)),
        });
    }
    Ok(page)
}
