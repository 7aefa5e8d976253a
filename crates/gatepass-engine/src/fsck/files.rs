//! From the catalog to the store: has each file its bytes, each upload something?

use std::collections::HashMap;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gatepass_core::port::BlobError;
use gatepass_core::{BlobId, ByteRange, File, FileRecord, Record, Upload, UploadStatus};

use super::{Finding, Fsck, FsckError, Progress};
use crate::transfer::{hasher, is_current, is_of};

/// Blobs that are looked at at the same time.
const AT_ONCE: usize = 16;

impl Fsck {
    /// Returns the unfinished uploads of which the store has to have something.
    pub(super) async fn check_catalog(
        &self,
        tell: &mut impl FnMut(Finding),
    ) -> Result<HashMap<BlobId, Upload>, FsckError> {
        let mut unfinished = HashMap::new();
        let mut reader = self.catalog.export().await?;
        while let Some(batch) = reader.next().await {
            let mut files = Vec::new();
            for record in batch? {
                match record {
                    Record::File(file) => files.push(file),
                    Record::Upload(upload) if upload.status == UploadStatus::Receiving => {
                        Progress::add(&self.progress.uploads, 1);
                        if !upload.parts.parts().is_empty() {
                            unfinished.insert(upload.blob.clone(), *upload);
                        }
                    }
                    _ => {}
                }
            }
            let found: Vec<_> = stream::iter(files)
                .map(|file| self.check_file(file))
                .buffer_unordered(AT_ONCE)
                .try_collect()
                .await?;
            found.into_iter().flatten().for_each(&mut *tell);
        }
        Ok(unfinished)
    }

    async fn check_file(&self, record: FileRecord) -> Result<Option<Finding>, FsckError> {
        let FileRecord { file, bytes } = record;
        let found = match bytes {
            Some(bytes) => self.check_inline(&file, &bytes),
            None => self.check_stored(&file).await?,
        };
        Progress::add(&self.progress.files, 1);
        if found.is_none() || is_current(self.catalog.as_ref(), &file).await? {
            Ok(found)
        } else {
            Ok(None)
        }
    }

    fn check_inline(&self, file: &File, bytes: &Bytes) -> Option<Finding> {
        Progress::add(&self.progress.bytes, bytes.len() as u64);
        (!is_of(file, bytes)).then(|| Finding::Damaged(file.clone()))
    }

    async fn check_stored(&self, file: &File) -> Result<Option<Finding>, FsckError> {
        if file.inline {
            return Ok(Some(Finding::Missing(file.clone())));
        }
        match self.store.size(&file.blob).await? {
            None => return Ok(Some(Finding::Missing(file.clone()))),
            Some(found) if found != file.size => {
                return Ok(Some(Finding::WrongSize { file: file.clone(), found }));
            }
            Some(_) => {}
        }
        if self.checksums { self.check_bytes(file).await } else { Ok(None) }
    }

    async fn check_bytes(&self, file: &File) -> Result<Option<Finding>, FsckError> {
        match self.is_whole(file).await {
            Ok(true) => Ok(None),
            Ok(false) | Err(BlobError::Corrupt) => Ok(Some(Finding::Damaged(file.clone()))),
            Err(BlobError::NotFound) => Ok(Some(Finding::Missing(file.clone()))),
            Err(error) => Err(error.into()),
        }
    }

    async fn is_whole(&self, file: &File) -> Result<bool, BlobError> {
        let mut hasher = hasher(file);
        let mut reader = self.store.read(&file.blob, ByteRange::first(file.size)).await?;
        while let Some(piece) = reader.next().await {
            let piece = piece?;
            Progress::add(&self.progress.bytes, piece.len() as u64);
            hasher.update(&piece);
        }
        let found = hasher.finish();
        Ok(found.crc64 == file.crc64 && (file.sha256.is_none() || found.sha256 == file.sha256))
    }
}
