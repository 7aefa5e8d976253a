use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_core::Stream;

use crate::condition::Conditions;
use crate::file_change::{ChangeRefusal, FileChange};
use crate::path_range::{self, PathRange};
use crate::port::OpenSlice;
use crate::project::{SettingsChange, SettingsRecords};
use crate::publication::{NewFile, Publication, Refusal};
use crate::upload::{
    BeginRefusal, Finished, NewUpload, Upload, UploadKey, UploadRefusal, UploadStatus,
};
use crate::{BlobId, File, FileId, ObjectPath, Part, ProjectId, Record, Timestamp, UploadId};

/// A catalog's records, some at a time. An error ends the stream.
pub type RecordReader = Pin<Box<dyn Stream<Item = Result<Vec<Record>, CatalogError>> + Send>>;

/// Keeps what paths point to, and the settings.
///
/// # Contract
///
/// - Each method that changes something is one transaction, durable when it returns `Ok`.
/// - After an error the change was made wholly or not at all.
/// - Readers never wait for writers.
#[async_trait]
pub trait Catalog: Send + Sync + 'static {
    /// All settings.
    async fn load_settings(&self) -> Result<SettingsRecords, CatalogError>;

    /// The version of the settings: rises with each change, whoever makes it.
    async fn settings_version(&self) -> Result<u64, CatalogError>;

    /// Makes these changes, all or none; [`CatalogError::Outdated`] if they require another version.
    async fn change_settings(&self, changes: Vec<SettingsChange>) -> Result<(), CatalogError>;

    /// The file at a path.
    async fn find_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Option<File>, CatalogError>;

    /// The file at a path and, if it is [`inline`](File::inline), the bytes of that version.
    async fn read_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
    ) -> Result<Option<(Arc<File>, Option<InlineBytes>)>, CatalogError>;

    /// Most bytes that the catalog keeps of a file; 0 if it keeps none, and
    /// [`Payload::Inline`](crate::Payload::Inline) must not be given to it.
    fn inline_bytes_max(&self) -> usize;

    /// A file by its id.
    async fn find_file_by_id(
        &self,
        project: &ProjectId,
        id: &FileId,
    ) -> Result<Option<File>, CatalogError>;

    /// One page of a project's files, and how many there are: both as of one moment.
    async fn list_files(
        &self,
        project: &ProjectId,
        list: &ListFiles,
    ) -> Result<FilePage, CatalogError>;

    /// Points a path to a finished upload, as [`publication::publish`](crate::publication::publish)
    /// decides on what is there at that moment. The blob that was there is noted as retired, or
    /// gone if the catalog kept it.
    async fn publish(&self, new: NewFile) -> Result<Publication, PublishError>;

    /// Removes the file at a path; its blob is noted as retired.
    async fn remove_file(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        conditions: &Conditions,
        now: Timestamp,
    ) -> Result<File, RemoveError>;

    /// Removes a file by its id; its blob is noted as retired.
    async fn remove_file_by_id(&self, remove: RemoveFile) -> Result<File, RemoveError>;

    /// Changes what is known of a file, as [`file_change::apply`](crate::file_change::apply)
    /// decides on what is there at that moment, and returns it as it is then. A new path that
    /// another file has is refused.
    async fn change_file(&self, change: ChangeFile) -> Result<File, ChangeError>;

    /// The upload that a request names, at its path. Of several with one origin the unfinished
    /// one, else the latest that is complete.
    async fn find_upload(
        &self,
        project: &ProjectId,
        path: &ObjectPath,
        key: &UploadKey,
    ) -> Result<Option<Upload>, CatalogError>;

    /// An upload by its id alone.
    async fn find_upload_by_id(
        &self,
        project: &ProjectId,
        id: &UploadId,
    ) -> Result<Option<Upload>, CatalogError>;

    /// Begins an upload, or returns the one that has begun already: of any number of first
    /// requests at once, one begins it and all get the same.
    async fn join_upload(&self, new: NewUpload) -> Result<Upload, JoinError>;

    /// Records parts that are durable, as [`Upload::record`] decides, and returns the upload as
    /// it is then.
    async fn record_parts(&self, record: RecordParts) -> Result<Upload, UploadError>;

    /// Makes an upload a file: publishes it as [`publish`](Self::publish) does and marks it
    /// complete, in one transaction. One that is complete already stays what it is.
    async fn finish_upload(&self, finish: FinishUpload) -> Result<Finished, FinishError>;

    /// Ends an unfinished upload; its blob is noted as retired. One that has ended stays what it
    /// is.
    async fn end_upload(&self, end: EndUpload) -> Result<Upload, UploadError>;

    /// One page of a project's unfinished uploads, newest first.
    async fn list_uploads(
        &self,
        project: &ProjectId,
        list: &ListUploads,
    ) -> Result<UploadPage, CatalogError>;

    /// Unfinished uploads whose time is over, oldest first.
    async fn expired_uploads(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<UploadId>, CatalogError>;

    /// Forgets uploads that ended and whose time to be remembered is over; returns how many.
    async fn forget_uploads(&self, now: Timestamp, limit: usize) -> Result<u64, CatalogError>;

    /// Which of these blobs are in use, by files or unfinished uploads, or noted as retired.
    async fn known_blobs(&self, blobs: &[BlobId]) -> Result<HashSet<BlobId>, CatalogError>;

    /// Blobs retired before a time, oldest first.
    async fn retired_blobs(
        &self,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<BlobId>, CatalogError>;

    /// Forgets retired blobs whose bytes are gone.
    async fn forget_retired(&self, blobs: &[BlobId]) -> Result<(), CatalogError>;

    /// Takes the turn at a chore that nodes share, or keeps it: whether the node has it now. Of all
    /// nodes of a catalog at most one has it, until its time is over by the catalog's clock. A
    /// catalog that one process has to itself says yes.
    async fn take_turn(&self, turn: TakeTurn) -> Result<bool, CatalogError>;

    /// Gives room back that small files have left which were replaced or removed; returns how many
    /// bytes. For a catalog that cannot do so all the time.
    async fn give_back_room(&self, now: Timestamp) -> Result<u64, CatalogError>;

    /// Everything there is, as of one moment, without holding up anybody: projects, domains, keys,
    /// the files of each project oldest first, uploads oldest first, retired blobs by name. Two
    /// catalogs with the same records give them in the same order.
    async fn export(&self) -> Result<RecordReader, CatalogError>;

    /// Brings in records of an export, as they are and in their order. Of what is there already
    /// (an id, a path, a name) nothing is changed, so that the same can be brought in again. Not
    /// for a catalog that is served.
    async fn import(&self, records: Vec<Record>) -> Result<(), CatalogError>;

    /// Whether the catalog can take changes now.
    async fn check(&self) -> Result<(), CatalogError>;
}

/// The bytes of a file that the catalog keeps.
#[derive(Debug, Clone)]
pub enum InlineBytes {
    /// Here.
    Memory(Bytes),
    /// Where the system can send them from: it was long enough for all of them.
    File(OpenSlice),
}

/// What [`Catalog::take_turn`] takes.
#[derive(Debug, Clone)]
pub struct TakeTurn {
    /// The chore's name.
    pub chore: &'static str,
    /// The node, by a name that no other has.
    pub node: String,
    /// How long the turn lasts from now on, if it is not taken again before.
    pub lasts: Duration,
}

/// What [`Catalog::record_parts`] records.
#[derive(Debug, Clone)]
pub struct RecordParts {
    /// The upload.
    pub id: UploadId,
    /// The parts.
    pub parts: Vec<Part>,
    /// The size of the file, if the request said it.
    pub total: Option<u64>,
    /// Now.
    pub now: Timestamp,
    /// How long the upload lives on.
    pub keep: Duration,
}

/// What [`Catalog::finish_upload`] makes of an upload.
#[derive(Debug, Clone)]
pub struct FinishUpload {
    /// The upload.
    pub id: UploadId,
    /// The file.
    pub new: NewFile,
    /// How long late repeats get the file again.
    pub remember: Duration,
}

/// How [`Catalog::end_upload`] ends an upload.
#[derive(Debug, Clone)]
pub struct EndUpload {
    /// The upload.
    pub id: UploadId,
    /// What it becomes: aborted or expired.
    pub status: UploadStatus,
    /// Now.
    pub now: Timestamp,
    /// How long late requests are told.
    pub remember: Duration,
}

/// Which unfinished uploads to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListUploads {
    /// Only uploads to paths within this, as [`ObjectPath::is_within`] understands it.
    pub within: String,
    /// How many to skip.
    pub offset: u64,
    /// How many at most.
    pub limit: u64,
}

