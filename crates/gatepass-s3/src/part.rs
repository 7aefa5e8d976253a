//! Writing a part of a blob: what fills a cell of the grid goes through as a part of the multipart
//! upload, the rest is kept as objects of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gatepass_core::port::{BlobError, CommittedBlob, Piece, Staging};
use gatepass_core::{BlobId, ContentHasher, ExpectedDigests};
use tokio::task::JoinSet;

use crate::api::Api;
use crate::buffer::{Buffer, Filled};
use crate::client::CallError;
use crate::grid::CELLS_MAX;
use crate::key;
use crate::memo::{BlobMemo, PieceMemo};
use crate::store::Shared;
use crate::whole::ON_THEIR_WAY_MAX;

/// A part that is being written.
pub(crate) struct PartStaging {
    shared: Arc<Shared>,
    blob: BlobId,
    memo: BlobMemo,
    /// Where the bytes of the buffer begin.
    at: u64,
    size: u64,
    hasher: ContentHasher,
    piece_hasher: ContentHasher,
    buffer: Buffer,
    sending: JoinSet<Result<(u64, Piece), BlobError>>,
    /// By where they begin.
    sent: BTreeMap<u64, Piece>,
}

fn piece_hasher() -> ContentHasher {
    ContentHasher::new(&ExpectedDigests::default())
}

impl PartStaging {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        blob: &BlobId,
        memo: BlobMemo,
        offset: u64,
        hasher: ContentHasher,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            blob: blob.clone(),
            memo,
            at: offset,
            size: 0,
            hasher,
            piece_hasher: piece_hasher(),
            buffer: shared.buffer(),
            sending: JoinSet::new(),
            sent: BTreeMap::new(),
        }
    }

    /// Bytes that the buffer may come to: as far as its cell reaches.
    fn piece_bytes_max(&self) -> Result<usize, BlobError> {
        let grid = self.memo.grid;
        let number = grid.number_of(self.at);
        if number >= CELLS_MAX {
            return Err(BlobError::TooLarge { max_bytes: grid.bytes_max() });
        }
        // What lies behind the end that was announced is refused when it is recorded.
        let end = match grid.cell(number).end() {
            end if end > self.at => end,
            _ => grid.cell_bytes.saturating_mul(number + 1),
        };
        Ok(usize::try_from(end - self.at).unwrap_or(usize::MAX))
    }

    /// Sends what is in the buffer.
    async fn send(&mut self) -> Result<(), BlobError> {
        while self.sending.len() >= ON_THEIR_WAY_MAX {
            self.settle_one().await?;
        }
        let Filled { bytes, room } = self.buffer.take();
        let (start, size) = (self.at, bytes.len() as u64);
        self.at += size;
        let hasher = std::mem::replace(&mut self.piece_hasher, piece_hasher());
        let crc64 = hasher.finish().crc64;
        let way = Way {
            api: Arc::clone(&self.shared.api),
            key: self.shared.keys.blob(&self.blob),
            upload_id: self.memo.upload_id.clone(),
        };
        let cell = self.memo.grid.cell(self.memo.grid.number_of(start));
        let fills = cell.start() == start && cell.length() == size;
        let random = getrandom::u64().unwrap_or_default();
        let number =
            fills.then(|| self.memo.grid.part_number(self.memo.grid.number_of(start), random));
        let attempt = key::attempt()?;
        let loose = self.shared.keys.part(&self.blob, start, &attempt);
        self.sending.spawn(async move {
            let memo = if let Some(number) = number {
                way.send_part(number, bytes).await?
            } else {
                way.api.put(&loose, &attempt, bytes).await?;
                PieceMemo::Loose(attempt)
            };
            drop(room);
            Ok((start, Piece { size, crc64, memo: memo.to_memo() }))
        });
        Ok(())
    }

    /// Waits for one piece.
    async fn settle_one(&mut self) -> Result<(), BlobError> {
        match self.sending.join_next().await {
            Some(Ok(sent)) => {
                let (start, piece) = sent?;
                self.sent.insert(start, piece);
                Ok(())
            }
            Some(Err(lost)) => Err(BlobError::Unavailable(std::io::Error::other(lost))),
            None => Ok(()),
        }
    }

    /// Removes the loose pieces. Parts of the upload go when it ends.
    async fn remove(mut self) {
        // What is on its way arrives, or fails, before somebody else writes to the same cell.
        while !self.sending.is_empty() {
            let _ = self.settle_one().await;
        }
        for (start, piece) in &self.sent {
            let Ok(PieceMemo::Loose(attempt)) = PieceMemo::parse(&piece.memo) else { continue };
            let key = self.shared.keys.part(&self.blob, *start, &attempt);
            if let Err(error) = self.shared.api.delete(&key).await {
                tracing::warn!(%error, "bytes of an abandoned part stay until their blob goes");
            }
        }
    }
}

#[async_trait]
impl Staging for PartStaging {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.hasher.update(&bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
        let mut rest = bytes;
        while !rest.is_empty() {
            let max = self.piece_bytes_max()?;
            let piece = rest.split_to(rest.len().min(max.saturating_sub(self.buffer.len())));
            self.buffer.push(&piece, max).await?;
            self.piece_hasher.update(&piece);
            if self.buffer.len() >= max {
                self.send().await?;
            }
        }
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<CommittedBlob, BlobError> {
        if self.buffer.len() > 0 {
            self.send().await?;
        }
        // All of them, even if one fails: nobody else may write while one is still on its way.
        let mut settled = Ok(());
        while !self.sending.is_empty() {
            settled = settled.and(self.settle_one().await);
        }
        settled?;
        let pieces = std::mem::take(&mut self.sent).into_values().collect();
        Ok(CommittedBlob { size: self.size, digests: self.hasher.finish(), pieces })
    }

    async fn discard(self: Box<Self>) {
        self.remove().await;
    }
}

/// The way into a multipart upload.
struct Way {
    api: Arc<Api>,
    key: String,
    upload_id: String,
}

impl Way {
    async fn send_part(&self, number: u64, bytes: Bytes) -> Result<PieceMemo, BlobError> {
        match self.api.upload_part(&self.key, &self.upload_id, number, bytes).await {
            Ok(etag) => Ok(PieceMemo::Cell((number, etag))),
            Err(error) => Err(upload_error(error)),
        }
    }
}

/// An upload that is gone takes its parts with it.
fn upload_error(error: CallError) -> BlobError {
    if error.is("NoSuchUpload") {
        return BlobError::SyncFailed(std::io::Error::other(error));
    }
    error.into()
}
