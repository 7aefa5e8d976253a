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

use crate::counts::{self, Unfolded};
use crate::error::OpenError;
use crate::files::{Change, Publish, Remove, Target};
use crate::options::Options;
use crate::session::Sessions;
use crate::{files, listing, migrate, settings, transfer, turns, uploads};

/// A catalog on PostgreSQL.
pub struct PostgresCatalog {
    sessions: Arc<Sessions>,
    unfolded: Unfolded,
}

impl PostgresCatalog {
    /// Connects to a database and brings its schema up to date.
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        let sessions = Sessions::new(options)?;
        let place = options.place();
        let migrated = sessions.migrate(|session| migrate::run(session, &place)).await;
        migrated.map_err(|source| OpenError::Failed { place: place.clone(), source })??;
        Ok(Self { sessions: Arc::new(sessions), unfolded: Unfolded::default() })
    }

    /// Notes what a change has made. The counts of files follow in the background.
    fn noted<T, E>(&self, made: Result<T, E>) -> Result<T, E> {
        if made.is_ok() && self.unfolded.note(1) {
            let sessions = Arc::clone(&self.sessions);
            tokio::spawn(async move {
                if let Err(error) = counts::fold(&sessions).await {
                    tracing::warn!(%error, "counts of files are folded later; until then lists are slow");
                }
            });
        }
        made
    }
}

#[async_trait]
impl Catalog for PostgresCatalog {
    async fn load_settings(&self) -> Result<SettingsRecords, CatalogError> {
        self.sessions.read(settings::load).await
    }

    async fn settings_version(&self) -> Result<u64, CatalogError> {
        self.sessions.read(settings::version).await
    }

    async fn change_settings(&self, changes: Vec<SettingsChange>) -> Result<(), CatalogError> {
        self.sessions.change(|session, _| settings::change(session, &changes)).await
    }

    async fn find_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Option<File>, CatalogError> {
        self.sessions.read(|session| files::find(session, project, path)).await
    }

    async fn read_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Option<(Arc<File>, Option<InlineBytes>)>, CatalogError> {
        Ok(self.find_file(project, path).await?.map(|file| (Arc::new(file), None)))
    }

    /// None: what many nodes share is for what must be decided once, and bytes are not.
    fn inline_bytes_max(&self) -> usize {
        0
    }

    async fn find_file_by_id(
        &self,
        project: &ProjectId,
        id: &FileId,
    ) -> Result<Option<File>, CatalogError> {
        self.sessions.read(|session| files::find_by_id(session, project, id)).await
    }

    async fn list_files(
        &self,
        project: &ProjectId,
        list: &ListFiles,
    ) -> Result<FilePage, CatalogError> {
        self.sessions.read(|session| listing::list(session, project, list)).await
    }

    async fn publish(&self, new: NewFile) -> Result<Publication, PublishError> {
        let publish = Publish::new(new);
        let made =
            self.sessions.change(|session, in_doubt| publish.attempt(session, in_doubt)).await;
        self.noted(made)
    }

    async fn remove_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        conditions: &Conditions,
        now: Timestamp,
    ) -> Result<File, RemoveError> {
        let remove = Remove::new(Target::Path(project, path), conditions, now)?;
        let made =
            self.sessions.change(|session, in_doubt| remove.attempt(session, in_doubt)).await;
        self.noted(made)
    }

    async fn remove_file_by_id(&self, remove: RemoveFile) -> Result<File, RemoveError> {
        let remove = Remove::new(Target::Id(&remove), &remove.conditions, remove.now)?;
        let made =
            self.sessions.change(|session, in_doubt| remove.attempt(session, in_doubt)).await;
        self.noted(made)
    }

    async fn change_file(&self, change: ChangeFile) -> Result<File, ChangeError> {
        let change = Change::new(change);
        let made =
            self.sessions.change(|session, in_doubt| change.attempt(session, in_doubt)).await;
        self.noted(made)
    }

    async fn find_upload(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        key: &UploadKey,
    ) -> Result<Option<Upload>, CatalogError> {
        self.sessions.read(|session| uploads::find(session, project, path, key)).await
    }

    async fn find_upload_by_id(
        &self,
        project: &ProjectId,
        id: &UploadId,
    ) -> Result<Option<Upload>, CatalogError> {
        self.sessions.read(|session| uploads::find_by_id(session, project, id)).await
    }

    async fn join_upload(&self, new: NewUpload) -> Result<Upload, JoinError> {
        self.sessions.change(|session, in_doubt| uploads::join(session, in_doubt, &new)).await
    }

    async fn record_parts(&self, record: RecordParts) -> Result<Upload, UploadError> {
        self.sessions.change(|session, in_doubt| uploads::record(session, in_doubt, &record)).await
    }

    async fn finish_upload(&self, finish: FinishUpload) -> Result<Finished, FinishError> {
        let made = self.sessions.change(|session, _| uploads::finish(session, &finish)).await;
        self.noted(made)
    }

    async fn end_upload(&self, end: EndUpload) -> Result<Upload, UploadError> {
        self.sessions.change(|session, _| uploads::end_upload(session, &end)).await
    }

    async fn list_uploads(
        &self,
        project: &ProjectId,
        list: &ListUploads,
    ) -> Result<UploadPage, CatalogError> {
        self.sessions.read(|session| uploads::list(session, project, list)).await
    }

    async fn expired_uploads(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<UploadId>, CatalogError> {
        self.sessions.read(|session| uploads::expired(session, now, limit)).await
    }

    async fn forget_uploads(&self, now: Timestamp, limit: usize) -> Result<u64, CatalogError> {
        self.sessions.change(|session, _| uploads::forget(session, now, limit)).await
    }

    async fn known_blobs(&self, blobs: &[BlobId]) -> Result<HashSet<BlobId>, CatalogError> {
        self.sessions.read(|session| files::known(session, blobs)).await
    }

    async fn retired_blobs(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<BlobId>, CatalogError> {
        self.sessions.read(|session| files::retired(session, before, limit)).await
    }

    async fn forget_retired(&self, blobs: &[BlobId]) -> Result<(), CatalogError> {
        self.sessions.change(|session, _| files::forget(session, blobs)).await
    }

    async fn take_turn(&self, turn: TakeTurn) -> Result<bool, CatalogError> {
        self.sessions.change(|session, _| turns::take(session, &turn)).await
    }

    /// The engine keeps no files; what rows leave, PostgreSQL takes again by itself.
    async fn give_back_room(&self, _now: Timestamp) -> Result<u64, CatalogError> {
        Ok(0)
    }

    async fn export(&self) -> Result<RecordReader, CatalogError> {
        transfer::export(&self.sessions).await
    }

    async fn import(&self, records: Vec<Record>) -> Result<(), CatalogError> {
        self.sessions.long(|session| transfer::import(session, &records)).await?;
        if self.unfolded.note(records.len() as u64) {
            counts::fold(&self.sessions).await?;
        }
        Ok(())
    }

    async fn check(&self) -> Result<(), CatalogError> {
        self.sessions.read(settings::check).await
    }
}
