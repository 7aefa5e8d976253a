use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use gatepass_core::port::{BlobError, BlobReader};
use gatepass_core::{BlobId, ByteRange};
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, pread};

use crate::folders::Folders;
use crate::store::{blob_error, off_thread};

/// Bytes that are read at once: large enough that the hop to another thread costs little, small
/// enough that slow readers hold little.
const PIECE_BYTES: u64 = 256 * 1024;

/// An open blob. The descriptor keeps this version, even if the blob is deleted.
struct Open {
    file: Arc<OwnedFd>,
    left: ByteRange,
}

const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Opens a blob that is long enough for a range.
///
/// Nearly every name that is read is one that the kernel remembers: then this takes two
/// microseconds, and going to another thread and back would take ten.
pub(crate) async fn open(
    folders: &Arc<Folders>,
    blob: &BlobId,
    range: ByteRange,
) -> Result<OwnedFd, BlobError> {
    let file = match open_remembered(folders, blob) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Err(BlobError::NotFound),
        // It would have to wait for the disk, or this kernel cannot tell.
        Err(_) => {
            let (folders, blob) = (Arc::clone(folders), blob.clone());
            off_thread(move || open_file(&folders, &blob)).await?
        }
    };
    let stat = fs::fstat(&file).map_err(|error| blob_error(error.into()))?;
    let is_whole = u64::try_from(stat.st_size).is_ok_and(|size| range.end() <= size);
    if is_whole { Ok(file) } else { Err(BlobError::Corrupt) }
}

/// Fails if the name is not in the kernel's cache.
fn open_remembered(folders: &Folders, blob: &BlobId) -> Result<OwnedFd, Errno> {
    let folder = folders.opened(blob).ok_or(Errno::AGAIN)?;
    fs::openat2(folder, blob.as_str(), FLAGS, Mode::empty(), ResolveFlags::CACHED)
}

fn open_file(folders: &Folders, blob: &BlobId) -> io::Result<OwnedFd> {
    Ok(fs::openat(folders.of(blob)?, blob.as_str(), FLAGS, Mode::empty())?)
}

/// Opens a range of a blob and reads its first piece in the same step.
pub(crate) async fn read(
    folders: Arc<Folders>,
    blob: BlobId,
    range: ByteRange,
) -> Result<BlobReader, BlobError> {
    let (file, first) = off_thread(move || {
        let file = open_file(&folders, &blob)?;
        let first = read_piece(&file, range)?;
        Ok((Arc::new(file), first))
    })
    .await?;
    let left = after(range, &first);
    let rest = stream::try_unfold(Open { file, left }, next_piece);
    let first = (!first.is_empty()).then_some(Ok(first));
    Ok(Box::pin(futures_util::StreamExt::chain(stream::iter(first), rest)))
}

async fn next_piece(open: Open) -> Result<Option<(Bytes, Open)>, BlobError> {
    if open.left.is_empty() {
        return Ok(None);
    }
    let (file, left) = (Arc::clone(&open.file), open.left);
    let piece = off_thread(move || read_piece(&file, left)).await?;
    let left = after(left, &piece);
    Ok(Some((piece, Open { left, ..open })))
}

fn after(range: ByteRange, piece: &Bytes) -> ByteRange {
    let start = range.start().saturating_add(piece.len() as u64);
    ByteRange::new(start, range.end()).unwrap_or(ByteRange::first(0))
}

/// Reads the first piece of a range, whole. A file that ends too early is damaged: the missing
/// bytes are an error, not an end.
fn read_piece(file: &OwnedFd, range: ByteRange) -> io::Result<Bytes> {
    let length = usize::try_from(range.length().min(PIECE_BYTES)).unwrap_or(0);
    let mut piece = BytesMut::zeroed(length);
    let mut filled = 0;
    while filled < length {
        match pread(file, &mut piece[filled..], range.start() + filled as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(piece.freeze())
}
