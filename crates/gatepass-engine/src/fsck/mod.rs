//! Holding the catalog against the store, both ways, beside servers that go on.
//!
//! What looks wrong is looked at again before it is reported: a file may have been replaced and its
//! blob swept, an upload may have become a file. Only what is still so is a finding. What nobody
//! knows counts when it is old; younger blobs may be on their way to the catalog.

mod files;
mod store;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatepass_core::port::{BlobError, BlobListing, BlobStore, Catalog, CatalogError, Clock};
use gatepass_core::{File, Upload};

use store::Stored;

/// What is looked at, and how closely.
pub struct Fsck {
    /// The catalog.
    pub catalog: Arc<dyn Catalog>,
    /// The store.
    pub store: Arc<dyn BlobStore>,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Whether all contents are read and compared with their checksums.
    pub checksums: bool,
    /// From what age on a blob that nobody knows is a finding.
    pub orphan_age_min: Duration,
    /// Whether such blobs are removed.
    pub repair: bool,
    /// How many of them one run keeps in mind to remove; a next run removes more.
    pub orphans_max: usize,
    /// What has been looked at.
    pub progress: Arc<Progress>,
}

/// What has been looked at so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Files of the catalog.
    pub files: AtomicU64,
    /// Bytes that were read and compared.
    pub bytes: AtomicU64,
    /// Unfinished uploads.
    pub uploads: AtomicU64,
    /// Entries of the store's list.
    pub blobs: AtomicU64,
    /// Those that nobody knows, but that may be on their way.
    pub young: AtomicU64,
    /// Orphans that were removed.
    pub removed: AtomicU64,
}

impl Progress {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The store has no blob for a file.
    Missing(File),
    /// The blob of a file has another size.
    WrongSize {
        /// The file.
        file: File,
        /// What was found.
        found: u64,
    },
    /// The bytes of a file are not those that were uploaded.
    Damaged(File),
    /// The store has nothing of an upload that has received something.
    UploadMissing(Box<Upload>),
    /// The store has a blob that the catalog does not know.
    Orphan(BlobListing),
}

/// Why it did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum FsckError {
    /// The catalog failed, or holds a row that makes no sense.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] BlobError),
    /// What would be removed may be somebody's.
    #[error(
        "nothing is removed: {0}; this looks like the store of another catalog, or one that lost blobs"
    )]
    NotRepaired(String),
}

impl Fsck {
    /// Looks at everything; what is wrong is told as it is found.
    pub async fn run(&self, mut tell: impl FnMut(Finding)) -> Result<(), FsckError> {
        let mut missing = 0_u64;
        let unfinished = self
            .check_catalog(&mut |finding| {
                missing += u64::from(matches!(finding, Finding::Missing(_)));
                tell(finding);
            })
            .await?;
        let stored = self.check_store(unfinished, &mut tell).await?;
        if self.repair { self.remove(stored, missing).await } else { Ok(()) }
    }

    /// Removes what nobody knows. A store whose catalog is another one is full of that: hence the
    /// conditions.
    async fn remove(&self, stored: Stored, missing: u64) -> Result<(), FsckError> {
        let refused = |reason: String| Err(FsckError::NotRepaired(reason));
        let Stored { known, orphans, removable } = stored;
        if missing > 0 {
            return refused(format!("{missing} files have no blob in it"));
        }
        if orphans > known {
            return refused(format!(
                "{orphans} of its blobs are not known to the catalog, and {known} are"
            ));
        }
        for orphan in removable {
            let asked = std::slice::from_ref(&orphan.blob);
            let known: HashSet<_> = self.catalog.known_blobs(asked).await?;
            if known.is_empty() {
                self.store.delete(&orphan.blob).await?;
                Progress::add(&self.progress.removed, 1);
            }
        }
        Ok(())
    }
}
