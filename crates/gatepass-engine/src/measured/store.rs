use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gatepass_core::port::{
    BlobError, BlobListing, BlobReader, BlobStore, CommittedBlob, Link, OpenBlob, Outlook,
    PartedBlob, Staging,
};
use gatepass_core::{BlobId, ByteRange, ContentHasher, Memo, Part, PartMap};

use super::Meter;

/// A blob store whose calls are counted. Of writing it is the commit that counts, and of reading
/// the time until it begins: the rest is the client's pace.
pub struct MeasuredStore {
    inner: Arc<dyn BlobStore>,
    meter: Meter,
}

impl MeasuredStore {
    /// Around a store; `engine` is the label.
    pub fn new(inner: Arc<dyn BlobStore>, engine: &'static str) -> Self {
        let (seconds, failures) = ("gatepass_store_seconds", "gatepass_store_failures_total");
        Self { inner, meter: Meter::new(seconds, failures, engine) }
    }

    fn staging(&self, inner: Box<dyn Staging>, call: &'static str) -> Box<dyn Staging> {
        Box::new(MeasuredStaging { inner, meter: self.meter.clone(), call })
    }
}

#[async_trait]
impl BlobStore for MeasuredStore {
    async fn stage(
        &self,
        blob: &BlobId,
        size: Option<u64>,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError> {
        let staging = self.meter.time("stage", self.inner.stage(blob, size, hasher)).await?;
        Ok(self.staging(staging, "commit"))
    }

    async fn begin(&self, blob: &BlobId, outlook: Outlook) -> Result<Memo, BlobError> {
        self.meter.time("begin", self.inner.begin(blob, outlook)).await
    }

    async fn stage_part(
        &self,
        blob: &PartedBlob,
        offset: u64,
        hasher: ContentHasher,
    ) -> Result<Box<dyn Staging>, BlobError> {
        let staging = self.inner.stage_part(blob, offset, hasher);
        let staging = self.meter.time("stage_part", staging).await?;
        Ok(self.staging(staging, "commit_part"))
    }

    async fn read_part(
        &self,
        blob: &PartedBlob,
        part: &Part,
        range: ByteRange,
    ) -> Result<BlobReader, BlobError> {
        self.meter.time("read_part", self.inner.read_part(blob, part, range)).await
    }

    async fn assemble(&self, blob: &PartedBlob, parts: &PartMap) -> Result<(), BlobError> {
        self.meter.time("assemble", self.inner.assemble(blob, parts)).await
    }

    async fn read(&self, blob: &BlobId, range: ByteRange) -> Result<BlobReader, BlobError> {
        self.meter.time("read", self.inner.read(blob, range)).await
    }

    async fn open(&self, blob: &BlobId, range: ByteRange) -> Result<OpenBlob, BlobError> {
        self.meter.time("open", self.inner.open(blob, range)).await
    }

    async fn size(&self, blob: &BlobId) -> Result<Option<u64>, BlobError> {
        self.meter.time("size", self.inner.size(blob)).await
    }

    fn link(&self, blob: &BlobId, link: &Link) -> Option<String> {
        self.inner.link(blob, link)
    }

    async fn delete(&self, blob: &BlobId) -> Result<(), BlobError> {
        self.meter.time("delete", self.inner.delete(blob)).await
    }

    async fn list(&self, cursor: Option<&str>) -> Result<Vec<BlobListing>, BlobError> {
        self.meter.time("list", self.inner.list(cursor)).await
    }

    async fn check(&self) -> Result<(), BlobError> {
        self.meter.time("check", self.inner.check()).await
    }
}

struct MeasuredStaging {
    inner: Box<dyn Staging>,
    meter: Meter,
    call: &'static str,
}

#[async_trait]
impl Staging for MeasuredStaging {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.inner.write(bytes).await
    }

    async fn commit(self: Box<Self>) -> Result<CommittedBlob, BlobError> {
        let Self { inner, meter, call } = *self;
        meter.time(call, inner.commit()).await
    }

    async fn discard(self: Box<Self>) {
        self.inner.discard().await;
    }
}
