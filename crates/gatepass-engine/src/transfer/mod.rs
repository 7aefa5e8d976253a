//! Bringing records, and the bytes that they stand for, into an empty catalog and its store: what
//! a restore and a migration do.
//!
//! A note in the catalog says what is being brought in; until it is gone nobody serves the catalog,
//! and the same may be brought in again after any interruption: of what is there nothing is done
//! twice. At the end everything is read back and compared.

mod blob;
mod upload;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gatepass_core::port::{BlobError, BlobStore, Catalog, CatalogError, RecordReader};
use gatepass_core::project::SettingsChange;
use gatepass_core::{BlobId, File, FileRecord, ObjectPath, Record, UploadStatus};
use sha2::{Digest as _, Sha256};

use crate::archive::Line;

pub(crate) use blob::{hasher, is_of};

/// Files that are on their way at the same time.
const FILES_AT_ONCE: usize = 8;

/// Where everything goes.
pub struct Intake {
    /// Takes the records.
    pub catalog: Arc<dyn Catalog>,
    /// Takes the bytes that the catalog does not.
    pub store: Arc<dyn BlobStore>,
    /// Has the blobs, if it is another store than this one.
    pub from: Option<Arc<dyn BlobStore>>,
    /// Leaves unfinished uploads behind whose bytes cannot be moved.
    pub drop_unfinished: bool,
    /// What has been done so far.
    pub progress: Arc<Progress>,
    digest: Sha256,
    may_hold_leftovers: bool,
}

/// What has been done so far, to be looked at from outside.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records that were looked at.
    pub records: AtomicU64,
    /// Files among them.
    pub files: AtomicU64,
    /// Files that were there already.
    pub skipped: AtomicU64,
    /// Blobs that were written.
    pub blobs: AtomicU64,
    /// Bytes of them.
    pub bytes: AtomicU64,
    /// Unfinished uploads that were moved.
    pub uploads: AtomicU64,
    /// Unfinished uploads that were left behind.
    pub uploads_dropped: AtomicU64,
}

impl Progress {
    fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}

