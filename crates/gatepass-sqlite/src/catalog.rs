#[cfg(test)]
mod parts;
#[cfg(test)]
mod plans;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    BlobId, File, FileId, ObjectPath, Payload, ProjectId, Record, Timestamp, Upload, UploadId,
};

use crate::cache::{Cache, Lookup, Waiting};
use crate::connection::{OpenError, catalog_error, open_reader, open_writer};
use crate::content::{Content, FileAndContent};
use crate::journal::Segments;
use crate::journal_room::JournalRoom;
use crate::kept_parts::KeptParts;
use crate::readers::Readers;
use crate::recover::{self, recover};
use crate::room::Room;
use crate::transfer::Run;
use crate::writer::Writer;
use crate::{files, listing, settings, transfer, uploads};

/// Larger contents would make the write-ahead log and the cache of pages the bottleneck.
const INLINE_BYTES_MAX: usize = 1 << 20;

/// How long to wait for the process that publishes to take what it has published to the database,
/// and between two looks: without a fault that takes a quarter of a second at most.
const OTHERS_WAIT: Duration = Duration::from_secs(10);
const OTHERS_PAUSE: Duration = Duration::from_millis(5);

/// A catalog on SQLite.
///
/// The readers close first: the last connection to close tidies the write-ahead log away, and one
/// that only reads cannot.
pub struct SqliteCatalog {
    readers: Readers,
    writer: Writer,
    cache: Cache,
    parts: KeptParts,
    segments: Segments,
    room: Room,
}

