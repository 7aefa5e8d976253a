#[cfg(test)]
mod plans;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gatepass_core::condition::Conditions;
use gatepass_core::port::{
    Catalog, CatalogError, ChangeError, ChangeFile, EndUpload, FilePage, FinishError, FinishUpload,
    JoinError, ListFiles, ListUploads, PublishError, RecordParts, RecordReader, RemoveError,
    RemoveFile, TakeTurn, UploadError, UploadPage,
};
use gatepass_core::project::{SettingsChange, SettingsRecords};
use gatepass_core::publication::{NewFile, Publication};
use gatepass_core::upload::{Finished, NewUpload, UploadKey};
use gatepass_core::{
    BlobId, File, FileId, ObjectPath, Payload, ProjectId, Record, Timestamp, Upload, UploadId,
};

use crate::cache::Cache;
use crate::connection::{OpenError, catalog_error, open_writer};
use crate::readers::Readers;
use crate::room::Room;
use crate::writer::Writer;
use crate::{files, listing, settings, transfer, uploads};

/// Larger contents would make the write-ahead log and the cache of pages the bottleneck.
const INLINE_BYTES_MAX: usize = 1 << 20;

/// A catalog on SQLite.
///
/// The readers close first: the last connection to close tidies the write-ahead log away, and one
/// that only reads cannot.
pub struct SqliteCatalog {
    readers: Readers,
    writer: Writer,
    cache: Cache,
    room: Room,
}

