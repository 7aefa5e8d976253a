use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use gatepass_core::condition::Conditions;
use gatepass_core::port::{
    Catalog, CatalogError, ChangeError, ChangeFile, EndUpload, FilePage, FinishError, FinishUpload,
    InlineBytes, JoinError, ListFiles, ListUploads, PublishError, RecordParts, RecordReader,
    RemoveError, RemoveFile, TakeTurn, UploadError, UploadPage,
};
use gatepass_core::project::{SettingsChange, SettingsRecords};
use gatepass_core::publication::{NewFile, Publication};
use gatepass_core::upload::{Finished, NewUpload, UploadKey};
use gatepass_core::{
    BlobId, File, FileId, ObjectPath, ProjectId, Record, Timestamp, Upload, UploadId,
};

use super::Meter;

/// A catalog whose calls are counted.
pub struct MeasuredCatalog {
    inner: Arc<dyn Catalog>,
    meter: Meter,
}

impl MeasuredCatalog {
    /// Around a catalog; `engine` is the label.
    pub fn new(inner: Arc<dyn Catalog>, engine: &'static str) -> Self {
        let (seconds, failures) = ("gatepass_catalog_seconds", "gatepass_catalog_failures_total");
        Self { inner, meter: Meter::new(seconds, failures, engine) }
    }
}

#[async_trait]
impl Catalog for MeasuredCatalog {
    async fn load_settings(&self) -> Result<SettingsRecords, CatalogError> {
        self.meter.time("load_settings", self.inner.load_settings()).await
    }

    async fn settings_version(&self) -> Result<u64, CatalogError> {
        self.meter.time("settings_version", self.inner.settings_version()).await
    }

    async fn change_settings(&self, changes: Vec<SettingsChange>) -> Result<(), CatalogError> {
        self.meter.time("change_settings", self.inner.change_settings(changes)).await
    }

    async fn find_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Option<File>, CatalogError> {
        self.meter.time("find_file", self.inner.find_file(project, path)).await
    }

    async fn read_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Option<(Arc<File>, Option<InlineBytes>)>, CatalogError> {
        self.meter.time("read_file", self.inner.read_file(project, path)).await
    }

    fn inline_bytes_max(&self) -> usize {
        self.inner.inline_bytes_max()
    }

    async fn find_file_by_id(
        &self,
        project: &ProjectId,
        id: &FileId,
    ) -> Result<Option<File>, CatalogError> {
        self.meter.time("find_file_by_id", self.inner.find_file_by_id(project, id)).await
    }

    async fn list_files(
        &self,
        project: &ProjectId,
        list: &ListFiles,
    ) -> Result<FilePage, CatalogError> {
        self.meter.time("list_files", self.inner.list_files(project, list)).await
    }

    async fn publish(&self, new: NewFile) -> Result<Publication, PublishError> {
        self.meter.time("publish", self.inner.publish(new)).await
    }

    async fn remove_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        conditions: &Conditions,
        now: Timestamp,
    ) -> Result<File, RemoveError> {
        self.meter.time("remove_file", self.inner.remove_file(project, path, conditions, now)).await
    }

    async fn remove_file_by_id(&self, remove: RemoveFile) -> Result<File, RemoveError> {
        self.meter.time("remove_file_by_id", self.inner.remove_file_by_id(remove)).await
    }

    async fn change_file(&self, change: ChangeFile) -> Result<File, ChangeError> {
        self.meter.time("change_file", self.inner.change_file(change)).await
    }

    async fn find_upload(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        key: &UploadKey,
    ) -> Result<Option<Upload>, CatalogError> {
        self.meter.time("find_upload", self.inner.find_upload(project, path, key)).await
    }

    async fn find_upload_by_id(
        &self,
        project: &ProjectId,
        id: &UploadId,
    ) -> Result<Option<Upload>, CatalogError> {
        self.meter.time("find_upload_by_id", self.inner.find_upload_by_id(project, id)).await
    }

    async fn join_upload(&self, new: NewUpload) -> Result<Upload, JoinError> {
        self.meter.time("join_upload", self.inner.join_upload(new)).await
    }

    async fn record_parts(&self, record: RecordParts) -> Result<Upload, UploadError> {
        self.meter.time("record_parts", self.inner.record_parts(record)).await
    }

    async fn finish_upload(&self, finish: FinishUpload) -> Result<Finished, FinishError> {
        self.meter.time("finish_upload", self.inner.finish_upload(finish)).await
    }

    async fn end_upload(&self, end: EndUpload) -> Result<Upload, UploadError> {
        self.meter.time("end_upload", self.inner.end_upload(end)).await
    }

    async fn list_uploads(
        &self,
        project: &ProjectId,
        list: &ListUploads,
    ) -> Result<UploadPage, CatalogError> {
        self.meter.time("list_uploads", self.inner.list_uploads(project, list)).await
    }

    async fn expired_uploads(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<UploadId>, CatalogError> {
        self.meter.time("expired_uploads", self.inner.expired_uploads(now, limit)).await
    }

    async fn forget_uploads(&self, now: Timestamp, limit: usize) -> Result<u64, CatalogError> {
        self.meter.time("forget_uploads", self.inner.forget_uploads(now, limit)).await
    }

    async fn known_blobs(&self, blobs: &[BlobId]) -> Result<HashSet<BlobId>, CatalogError> {
        self.meter.time("known_blobs", self.inner.known_blobs(blobs)).await
    }

    async fn retired_blobs(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<BlobId>, CatalogError> {
        self.meter.time("retired_blobs", self.inner.retired_blobs(before, limit)).await
    }

    async fn forget_retired(&self, blobs: &[BlobId]) -> Result<(), CatalogError> {
        self.meter.time("forget_retired", self.inner.forget_retired(blobs)).await
    }

    async fn take_turn(&self, turn: TakeTurn) -> Result<bool, CatalogError> {
        self.meter.time("take_turn", self.inner.take_turn(turn)).await
    }

    async fn give_back_room(&self, now: Timestamp) -> Result<u64, CatalogError> {
        self.meter.time("give_back_room", self.inner.give_back_room(now)).await
    }

    async fn export(&self) -> Result<RecordReader, CatalogError> {
        self.meter.time("export", self.inner.export()).await
    }

    async fn import(&self, records: Vec<Record>) -> Result<(), CatalogError> {
        self.meter.time("import", self.inner.import(records)).await
    }

    async fn check(&self) -> Result<(), CatalogError> {
        self.meter.time("check", self.inner.check()).await
    }
}
