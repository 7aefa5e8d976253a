use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const SLICE: u64 = 1 << 20;

/// Writes files as a durable upload has to, and does nothing else.
pub(crate) struct Writer {
    directory: PathBuf,
    handle: File,
    size: u64,
    slice: Vec<u8>,
}

impl Writer {
    pub(crate) fn new(directory: &Path, client: usize, size: u64) -> io::Result<Self> {
        let directory = directory.join(format!("{}-{client}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let handle = File::open(&directory)?;
        let slice = vec![0x5a; usize::try_from(size.min(SLICE)).unwrap_or(0)];
        Ok(Self { directory, handle, size, slice })
    }

    pub(crate) fn write(&mut self, number: u64) -> io::Result<u64> {
        let path = self.directory.join(number.to_string());
        let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
        let mut left = self.size;
        while left > 0 {
            let length = usize::try_from(left.min(SLICE)).unwrap_or(self.slice.len());
            file.write_all(&self.slice[..length])?;
            left -= length as u64;
        }
        file.sync_data()?;
        self.handle.sync_all()?;
        Ok(self.size)
    }
}