/// One page of uploads.
#[derive(Debug, Clone, Default)]
pub struct UploadPage {
    /// The uploads of this page.
    pub uploads: Vec<Upload>,
    /// How many there are on all pages.
    pub total: u64,
}

/// Why an upload did not begin.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The project has too much unfinished.
    #[error(transparent)]
    Refused(#[from] BeginRefusal),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Why an upload did not change.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// There is none.
    #[error("no such upload")]
    NotFound,
    /// Its state does not permit it.
    #[error(transparent)]
    Refused(#[from] UploadRefusal),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Why an upload did not become a file.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// There is none.
    #[error("no such upload")]
    NotFound,
    /// Its state does not permit it.
    #[error(transparent)]
    Upload(#[from] UploadRefusal),
    /// What is at the path does not permit it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl From<PublishError> for FinishError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Refused(refusal) => Self::Refused(refusal),
            PublishError::Catalog(error) => Self::Catalog(error),
        }
    }
}

/// Which files to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFiles {
    /// Only files whose path starts with this text.
    pub prefix: String,
    /// Only files within this, as [`ObjectPath::is_within`] understands it.
    pub within: String,
    /// How many to skip.
    pub offset: u64,
    /// How many at most.
    pub limit: u64,
}

impl ListFiles {
    /// The paths that are asked for, or `None` for all. All files come newest first: in the
    /// reverse order of their first publication. Some of them come sorted by path, byte by byte.
    pub fn ranges(&self) -> Option<Vec<PathRange>> {
        let all = self.prefix.is_empty() && self.within.is_empty();
        (!all).then(|| path_range::ranges(&self.prefix, &self.within))
    }
}

