//! The bytes of one file.

use bytes::Bytes;
use futures_util::StreamExt as _;
use gatepass_core::port::{BlobError, BlobReader, BlobStore, Staging};
use gatepass_core::{ByteRange, ContentHasher, Digests, ExpectedDigests, File, FileRecord};

use super::{Intake, Progress, TransferError};

impl Intake {
    pub(super) async fn carry_file(&self, record: FileRecord) -> Result<FileRecord, TransferError> {
        let FileRecord { mut file, bytes } = record;
        let Some(bytes) = bytes else {
            if let Some(from) = &self.from {
                self.copy(from.as_ref(), &file).await?;
            }
            return Ok(FileRecord { file, bytes: None });
        };
        if !is_of(&file, &bytes) {
            return Err(TransferError::Damaged(file.path));
        }
        if bytes.len() <= self.catalog.inline_bytes_max() {
            return Ok(FileRecord { file, bytes: Some(bytes) });
        }
        let reader = Box::pin(futures_util::stream::iter([Ok(bytes)]));
        self.write(&file, reader).await?;
        file.inline = false;
        Ok(FileRecord { file, bytes: None })
    }

    async fn copy(&self, from: &dyn BlobStore, file: &File) -> Result<(), TransferError> {
        let reader = from.read(&file.blob, ByteRange::first(file.size)).await;
        self.write(file, reader.map_err(|error| fault(file, error))?).await
    }

    /// Writes a blob, unless it is there, whole and right.
    async fn write(&self, file: &File, reader: BlobReader) -> Result<(), TransferError> {
        let failed = |error| fault(file, error);
        let there = self.store.size(&file.blob).await.map_err(failed)?;
        if there == Some(file.size) && holds(self.store.as_ref(), file).await.map_err(failed)? {
            return Ok(());
        }
        if there.is_some() || self.may_hold_leftovers {
            self.store.delete(&file.blob).await.map_err(failed)?;
        }
        let staging = self.store.stage(&file.blob, Some(file.size), hasher(file));
        let mut staging = staging.await.map_err(failed)?;
        if let Err(error) = self.pour(staging.as_mut(), reader).await {
            staging.discard().await;
            return Err(fault(file, error));
        }
        let committed = staging.commit().await.map_err(failed)?;
        if committed.size != file.size || !are_of(file, &committed.digests) {
            self.store.delete(&file.blob).await.map_err(failed)?;
            return Err(TransferError::Damaged(file.path.clone()));
        }
        Progress::add(&self.progress.blobs, 1);
        Ok(())
    }

    pub(super) async fn pour(
        &self,
        staging: &mut dyn Staging,
        mut reader: BlobReader,
    ) -> Result<(), BlobError> {
        while let Some(piece) = reader.next().await {
            let piece = piece?;
            let length = piece.len() as u64;
            staging.write(piece).await?;
            Progress::add(&self.progress.bytes, length);
        }
        Ok(())
    }
}

fn fault(file: &File, error: BlobError) -> TransferError {
    match error {
        BlobError::NotFound => TransferError::Missing(file.path.clone()),
        BlobError::Corrupt => TransferError::Damaged(file.path.clone()),
        error => TransferError::Store(file.path.clone(), error),
    }
}

/// What is known of a file's bytes is what is computed of them.
pub(crate) fn hasher(file: &File) -> ContentHasher {
    ContentHasher::new(&ExpectedDigests { sha256: file.sha256, ..ExpectedDigests::default() })
}

fn are_of(file: &File, digests: &Digests) -> bool {
    digests.crc64 == file.crc64 && (file.sha256.is_none() || digests.sha256 == file.sha256)
}

/// Whether these are the bytes of a file.
pub(crate) fn is_of(file: &File, bytes: &Bytes) -> bool {
    let mut hasher = hasher(file);
    hasher.update(bytes);
    bytes.len() as u64 == file.size && are_of(file, &hasher.finish())
}

/// Whether a store has the bytes of a file, read whole.
pub(crate) async fn holds(store: &dyn BlobStore, file: &File) -> Result<bool, BlobError> {
    let read = async {
        let mut hasher = hasher(file);
        let mut reader = store.read(&file.blob, ByteRange::first(file.size)).await?;
        while let Some(piece) = reader.next().await {
            hasher.update(&piece?);
        }
        Ok(are_of(file, &hasher.finish()))
    };
    match read.await {
        Err(BlobError::NotFound | BlobError::Corrupt) => Ok(false),
        read => read,
    }
}
