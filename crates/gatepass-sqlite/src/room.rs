use std::io;
use std::path::{Path, PathBuf};

use gatepass_core::port::CatalogError;
use rustix::fs::statvfs;

/// The disk that the database is on.
pub(crate) struct Room {
    directory: PathBuf,
    pub(crate) keep_free_bytes: u64,
}

impl Room {
    pub(crate) fn new(database: &Path) -> Self {
        let parent = database.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new(".")).to_owned();
        Self { directory, keep_free_bytes: 0 }
    }

    /// Whether files may be added.
    pub(crate) fn check(&self) -> Result<(), CatalogError> {
        if self.keep_free_bytes == 0 {
            return Ok(());
        }
        let stat = statvfs(&self.directory).map_err(|error| unavailable(error.into()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free >= self.keep_free_bytes {
            return Ok(());
        }
        let text = format!("only {free} bytes are free at {}", self.directory.display());
        Err(CatalogError::Full(text.into()))
    }
}

fn unavailable(error: io::Error) -> CatalogError {
    CatalogError::Unavailable(error.into())
}