impl SqliteCatalog {
    /// Opens a database, which is made if it is not there, and brings its schema up to date.
    ///
    /// The first of several that have it open at once is the one that publishes.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let mut connection = open_writer(path)?;
        let segments = Segments::beside(path);
        let recovered = recover(&mut connection, &segments)?;
        let cache = Cache::default();
        let reader = open_reader(path).map_err(|error| OpenError::of(path, error))?;
        let writer = Writer::spawn(connection, reader, cache.clone(), recovered);
        let writer = writer.map_err(|source| OpenError::Thread { source })?;
        let room = Room::new(path);
        let (readers, parts) = (Readers::new(path.to_owned()), KeptParts::default());
        Ok(Self { readers, writer, cache, parts, segments, room })
    }

    /// A file that the database does not have yet.
    async fn read_waiting(
        &self,
        Waiting { file, place }: Waiting,
    ) -> Result<FileAndContent, CatalogError> {
        let Some(place) = place else {
            return Ok(FileAndContent { file, content: Content::Stored });
        };
        let segments = self.segments.clone();
        let read = move |_: &_| {
            let content = Content::at(place, &segments, &file)?;
            Ok(FileAndContent { file, content })
        };
        self.readers.query(read).await
    }

    /// Opens what is in the journal. Most segments that are read are open already.
    async fn open_content(
        &self,
        FileAndContent { file, content }: FileAndContent,
    ) -> Result<(Arc<File>, Option<InlineBytes>), CatalogError> {
        let place = match content {
            Content::Stored => return Ok((file, None)),
            Content::Memory(bytes) => return Ok((file, Some(InlineBytes::Memory(bytes)))),
            Content::Journal(place) => place,
        };
        let segment = if let Some(segment) = self.segments.opened(place.segment) {
            segment
        } else {
            let segments = self.segments.clone();
            let open = move |_: &_| files::readable(segments.open(place.segment));
            self.readers.query(open).await?
        };
        let slice = files::readable(Segments::slice(segment, place, file.size));
        Ok((file, Some(InlineBytes::File(slice.map_err(catalog_error)?))))
    }

    /// For queries that would miss what is in the journal alone.
    async fn settle(&self) -> Result<(), CatalogError> {
        if self.cache.is_settled() { self.catch_up().await } else { self.writer.settle().await }
    }

    /// For what another process has published, if there is one that does.
    async fn catch_up(&self) -> Result<(), CatalogError> {
        if self.writer.publishes() {
            return Ok(());
        }
        let segments = self.segments.clone();
        let end = self.readers.query(move |connection| recover::end(connection, &segments)).await?;
        let began = Instant::now();
        while !self.readers.query(move |connection| recover::is_noted(connection, end)).await? {
            if began.elapsed() > OTHERS_WAIT {
                let text = "what was published last is not in the database: does the server hang?";
                return Err(CatalogError::Unavailable(text.into()));
            }
            tokio::time::sleep(OTHERS_PAUSE).await;
        }
        Ok(())
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
        self.catch_up().await?;
        match self.cache.find(project, path) {
            Lookup::Waiting(waiting) => return Ok(Some(waiting.file.as_ref().clone())),
            Lookup::Kept(kept) => return Ok(Some(File::clone(&kept.file))),
            Lookup::Unknown(_) => {}
        }
        let (project, path) = (project.clone(), path.clone());
        self.readers.query(move |connection| files::find(connection, &project, &path)).await
    }

    async fn read_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Option<(Arc<File>, Option<InlineBytes>)>, CatalogError> {
        self.catch_up().await?;
        let found = match self.cache.find(project, path) {
            Lookup::Waiting(waiting) => self.read_waiting(waiting).await?,
            Lookup::Kept(kept) => kept.as_ref().clone(),
            Lookup::Unknown(epoch) => {
                let (project, path) = (project.clone(), path.clone());
                let segments = self.segments.clone();
                let query =
                    move |connection: &_| files::read(connection, &segments, &project, &path);
                let Some((number, found)) = self.readers.query(query).await? else {
                    return Ok(None);
                };
                self.cache.keep(epoch, number, Arc::new(found.clone()));
                found
            }
        };
        self.open_content(found).await.map(Some)
    }

    fn inline_bytes_max(&self) -> usize {
        INLINE_BYTES_MAX
    }

    async fn find_file_by_id(
        &self,
        project: &ProjectId,
        id: &FileId,
    ) -> Result<Option<File>, CatalogError> {
        self.catch_up().await?;
        if let Some(accepted) = self.cache.accepted_by_id(project, id) {
            return Ok(Some(accepted.as_ref().clone()));
        }
        let (project, id) = (project.clone(), id.clone());
        self.readers.query(move |connection| files::find_by_id(connection, &project, &id)).await
    }

    async fn list_files(
        &self,
        project: &ProjectId,
        list: &ListFiles,
    ) -> Result<FilePage, CatalogError> {
        self.settle().await?;
        let (project, list) = (project.clone(), list.clone());
        self.readers.query(move |connection| listing::list(connection, &project, &list)).await
    }

    async fn publish(&self, new: NewFile) -> Result<Publication, PublishError> {
        if matches!(new.payload, Payload::Inline(_)) {
            self.room.check()?;
        }
        self.writer.publish(new).await
    }

    async fn remove_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        conditions: &Conditions,
        now: Timestamp,
    ) -> Result<File, RemoveError> {
        self.catch_up().await?;
        let (project, path, conditions) = (project.clone(), path.clone(), conditions.clone());
        let change =
            move |connection: &_| files::remove(connection, &project, &path, &conditions, now);
        self.writer.change(change).await
    }

    async fn remove_file_by_id(&self, remove: RemoveFile) -> Result<File, RemoveError> {
        self.catch_up().await?;
        self.writer.change(move |connection| files::remove_by_id(connection, &remove)).await
    }

    async fn change_file(&self, change: ChangeFile) -> Result<File, ChangeError> {
        self.catch_up().await?;
        self.writer.change(move |connection| files::change(connection, &change)).await
    }

    async fn find_upload(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        key: &UploadKey,
    ) -> Result<Option<Upload>, CatalogError> {
        let (project, path, key) = (project.clone(), path.clone(), key.clone());
        let parts = self.parts.clone();
        self.readers
            .query(move |connection| uploads::find(connection, &parts, &project, &path, &key))
            .await
    }

    async fn find_upload_by_id(
        &self,
        project: &ProjectId,
        id: &UploadId,
    ) -> Result<Option<Upload>, CatalogError> {
        let (project, id, parts) = (project.clone(), id.clone(), self.parts.clone());
        let find = move |connection: &_| uploads::find_by_id(connection, &parts, &project, &id);
        self.readers.query(find).await
    }

    async fn join_upload(&self, new: NewUpload) -> Result<Upload, JoinError> {
        let parts = self.parts.clone();
        self.writer.change(move |connection| uploads::join(connection, &parts, &new)).await
    }

    async fn record_parts(&self, record: RecordParts) -> Result<Upload, UploadError> {
        let parts = self.parts.clone();
        let change = move |connection: &_| uploads::record(connection, &parts, &record);
        let upload = self.writer.change(change).await?;
        self.parts.keep(&upload);
        Ok(upload)
    }

    async fn finish_upload(&self, finish: FinishUpload) -> Result<Finished, FinishError> {
        self.catch_up().await?;
        let parts = self.parts.clone();
        self.writer.change(move |connection| uploads::finish(connection, &parts, finish)).await
    }

    async fn end_upload(&self, end: EndUpload) -> Result<Upload, UploadError> {
        let parts = self.parts.clone();
        self.writer.change(move |connection| uploads::end_upload(connection, &parts, &end)).await
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
        self.settle().await?;
        let blobs = blobs.to_vec();
        self.readers.query(move |connection| files::known(connection, &blobs)).await
    }

    async fn retired_blobs(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<BlobId>, CatalogError> {
        self.settle().await?;
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

    async fn give_back_room(&self, now: Timestamp) -> Result<u64, CatalogError> {
        if !self.writer.publishes() {
            return Ok(0);
        }
        self.settle().await?;
        let room =
            JournalRoom { readers: &self.readers, writer: &self.writer, segments: &self.segments };
        room.give_back(now).await
    }

    async fn export(&self) -> Result<RecordReader, CatalogError> {
        self.settle().await?;
        Ok(transfer::export(self.readers.path().to_owned(), self.segments.clone()))
    }

    async fn import(&self, records: Vec<Record>) -> Result<(), CatalogError> {
        for run in transfer::runs(records) {
            match run {
                Run::Files(records) => self.writer.append(records).await?,
                Run::Rows(records) => {
                    let bring_in = move |connection: &_| {
                        transfer::import(connection, records).map_err(catalog_error)
                    };
                    self.writer.change(bring_in).await?;
                }
            }
        }
        self.writer.settle().await
    }

    /// Takes the write lock and gives it back: what that needs, every change needs.
    async fn check(&self) -> Result<(), CatalogError> {
        self.writer.change(|_| Ok(())).await
    }
}