/// One page of files.
#[derive(Debug, Clone, Default)]
pub struct FilePage {
    /// The files of this page.
    pub files: Vec<File>,
    /// How many there are on all pages.
    pub total: u64,
}

/// What [`Catalog::remove_file_by_id`] removes.
#[derive(Debug, Clone)]
pub struct RemoveFile {
    /// The project.
    pub project: ProjectId,
    /// The file.
    pub id: FileId,
    /// What the caller is confined to; a file outside is not found.
    pub within: String,
    /// What the request demands of the file.
    pub conditions: Conditions,
    /// Now.
    pub now: Timestamp,
}

/// What [`Catalog::change_file`] changes.
#[derive(Debug, Clone)]
pub struct ChangeFile {
    /// The project.
    pub project: ProjectId,
    /// The file.
    pub id: FileId,
    /// What the caller is confined to; a file outside is not found, and none moves there.
    pub within: String,
    /// What is to change.
    pub change: FileChange,
    /// What the request demands of the file.
    pub conditions: Conditions,
    /// Now.
    pub now: Timestamp,
}

/// What a catalog can fail with.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It is locked, full or not reachable; a later try may succeed.
    #[error("catalog is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no room for the change.
    #[error("no room left for the catalog")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The settings have another version than a change requires.
    #[error("somebody else changed the settings meanwhile")]
    Outdated,
    /// A row does not make sense.
    #[error("catalog holds a row that makes no sense: {0}")]
    Corrupt(String),
}

/// Why a file was not published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Why a file was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is none.
    #[error("no such file")]
    NotFound,
    /// A condition of the request does not hold.
    #[error("precondition does not hold")]
    PreconditionFailed,
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// There is none.
    #[error("no such file")]
    NotFound,
    /// The rules say no.
    #[error(transparent)]
    Refused(#[from] ChangeRefusal),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}
