//! Writing a blob in one go: a PUT if it is small, else a multipart upload.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gatepass_core::port::{BlobError, CommittedBlob, Staging};
use gatepass_core::{BlobId, ContentHasher};
use tokio::task::JoinSet;

use crate::api::{Head, Written};
use crate::assemble::upload_error;
use crate::buffer::{Buffer, Filled};
use crate::client::CallError;
use crate::grid::{CELL_BYTES, CELL_BYTES_MAX, CELLS_MAX};
use crate::key;
use crate::store::Shared;

/// Largest blob that is one PUT: 8 MiB, held in memory until it is sent.
pub const WHOLE_BYTES_MAX: u64 = CELL_BYTES;

/// Parts of one upload that are on their way at once, beside the one that is being filled.
pub(crate) const ON_THEIR_WAY_MAX: usize = 3;

/// A blob that is being written.
pub(crate) struct WholeStaging {
    writer: Option<Writer>,
}

struct Writer {
    shared: Arc<Shared>,
    key: String,
    token: String,
    part_bytes: usize,
    size: u64,
    hasher: ContentHasher,
    buffer: Buffer,
    upload: Option<Upload>,
}

/// A multipart upload that was begun.
struct Upload {
    id: String,
    begun: u64,
    sending: JoinSet<Result<Written, CallError>>,
    written: Vec<Written>,
}

impl WholeStaging {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        blob: &BlobId,
        size: Option<u64>,
        hasher: ContentHasher,
    ) -> Result<Self, BlobError> {
        let part_bytes = size.unwrap_or(0).div_ceil(CELLS_MAX).max(CELL_BYTES);
        if part_bytes > CELL_BYTES_MAX {
            return Err(BlobError::TooLarge { max_bytes: CELL_BYTES_MAX * CELLS_MAX });
        }
        let writer = Writer {
            shared: Arc::clone(shared),
            key: shared.keys.blob(blob),
            token: format!("{blob}.{}", key::attempt()?),
            part_bytes: usize::try_from(part_bytes).unwrap_or(usize::MAX),
            size: 0,
            hasher,
            buffer: shared.buffer(),
            upload: None,
        };
        Ok(Self { writer: Some(writer) })
    }
}

#[async_trait]
impl Staging for WholeStaging {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        match &mut self.writer {
            Some(writer) => writer.write(bytes).await,
            None => Err(ended()),
        }
    }

    async fn commit(mut self: Box<Self>) -> Result<CommittedBlob, BlobError> {
        let writer = self.writer.as_mut().ok_or_else(ended)?;
        writer.commit().await?;
        let writer = self.writer.take().ok_or_else(ended)?;
        let (size, digests) = (writer.size, writer.hasher.finish());
        Ok(CommittedBlob { size, digests, pieces: Vec::new() })
    }

    async fn discard(mut self: Box<Self>) {
        if let Some(writer) = self.writer.take() {
            writer.give_up().await;
        }
    }
}

impl Drop for WholeStaging {
    /// What was not committed is given up, in the background.
    fn drop(&mut self) {
        let Some(writer) = self.writer.take().filter(|writer| writer.upload.is_some()) else {
            return;
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(writer.give_up());
        }
    }
}

fn ended() -> BlobError {
    BlobError::Unavailable(std::io::ErrorKind::BrokenPipe.into())
}

impl Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.hasher.update(&bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
        let mut rest = bytes;
        while !rest.is_empty() {
            // Only when more comes is it certain that the part is not the last.
            if self.buffer.len() == self.part_bytes {
                self.send_part().await?;
            }
            let piece = rest.split_to(rest.len().min(self.part_bytes - self.buffer.len()));
            self.buffer.push(&piece, self.part_bytes).await?;
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), BlobError> {
        let api = Arc::clone(&self.shared.api);
        if self.upload.is_none() {
            let id = api.create(&self.key, &self.token).await?;
            self.upload =
                Some(Upload { id, begun: 0, sending: JoinSet::new(), written: Vec::new() });
        }
        let Some(upload) = &mut self.upload else { return Err(ended()) };
        if upload.begun >= CELLS_MAX {
            return Err(BlobError::TooLarge { max_bytes: self.part_bytes as u64 * CELLS_MAX });
        }
        while upload.sending.len() >= ON_THEIR_WAY_MAX {
            upload.settle_one().await?;
        }
        let Filled { bytes, room } = self.buffer.take();
        let (key, id, number) = (self.key.clone(), upload.id.clone(), upload.begun);
        upload.begun += 1;
        upload.sending.spawn(async move {
            let etag = api.upload_part(&key, &id, number, bytes).await;
            drop(room);
            Ok((number, etag?))
        });
        Ok(())
    }

    async fn commit(&mut self) -> Result<(), BlobError> {
        if self.upload.is_none() {
            let Filled { bytes, room } = self.buffer.take();
            let put = self.shared.api.put(&self.key, &self.token, bytes).await;
            drop(room);
            return self.shared.settle(&self.key, &self.token, self.size, put).await;
        }
        self.send_part().await?;
        let Some(upload) = &mut self.upload else { return Err(ended()) };
        while !upload.sending.is_empty() {
            upload.settle_one().await?;
        }
        upload.written.sort_unstable();
        let completed = self.shared.api.complete(&self.key, &upload.id, &upload.written).await;
        self.shared.settle(&self.key, &self.token, self.size, completed).await
    }

    async fn give_up(self) {
        let Some(mut upload) = self.upload else { return };
        upload.sending.shutdown().await;
        if let Err(error) = self.shared.api.abort(&self.key, &upload.id).await {
            tracing::warn!(%error, "an abandoned upload is left to the sweeper");
        }
    }
}

impl Upload {
    /// Waits for one part.
    async fn settle_one(&mut self) -> Result<(), BlobError> {
        match self.sending.join_next().await {
            Some(Ok(sent)) => self.written.push(sent.map_err(upload_error)?),
            Some(Err(lost)) => return Err(BlobError::Unavailable(std::io::Error::other(lost))),
            None => {}
        }
        Ok(())
    }
}

impl Shared {
    /// Whether the last step of a blob was done. If its answer was lost, or contradicts what an
    /// earlier try may have done, the object tells.
    pub(crate) async fn settle(
        &self,
        key: &str,
        token: &str,
        size: u64,
        done: Result<(), CallError>,
    ) -> Result<(), BlobError> {
        let Err(error) = done else { return Ok(()) };
        let ours = Head { size, token: Some(token.to_owned()) };
        match self.api.head(key).await {
            Ok(found) if found.as_ref() == Some(&ours) => Ok(()),
            _ => Err(upload_error(error)),
        }
    }
}
