//! An unfinished upload: what a store remembers of it is of no use to another one, so its parts
//! are written there as if they came from the client.

use std::sync::Arc;

use gatepass_core::port::{BlobError, BlobStore, Outlook, PartedBlob};
use gatepass_core::{
    ByteRange, ContentHasher, ExpectedDigests, Part, PartMap, Upload, UploadStatus,
};

use super::{Intake, Progress, TransferError};

/// What the first part is taken to be like if there is none yet.
const FIRST_PART_BYTES: u64 = 16 << 20;

impl Intake {
    /// The upload as it is to be written; `None` if it is there already, or left behind.
    pub(super) async fn carry_upload(
        &self,
        upload: Upload,
    ) -> Result<Option<Box<Upload>>, TransferError> {
        let Some(from) = self.from.as_ref().filter(|_| upload.status == UploadStatus::Receiving)
        else {
            return Ok(Some(Box::new(upload)));
        };
        if self.catalog.find_upload_by_id(&upload.project, &upload.id).await?.is_some() {
            return Ok(None);
        }
        let path = upload.path.clone();
        match self.move_parts(from, &upload).await {
            Ok((memo, parts)) => {
                Progress::add(&self.progress.uploads, 1);
                Ok(Some(Box::new(Upload { memo, parts, ..upload })))
            }
            Err(BlobError::NotReadable | BlobError::NotFound | BlobError::Corrupt)
                if self.drop_unfinished =>
            {
                Progress::add(&self.progress.uploads_dropped, 1);
                Ok(None)
            }
            Err(BlobError::NotReadable) => Err(TransferError::Unfinished(path)),
            Err(BlobError::NotFound) => Err(TransferError::Missing(path)),
            Err(BlobError::Corrupt) => Err(TransferError::Damaged(path)),
            Err(error) => Err(TransferError::Store(path, error)),
        }
    }

    async fn move_parts(
        &self,
        from: &Arc<dyn BlobStore>,
        upload: &Upload,
    ) -> Result<(gatepass_core::Memo, PartMap), BlobError> {
        // What an earlier try has left is of nobody.
        self.store.delete(&upload.blob).await?;
        let first = upload.parts.parts().first().map(|part| part.range);
        let first = first.unwrap_or(ByteRange::first(upload.total.unwrap_or(FIRST_PART_BYTES)));
        let memo = self.store.begin(&upload.blob, Outlook { total: upload.total, first }).await?;
        let target = PartedBlob { id: upload.blob.clone(), memo };
        let mut parts = PartMap::default();
        for part in upload.parts.parts() {
            for moved in self.move_part(from, upload, part, &target).await? {
                parts.insert(moved).map_err(|_| BlobError::Corrupt)?;
            }
        }
        Ok((target.memo, parts))
    }

    async fn move_part(
        &self,
        from: &Arc<dyn BlobStore>,
        upload: &Upload,
        part: &Part,
        target: &PartedBlob,
    ) -> Result<Vec<Part>, BlobError> {
        let reader = from.read_part(&upload.parted_blob(), part, part.range).await?;
        let hasher = ContentHasher::new(&ExpectedDigests::default());
        let mut staging = self.store.stage_part(target, part.range.start(), hasher).await?;
        if let Err(error) = self.pour(staging.as_mut(), reader).await {
            staging.discard().await;
            return Err(error);
        }
        let committed = staging.commit().await?;
        if committed.size != part.range.length() || committed.digests.crc64 != part.crc64 {
            return Err(BlobError::Corrupt);
        }
        Ok(committed.into_parts(part.range.start()))
    }
}
