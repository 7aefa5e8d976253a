//! The segment that is being written.
//!
//! A group with large files bypasses the system's cache: to copy so much there takes several times as
//! much of the processor as all else that the journal does, and as much time again as the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use super::pages::{Pages, to_next_page};

pub(super) struct Output {
    file: File,
    /// The same file, past the system's cache. Not every file system has that.
    direct: Option<File>,
}

impl Output {
    /// A file that begins with these bytes.
    pub(super) fn create(path: &Path, head: &[u8]) -> io::Result<Self> {
        let mut create = OpenOptions::new();
        create.read(true).write(true).create(true).truncate(true).mode(0o600);
        let file = create.open(path)?;
        write_all(&file, &mut [IoSlice::new(head)], 0)?;
        file.sync_data()?;
        Ok(Self { file, direct: open_direct(path) })
    }

    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { file, direct: open_direct(path) })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Writes slices, which begin at `at` and, if they are large, end with a page. After an error the
    /// file ends at `at`.
    pub(super) fn write(
        &self,
        slices: &mut [IoSlice<'_>],
        at: u64,
        is_large: bool,
    ) -> io::Result<()> {
        let written = match &self.direct {
            Some(direct) if is_large => write_direct(&self.file, direct, slices, at),
            _ => write_all(&self.file, slices, at),
        };
        if written.is_err() {
            let _ = self.file.set_len(at);
        }
        written
    }

    /// Makes what was written durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Gives back the room behind `end`: nothing more will be written.
    pub(super) fn finish(self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.file.sync_data()
    }
}

fn open_direct(path: &Path) -> Option<File> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
    OpenOptions::new().write(true).custom_flags(flags).open(path).ok()
}

/// Up to the next page through the cache: the page has bytes before `at` that are durable, and those
/// are not to be written again. What follows are whole pages.
fn write_direct(
    file: &File,
    direct: &File,
    mut slices: &mut [IoSlice<'_>],
    at: u64,
) -> io::Result<()> {
    let first = to_next_page(at);
    if first > 0 {
        let mut bytes = Vec::with_capacity(first);
        for slice in &*slices {
            let missing = first - bytes.len();
            bytes.extend_from_slice(&slice[..slice.len().min(missing)]);
        }
        write_all(file, &mut [IoSlice::new(&bytes)], at)?;
        IoSlice::advance_slices(&mut slices, bytes.len());
    }
    let place = at + first as u64;
    let written = write_all(direct, &mut Pages::of(slices).slices(), place);
    match written {
        // The disk has larger pages than these.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => write_all(file, slices, place),
        written => written,
    }
}

pub(super) fn write_all(
    file: &File,
    mut slices: &mut [IoSlice<'_>],
    mut place: u64,
) -> io::Result<()> {
    while !slices.is_empty() {
        match rustix::io::pwritev(file, slices, place) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                place += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