impl SqliteCatalog {
    /// Opens a database, which is made if it is not there, and brings its schema up to date.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = open_writer(path)?;
        let cache = Cache::default();
        let writer =
            Writer::spawn(connection, cache.clone()).map_err(|error| OpenError::Failed {
                path: path.display().to_string(),
                source: rusqlite::Error::ToSqlConversionFailure(Box::new(error)),
            })?;
        let room = Room::new(path);
        Ok(Self { writer, readers: Readers::new(path.to_owned()), cache, room })
    }

    /// Refuses bytes of files while less than this is free on its disk, so that there is room for
    /// what removes some.
    #[must_use]
    pub fn keeping_free(mut self, bytes: u64) -> Self {
        self.room.keep_free_bytes = bytes;
        self
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn load_settings(&self) -> Result<SettingsRecords, CatalogError> {
        self.readers.query(settings::load).await
    }

    async fn settings_version(&self) -> Result<u64, CatalogError> {
        self.writer.wake();
        self.readers.query(settings::version).await
    }

    async fn change_settings(&self, changes: Vec<SettingsChange>) -> Result<(), CatalogError> {
        self.writer.change(move |connection| settings::change(connection, &changes)).await
    }

    async fn find_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Option<File>, CatalogError> {
        if let Ok(kept) = self.cache.find(project, path) {
            return Ok(Some(kept.0.clone()));
        }
        let (project, path) = (project.clone(), path.clone());
        self.readers.query(move |connection| files::find(connection, &project, &path)).await
    }

    async fn read_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Option<(File, Option<Bytes>)>, CatalogError> {
        let epoch = match self.cache.find(project, path) {
            Ok(kept) => return Ok(Some(kept.as_ref().clone())),
            Err(epoch) => epoch,
        };
        let (project, path) = (project.clone(), path.clone());
        let query = move |connection: &_| files::read(connection, &project, &path);
        let Some((number, found)) = self.readers.query(query).await? else { return Ok(None) };
        self.cache.keep(epoch, number, Arc::new(found.clone()));
        Ok(Some(found))
    }

    fn inline_bytes_max(&self) -> usize {
        INLINE_BYTES_MAX
    }

    async fn find_file_by_id(
        &self,
        project: &ProjectId,
        id: &FileId,
    ) -> Result<Option<File>, CatalogError> {
        let (project, id) = (project.clone(), id.clone());
        self.readers.query(move |connection| files::find_by_id(connection, &project, &id)).await
    }

    async fn list_files(
        &self,
        project: &ProjectId,
        list: &ListFiles,
    ) -> Result<FilePage, CatalogError> {
        let (project, list) = (project.clone(), list.clone());
        self.readers.query(move |connection| listing::list(connection, &project, &list)).await
    }

    async fn publish(&self, new: NewFile) -> Result<Publication, PublishError> {
        if matches!(new.payload, Payload::Inline(_)) {
            self.room.check()?;
        }
        self.writer.change(move |connection| files::publish(connection, new)).await
    }

    async fn remove_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        conditions: &Conditions,
        now: Timestamp,
    ) -> Result<File, RemoveError> {
        let (project, path, conditions) = (project.clone(), path.clone(), conditions.clone());
        let change =
            move |connection: &_| files::remove(connection, &project, &path, &conditions, now);
        self.writer.change(change).await
    }

    async fn remove_file_by_id(&self, remove: RemoveFile) -> Result<File, RemoveError> {
        self.writer.change(move |connection| files::remove_by_id(connection, &remove)).await
    }

    async fn change_file(&self, change: ChangeFile) -> Result<File, ChangeError> {
        self.writer.change(move |connection| files::change(connection, &change)).await
    }

    async fn find_upload(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        key: &UploadKey,
    ) -> Result<Option<Upload>, CatalogError> {
        let (project, path, key) = (project.clone(), path.clone(), key.clone());
        self.readers.query(move |connection| uploads::find(connection, &project, &path, &key)).await
    }

    async fn find_upload_by_id(
        &self,
        project: &ProjectId,
        id: &UploadId,
    ) -> Result<Option<Upload>, CatalogError> {
        let (project, id) = (project.clone(), id.clone());
        self.readers.query(move |connection| uploads::find_by_id(connection, &project, &id)).await
    }

    async fn join_upload(&self, new: NewUpload) -> Result<Upload, JoinError> {
        self.writer.change(move |connection| uploads::join(connection, &new)).await
    }

    async fn record_parts(&self, record: RecordParts) -> Result<Upload, UploadError> {
        self.writer.change(move |connection| uploads::record(connection, &record)).await
    }

    async fn finish_upload(&self, finish: FinishUpload) -> Result<Finished, FinishError> {
        self.writer.change(move |connection| uploads::finish(connection, finish)).await
    }

    async fn end_upload(&self, end: EndUpload) -> Result<Upload, UploadError> {
        self.writer.change(move |connection| uploads::end_upload(connection, &end)).await
    }

    async fn list_uploads(
        &self,
        project: &ProjectId,
        list: &ListUploads,
    ) -> Result<UploadPage, CatalogError> {
        let (project, list) = (project.clone(), list.clone());
        self.readers.query(move |connection| uploads::list(connection, &project, &list)).await
    }

    async fn expired_uploads(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<UploadId>, CatalogError> {
        self.readers.query(move |connection| uploads::expired(connection, now, limit)).await
    }

    async fn forget_uploads(&self, now: Timestamp, limit: usize) -> Result<u64, CatalogError> {
        let change =
            move |connection: &_| uploads::forget(connection, now, limit).map_err(catalog_error);
        self.writer.change(change).await
    }

    async fn known_blobs(&self, blobs: &[BlobId]) -> Result<HashSet<BlobId>, CatalogError> {
        let blobs = blobs.to_vec();
        self.readers.query(move |connection| files::known(connection, &blobs)).await
    }

    async fn retired_blobs(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<BlobId>, CatalogError> {
        self.readers.query(move |connection| files::retired(connection, before, limit)).await
    }

    async fn forget_retired(&self, blobs: &[BlobId]) -> Result<(), CatalogError> {
        if blobs.is_empty() {
            return Ok(());
        }
        let blobs = blobs.to_vec();
        let change = move |connection: &_| files::forget(connection, &blobs).map_err(catalog_error);
        self.writer.change(change).await
    }

    async fn take_turn(&self, _turn: TakeTurn) -> Result<bool, CatalogError> {
        Ok(true)
    }

    async fn export(&self) -> Result<RecordReader, CatalogError> {
        Ok(transfer::export(self.readers.path().to_owned()))
    }

    async fn import(&self, records: Vec<Record>) -> Result<(), CatalogError> {
        let bring_in =
            move |connection: &_| transfer::import(connection, records).map_err(catalog_error);
        self.writer.change(bring_in).await
    }

    /// Takes the write lock and gives it back: what that needs, every change needs.
    async fn check(&self) -> Result<(), CatalogError> {
        self.writer.change(|_| Ok(())).await
    }
}
