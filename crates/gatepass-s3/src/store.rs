use std::sync::Arc;

use async_trait::async_trait;
use gatepass_core::port::{
    BlobError, BlobListing, BlobReader, BlobStore, Clock, Link, OpenBlob, Outlook, PartedBlob,
    Staging,
};
use gatepass_core::{BlobId, ByteRange, ContentHasher, Memo, Part, PartMap, Timestamp};
use rusty_s3::Credentials;

use crate::api::Api;
use crate::assemble;
use crate::buffer::{Buffer, Room};
use crate::client::Client;
use crate::grid::{BLOB_BYTES_MAX, Grid};
use crate::key::{self, Keys};
use crate::list;
use crate::location::{S3Credentials, S3Location};
use crate::memo::{BlobMemo, PieceMemo};
use crate::part::PartStaging;
use crate::read;
use crate::whole::WholeStaging;

/// A blob store on a bucket.
#[derive(Clone)]
pub struct S3Store {
    shared: Arc<Shared>,
}

/// Settings of an [`S3Store`].
#[derive(Debug, Clone, Copy)]
pub struct S3Options {
    /// Most bytes that all uploads together may have in memory, on their way to the store. An
    /// upload that finds no room waits 10 s, and is refused then. 512 MiB: some sixteen fast large
    /// uploads, of which each has at most four parts of 8 MiB, or thousands of small ones.
    pub buffer_bytes_max: usize,
}

impl Default for S3Options {
    fn default() -> Self {
        Self { buffer_bytes_max: 512 << 20 }
    }
}

/// The client for the service could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a client for the store")]
pub struct OpenError(#[source] reqwest::Error);

/// What all writers and readers share.
pub(crate) struct Shared {
    pub(crate) api: Arc<Api>,
    pub(crate) keys: Keys,
    clock: Arc<dyn Clock>,
    room: Room,
}

impl Shared {
    pub(crate) fn buffer(&self) -> Buffer {
        Buffer::new(self.room.clone())
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl S3Store {
    /// Opens a store. Nothing is asked of the service yet: [`BlobStore::check`] does.
    pub fn open(
        location: S3Location,
        credentials: &S3Credentials,
        clock: Arc<dyn Clock>,
        options: S3Options,
    ) -> Result<Self, OpenError> {
        let (id, secret) = (credentials.key_id.as_str(), credentials.secret.expose());
        let credentials = match &credentials.session_token {
            Some(token) => Credentials::new_with_token(id, secret, token.expose()),
            None => Credentials::new(id, secret),
        };
        let keys = Keys::new(&location.prefix);
        let client = Client::new().map_err(OpenError)?;
        let api = Arc::new(Api::new(client, location, credentials));
        let room = Room::new(options.buffer_bytes_max);
        Ok(Self { shared: Arc::new(Shared { api, keys, clock, room }) })
    }

    async fn abort_multiparts(&self, blob: &BlobId) -> Result<(), BlobError> {
        let key = self.shared.keys.blob(blob);
        for upload in self.shared.api.list_multiparts(&key, None).await? {
            self.shared.api.abort(&upload.key, &upload.id).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl BlobStore for S3Store {
    async fn stage(
        &self,
        blob: &BlobId,
        size: Option<u64>,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError> {
        Ok(Box::new(WholeStaging::new(&self.shared, blob, size, hasher)?))
    }

    async fn begin(&self, blob: &BlobId, outlook: Outlook) -> Result<Memo, BlobError> {
        let grid = Grid::choose(outlook);
        let grid = grid.ok_or(BlobError::TooLarge { max_bytes: BLOB_BYTES_MAX })?;
        let token = format!("{blob}.{}", key::attempt()?);
        let upload_id = self.shared.api.create(&self.shared.keys.blob(blob), &token).await?;
        Ok(BlobMemo { grid, token, upload_id }.to_memo())
    }

    async fn stage_part(
        &self,
        blob: &PartedBlob,
        offset: u64,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError> {
        let memo = BlobMemo::parse(&blob.memo)?;
        Ok(Box::new(PartStaging::new(&self.shared, &blob.id, memo, offset, hasher)))
    }

    async fn read_part(
        &self,
        blob: &PartedBlob,
        part: &Part,
        range: ByteRange,
    ) -> Result<BlobReader, BlobError> {
        let PieceMemo::Loose(attempt) = PieceMemo::parse(&part.memo)? else {
            // S3 does not read parts before their upload is complete.
            return Err(BlobError::NotReadable);
        };
        let start = part.range.start();
        let key = self.shared.keys.part(&blob.id, start, &attempt);
        let within = ByteRange::new(range.start().saturating_sub(start), range.end() - start);
        read::open(&self.shared, key, within.ok_or(BlobError::Corrupt)?).await
    }

    async fn assemble(&self, blob: &PartedBlob, parts: &PartMap) -> Result<(), BlobError> {
        let memo = BlobMemo::parse(&blob.memo)?;
        assemble::assemble(&self.shared, &blob.id, &memo, parts).await
    }

    async fn read(&self, blob: &BlobId, range: ByteRange) -> Result<BlobReader, BlobError> {
        read::open(&self.shared, self.shared.keys.blob(blob), range).await
    }

    async fn open(&self, blob: &BlobId, range: ByteRange) -> Result<OpenBlob, BlobError> {
        Ok(OpenBlob::Pieces(self.read(blob, range).await?))
    }

    async fn size(&self, blob: &BlobId) -> Result<Option<u64>, BlobError> {
        let head = self.shared.api.head(&self.shared.keys.blob(blob)).await?;
        Ok(head.map(|head| head.size))
    }

    fn link(&self, blob: &BlobId, link: &Link) -> Option<String> {
        Some(self.shared.api.link(&self.shared.keys.blob(blob), link))
    }

    async fn delete(&self, blob: &BlobId) -> Result<(), BlobError> {
        // First what could still become a blob.
        self.abort_multiparts(blob).await?;
        self.shared.api.delete(&self.shared.keys.blob(blob)).await?;
        assemble::delete_loose(&self.shared, blob).await
    }

    async fn list(&self, cursor: Option<&str>) -> Result<Vec<BlobListing>, BlobError> {
        list::list(&self.shared, cursor).await
    }

    async fn check(&self) -> Result<(), BlobError> {
        self.shared.api.list_objects(&self.shared.keys.blobs(), None).await?;
        Ok(())
    }
}