/// Why it did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// There is something already.
    #[error("the catalog to fill is not empty: give one that nothing was written to")]
    NotEmpty,
    /// Something else is being brought in.
    #[error(
        "the catalog to fill holds a part of something else ({0}): give one that nothing was written to"
    )]
    Other(String),
    /// A file has no bytes where they come from.
    #[error(
        "the bytes of {0} are not there: run `gatepass fsck`, and delete the file or restore it"
    )]
    Missing(ObjectPath),
    /// They are not those that were uploaded.
    #[error(
        "the bytes of {0} are damaged: run `gatepass fsck --checksums`, and delete the file or restore it"
    )]
    Damaged(ObjectPath),
    /// The parts of an upload cannot be read where they are.
    #[error(
        "the unfinished upload to {0} cannot be moved out of this store: wait until it is finished, or leave such uploads behind with --drop-unfinished"
    )]
    Unfinished(ObjectPath),
    /// What is there now is not what was brought in.
    #[error(
        "what was brought in is not what is there: the source has changed since it was begun, or somebody else wrote; begin again with an empty catalog"
    )]
    Differs,
    /// A store failed.
    #[error("the store failed at {0}")]
    Store(ObjectPath, #[source] BlobError),
    /// A catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl Intake {
    /// Into these; `from` has the blobs if they are to be moved as well.
    pub fn new(
        catalog: Arc<dyn Catalog>,
        store: Arc<dyn BlobStore>,
        from: Option<Arc<dyn BlobStore>>,
    ) -> Self {
        Self {
            catalog,
            store,
            from,
            drop_unfinished: false,
            progress: Arc::default(),
            digest: Sha256::new(),
            may_hold_leftovers: false,
        }
    }

    /// Begins, or goes on with the same.
    pub async fn begin(&mut self, what: &str) -> Result<(), TransferError> {
        let settings = self.catalog.load_settings().await?;
        if let Some(other) = settings.importing {
            self.may_hold_leftovers = true;
            return if other == what { Ok(()) } else { Err(TransferError::Other(other)) };
        }
        if self.catalog.export().await?.next().await.transpose()?.is_some() {
            return Err(TransferError::NotEmpty);
        }
        // Of two that begin at once, one finds another version.
        let alone = SettingsChange::RequireVersion(settings.version);
        let note = SettingsChange::SetImporting(Some(what.to_owned()));
        Ok(self.catalog.change_settings(vec![alone, note]).await?)
    }

    /// Brings records in: first the bytes, then the records.
    pub async fn take(&mut self, batch: Vec<Record>) -> Result<(), TransferError> {
        let total = batch.len() as u64;
        for record in &batch {
            self.note(record);
        }
        let batch = self.without_known(batch).await?;
        let carried: Vec<Option<Record>> = stream::iter(batch)
            .map(|record| self.carry(record))
            .buffered(FILES_AT_ONCE)
            .try_collect()
            .await?;
        let carried: Vec<Record> = carried.into_iter().flatten().collect();
        if carried.iter().any(|record| matches!(record, Record::File(_) | Record::Upload(_))) {
            self.may_hold_leftovers = false;
        }
        self.catalog.import(carried).await?;
        Progress::add(&self.progress.records, total);
        Ok(())
    }

    /// Copies the blobs of files alone, and writes no record. Only files that `source` has still
    /// need to have theirs.
    pub async fn copy_only(
        &self,
        source: &dyn Catalog,
        batch: Vec<Record>,
    ) -> Result<(), TransferError> {
        let stored = |record| match record {
            Record::File(FileRecord { file, bytes: None }) => Some(file),
            _ => None,
        };
        let files = batch.into_iter().filter_map(stored);
        let copies = files.map(|file| async move {
            Progress::add(&self.progress.files, 1);
            match self.carry_file(FileRecord { file: file.clone(), bytes: None }).await {
                Err(TransferError::Missing(_)) if !is_current(source, &file).await? => Ok(()),
                copied => copied.map(drop),
            }
        });
        stream::iter(copies).buffer_unordered(FILES_AT_ONCE).try_collect().await
    }

    /// Reads everything back and compares; then the catalog is one like any other.
    pub async fn end(self) -> Result<(), TransferError> {
        if self.digest_of(self.catalog.export().await?).await? != self.taken() {
            return Err(TransferError::Differs);
        }
        Ok(self.catalog.change_settings(vec![SettingsChange::SetImporting(None)]).await?)
    }

    /// What these records come to, as far as they are moved.
    pub async fn digest_of(&self, mut reader: RecordReader) -> Result<[u8; 32], TransferError> {
        let mut digest = Sha256::new();
        while let Some(batch) = reader.next().await {
            for record in &batch? {
                check_inline(record)?;
                digest.update(self.essence(record).unwrap_or_default());
            }
        }
        Ok(digest.finalize().into())
    }

    /// What the records that were taken come to.
    pub fn taken(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    fn note(&mut self, record: &Record) {
        if let Some(essence) = self.essence(record) {
            self.digest.update(essence);
        }
    }

    /// What has to be the same on both sides: not where bytes are kept, and nothing that only the
    /// store that it is in understands.
    fn essence(&self, record: &Record) -> Option<Vec<u8>> {
        let moves = self.from.is_some();
        match record {
            Record::File(FileRecord { file, .. }) => {
                let file = File { inline: false, ..file.clone() };
                let record = Record::File(FileRecord { file, bytes: None });
                Some(Line::of(&record).to_bytes())
            }
            Record::Upload(upload) if moves && upload.status == UploadStatus::Receiving => None,
            Record::Retired(_) if moves => None,
            record => Some(Line::of(record).to_bytes()),
        }
    }

    /// Files that the catalog has already need nothing.
    async fn without_known(&self, batch: Vec<Record>) -> Result<Vec<Record>, TransferError> {
        let blob = |record: &Record| match record {
            Record::File(FileRecord { file, .. }) => Some(file.blob.clone()),
            _ => None,
        };
        let blobs: Vec<BlobId> = batch.iter().filter_map(blob).collect();
        Progress::add(&self.progress.files, blobs.len() as u64);
        let known = self.catalog.known_blobs(&blobs).await?;
        Progress::add(&self.progress.skipped, known.len() as u64);
        let is_news = |record: &Record| blob(record).is_none_or(|blob| !known.contains(&blob));
        Ok(batch.into_iter().filter(is_news).collect())
    }

    /// Puts the bytes of a record where they belong, and returns it as it is to be written.
    async fn carry(&self, record: Record) -> Result<Option<Record>, TransferError> {
        match record {
            Record::File(record) => Ok(Some(Record::File(self.carry_file(record).await?))),
            Record::Upload(upload) => Ok(self.carry_upload(*upload).await?.map(Record::Upload)),
            Record::Retired(_) if self.from.is_some() => Ok(None),
            record => Ok(Some(record)),
        }
    }
}

/// Whether a version is still the one that its path points to.
pub(crate) async fn is_current(catalog: &dyn Catalog, file: &File) -> Result<bool, CatalogError> {
    let now = catalog.find_file_by_id(&file.project, &file.id).await?;
    Ok(now.is_some_and(|now| now.blob == file.blob))
}

/// Bytes that a catalog keeps are compared wherever they are read.
fn check_inline(record: &Record) -> Result<(), TransferError> {
    match record {
        Record::File(FileRecord { file, bytes: Some(bytes) }) if !is_of(file, bytes) => {
            Err(TransferError::Damaged(file.path.clone()))
        }
        _ => Ok(()),
    }
}
