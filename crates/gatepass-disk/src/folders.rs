use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gatepass_core::BlobId;
use rustix::fs::{self, Dir, Mode, OFlags};
use rustix::io::Errno;

/// Folders that blobs are spread over.
pub(crate) const FOLDERS: usize = 256;
const FOLDER_MODE: Mode = Mode::RWXU;

/// The folders, opened once each: every file is reached through the descriptor of its folder, so
/// that nothing on the way to it can be swapped.
pub(crate) struct Folders {
    root: OwnedFd,
    path: PathBuf,
    open: [OnceLock<OwnedFd>; FOLDERS],
    /// Whether those that were there at the start have names that last.
    are_synced: OnceLock<()>,
}

impl Folders {
    /// Opens the root, which is made if it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if let Err(error) = fs::mkdir(path, FOLDER_MODE)
            && error != Errno::EXIST
        {
            return Err(error.into());
        }
        let root = open_directory(path)?;
        // Whoever made it may have been killed before it was synced: nothing is in it until then.
        if is_empty(&root)? {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            fs::fsync(open_directory(above.unwrap_or(Path::new(".")))?)?;
        }
        let open = [const { OnceLock::new() }; FOLDERS];
        Ok(Self { root, path: path.to_owned(), open, are_synced: OnceLock::new() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// The folder of a blob.
    pub(crate) fn of(&self, blob: &BlobId) -> io::Result<&OwnedFd> {
        self.at(index_of(blob))
    }

    /// The folder of a blob, if it is open already.
    pub(crate) fn opened(&self, blob: &BlobId) -> Option<&OwnedFd> {
        self.open.get(index_of(blob))?.get()
    }

    /// The folder with this index, made if it is not there.
    pub(crate) fn at(&self, index: usize) -> io::Result<&OwnedFd> {
        let slot = self.open.get(index).ok_or(io::ErrorKind::InvalidInput)?;
        if let Some(folder) = slot.get() {
            return Ok(folder);
        }
        let folder = self.open_or_make(&format!("{index:02x}"))?;
        Ok(slot.get_or_init(|| folder))
    }

    /// A link in place of a folder is refused: it would lead the blobs astray.
    fn open_or_make(&self, name: &str) -> io::Result<OwnedFd> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat(&self.root, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => {}
            opened => return Ok(opened?),
        }
        match fs::mkdirat(&self.root, name, FOLDER_MODE) {
            Ok(()) => fs::fsync(&self.root)?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(fs::openat(&self.root, name, flags, Mode::empty())?)
    }

    /// Makes the name of a blob durable. Once also those of the folders that were there: whoever made
    /// one may have been killed before it was synced.
    pub(crate) fn sync_name(&self, blob: &BlobId) -> io::Result<()> {
        if self.are_synced.get().is_none() {
            fs::fsync(&self.root)?;
            let _ = self.are_synced.set(());
        }
        Ok(fs::fsync(self.of(blob)?)?)
    }
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn is_empty(directory: &OwnedFd) -> io::Result<bool> {
    for entry in Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A hash of the first characters: names are random, so that folders fill evenly.
pub(crate) fn index_of(blob: &BlobId) -> usize {
    let hash = blob
        .as_str()
        .bytes()
        .take(4)
        .fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
    hash % FOLDERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_spread_evenly() {
        let mut counts = [0; FOLDERS];
        for seed in 0..25_600_u32 {
            let mut random = [0; BlobId::CHARS];
            let mixed = seed.wrapping_mul(2_654_435_761).to_be_bytes();
            random[..4].copy_from_slice(&mixed);
            counts[index_of(&BlobId::from_random(random))] += 1;
        }
        assert!(counts.iter().all(|count| *count > 30), "{counts:?}");
    }
}
