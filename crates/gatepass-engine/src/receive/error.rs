use gatepass_core::admission::AdmissionError;
use gatepass_core::port::{
    BlobError, CatalogError, FinishError, JoinError, PublishError, UploadError,
};
use gatepass_core::publication::Refusal;
use gatepass_core::upload::{BeginRefusal, UploadRefusal};

use super::BodyError;

/// Why bytes did not become a file, or a part of one. The last two are ours, the rest the
/// client's.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// The grant is for something else.
    #[error("the grant is not for an upload")]
    NotAnUpload,
    /// The URL's time is over, and nothing has begun that could be gone on with.
    #[error("the URL has expired")]
    UrlExpired,
    /// The key that the upload began with is no longer accepted.
    #[error("the key of the upload is no longer accepted")]
    KeyRevoked,
    /// The rules do not admit these bytes.
    #[error(transparent)]
    NotAdmitted(#[from] AdmissionError),
    /// What is at the path does not permit it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such upload.
    #[error("no such upload")]
    UploadNotFound,
    /// The upload's state does not permit it.
    #[error(transparent)]
    Upload(#[from] UploadRefusal),
    /// No more uploads may begin.
    #[error(transparent)]
    Begin(#[from] BeginRefusal),
    /// The body has not the length of its range.
    #[error("the body has not the length of its range")]
    ChunkLength,
    /// Bytes were appended elsewhere than at the end of what is there.
    #[error("the offset is not that of the upload")]
    OffsetMismatch {
        /// Where the next bytes go.
        offset: u64,
    },
    /// A newer attempt at the same bytes took over.
    #[error("a newer request took over")]
    Interrupted,
    /// The bytes did not arrive.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] BlobError),
    /// The catalog failed.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

impl ReceiveError {
    /// A task of ours ended without an answer.
    pub(crate) fn lost(error: tokio::task::JoinError) -> Self {
        Self::Store(BlobError::Unavailable(std::io::Error::other(error)))
    }
}

impl From<PublishError> for ReceiveError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Refused(refusal) => Self::Refused(refusal),
            PublishError::Catalog(error) => Self::Catalog(error),
        }
    }
}

impl From<JoinError> for ReceiveError {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::Refused(refusal) => Self::Begin(refusal),
            JoinError::Catalog(error) => Self::Catalog(error),
        }
    }
}

impl From<UploadError> for ReceiveError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::NotFound => Self::UploadNotFound,
            UploadError::Refused(refusal) => Self::Upload(refusal),
            UploadError::Catalog(error) => Self::Catalog(error),
        }
    }
}

impl From<FinishError> for ReceiveError {
    fn from(error: FinishError) -> Self {
        match error {
            FinishError::NotFound => Self::UploadNotFound,
            FinishError::Upload(refusal) => Self::Upload(refusal),
            FinishError::Refused(refusal) => Self::Refused(refusal),
            FinishError::Catalog(error) => Self::Catalog(error),
        }
    }
}
