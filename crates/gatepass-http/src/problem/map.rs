//! One exhaustive match for each error of the layers below: a new variant does not compile until
//! it has its place here.

use std::io;

use gatepass_core::admission::AdmissionError;
use gatepass_core::file_change::ChangeRefusal;
use gatepass_core::port::{BlobError, CatalogError, ChangeError, FetchError, RemoveError};
use gatepass_core::publication::Refusal;
use gatepass_core::upload::UploadRefusal;
use gatepass_engine::admin::AdminError;
use gatepass_engine::files::FindError;
use gatepass_engine::ingest::IngestError;
use gatepass_engine::receive::{BodyError, ReceiveError};
use gatepass_engine::serve::ServeError;
use gatepass_engine::signatures::SignatureError;
use gatepass_sign::{VerifyError, VerifyErrorKind};
use http::header;

use super::{ErrorCode, Problem};

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        let code = match error.kind() {
            VerifyErrorKind::PathInvalid => ErrorCode::PathInvalid,
            VerifyErrorKind::SignatureInvalid => ErrorCode::SignatureInvalid,
            VerifyErrorKind::PolicyMalformed => ErrorCode::SignatureMalformed,
            VerifyErrorKind::Expired => ErrorCode::UrlExpired,
            VerifyErrorKind::ExpiryTooFar => ErrorCode::ExpiryTooFar,
            VerifyErrorKind::MethodNotPermitted => ErrorCode::PolicyViolation,
            VerifyErrorKind::ScopeInsufficient => ErrorCode::ScopeInsufficient,
            VerifyErrorKind::CredentialsMissing => ErrorCode::CredentialsMissing,
            VerifyErrorKind::BearerInvalid => ErrorCode::CredentialsInvalid,
        };
        let problem = Self::new(code);
        match error {
            VerifyError::PathInvalid(reason) => problem.field("path").detail(reason.to_string()),
            VerifyError::PolicyMalformed { parameter, reason } => {
                problem.field(&parameter).detail(format!("{parameter}: {reason}"))
            }
            VerifyError::Expired { expiry } => problem.member("expiry", expiry),
            VerifyError::ExpiryTooFar { max_seconds } => problem.member("max_seconds", max_seconds),
            VerifyError::MethodNotPermitted => problem.field("method"),
            VerifyError::CredentialsMissing | VerifyError::BearerInvalid => {
                problem.header(header::WWW_AUTHENTICATE, "Bearer")
            }
            _ => problem,
        }
    }
}

impl From<AdmissionError> for Problem {
    fn from(error: AdmissionError) -> Self {
        match error {
            AdmissionError::TooLarge { max_bytes } => {
                Self::new(ErrorCode::TooLarge).member("max_bytes", max_bytes)
            }
            AdmissionError::WrongSize { bytes } => Self::new(ErrorCode::PolicyViolation)
                .field("size")
                .member("bytes", bytes)
                .detail(format!("the URL is for a file of exactly {bytes} bytes")),
            AdmissionError::TypeNotAllowed => Self::new(ErrorCode::PolicyViolation)
                .field("type")
                .detail("the content is not of a type that the URL permits"),
            AdmissionError::DigestMismatch => Self::new(ErrorCode::DigestMismatch),
            AdmissionError::DigestConflict => Self::new(ErrorCode::DigestMismatch)
                .field("sha256")
                .detail("the digest in the headers is not the signed one"),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(error: Refusal) -> Self {
        match error {
            Refusal::FileExists => ErrorCode::FileExists.into(),
            Refusal::PreconditionFailed => ErrorCode::PreconditionFailed.into(),
        }
    }
}

impl From<UploadRefusal> for Problem {
    fn from(error: UploadRefusal) -> Self {
        let code = match error {
            UploadRefusal::Aborted => ErrorCode::UploadNotFound,
            UploadRefusal::Expired => ErrorCode::UploadExpired,
            UploadRefusal::Complete => ErrorCode::UploadComplete,
            UploadRefusal::LengthInconsistent => ErrorCode::LengthInconsistent,
            UploadRefusal::PartConflict => ErrorCode::PartConflict,
            UploadRefusal::TooManyParts => ErrorCode::PartSizeInvalid,
        };
        code.into()
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Stalled => ErrorCode::ClientTimeout.into(),
            BodyError::Incomplete => ErrorCode::BodyIncomplete.into(),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        if let BlobError::TooLarge { max_bytes } = error {
            return Self::new(ErrorCode::TooLarge).member("max_bytes", max_bytes);
        }
        let code = match &error {
            // The catalog pointed there: its blob has to exist.
            BlobError::NotFound | BlobError::Corrupt | BlobError::NotReadable => {
                ErrorCode::BlobCorrupt
            }
            BlobError::TooLarge { .. } => ErrorCode::TooLarge,
            BlobError::Full(_) => ErrorCode::StorageFull,
            BlobError::SyncFailed(cause) if is_full(cause) => ErrorCode::StorageFull,
            BlobError::SyncFailed(_) | BlobError::Unavailable(_) => ErrorCode::StorageUnavailable,
        };
        Self::new(code).cause(error)
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        let code = match &error {
            CatalogError::Unavailable(_) | CatalogError::Outdated => ErrorCode::CatalogUnavailable,
            CatalogError::Full(_) => ErrorCode::StorageFull,
            CatalogError::Corrupt(_) => ErrorCode::Internal,
        };
        Self::new(code).cause(error)
    }
}

impl From<ReceiveError> for Problem {
    fn from(error: ReceiveError) -> Self {
        match error {
            // No dialect of ours names an offset yet.
            ReceiveError::NotAnUpload | ReceiveError::OffsetMismatch { .. } => {
                Self::new(ErrorCode::Internal).cause(error)
            }
            ReceiveError::UrlExpired => ErrorCode::UrlExpired.into(),
            ReceiveError::KeyRevoked => ErrorCode::SignatureInvalid.into(),
            ReceiveError::UploadNotFound => ErrorCode::UploadNotFound.into(),
            ReceiveError::Upload(error) => error.into(),
            ReceiveError::Begin(error) => {
                Self::new(ErrorCode::TooManyUploads).detail(error.to_string())
            }
            ReceiveError::ChunkLength => Self::new(ErrorCode::ContentRangeInvalid)
                .field("content-range")
                .detail("the body has not the length of its range"),
            ReceiveError::Interrupted => ErrorCode::UploadInterrupted.into(),
            ReceiveError::NotAdmitted(error) => error.into(),
            ReceiveError::Refused(error) => error.into(),
            ReceiveError::Body(error) => error.into(),
            ReceiveError::Store(error) => error.into(),
            ReceiveError::Catalog(error) => error.into(),
        }
    }
}

impl From<ServeError> for Problem {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::NotARead => Self::new(ErrorCode::Internal).cause(error),
            ServeError::NotFound => ErrorCode::FileNotFound.into(),
            ServeError::PreconditionFailed(etag) => {
                Self::new(ErrorCode::PreconditionFailed).header(header::ETAG, &etag.to_string())
            }
            ServeError::Store(error) => error.into(),
            ServeError::Catalog(error) => error.into(),
        }
    }
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::NotFound => ErrorCode::FileNotFound.into(),
            RemoveError::PreconditionFailed => ErrorCode::PreconditionFailed.into(),
            RemoveError::Catalog(error) => error.into(),
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NoSuchRule(_) => ErrorCode::RuleNotFound.into(),
            AdminError::TooManyRules => Self::new(ErrorCode::BodyInvalid).detail(error.to_string()),
            AdminError::Catalog(error) => error.into(),
            // No call of the API gets there.
            AdminError::NoSuchProject(_)
            | AdminError::NoSuchKey(_)
            | AdminError::NoSuchDomain(_)
            | AdminError::KeyRevoked(_)
            | AdminError::HostTaken(_)
            | AdminError::BadHost(_)
            | AdminError::BadPublicUrl(_)
            | AdminError::TooManyKeys
            | AdminError::KeyInUse
            | AdminError::KeyText(_)
            | AdminError::Vault(_) => Self::new(ErrorCode::Internal).cause(error),
        }
    }
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        let detail = error.to_string();
        match error {
            FetchError::PortRefused => {
                Self::new(ErrorCode::BodyInvalid).field("url").detail(format!("url: {detail}"))
            }
            FetchError::Unreachable(_) => ErrorCode::SourceUnreachable.into(),
            FetchError::Status(status) => {
                Self::new(ErrorCode::SourceFailed).member("status", status).detail(detail)
            }
            FetchError::Untrusted(_)
            | FetchError::TooManyRedirects
            | FetchError::RedirectRefused
            | FetchError::Undelimited
            | FetchError::Encoded
            | FetchError::Excess
            | FetchError::Incomplete
            | FetchError::Stalled
            | FetchError::TooSlow => Self::new(ErrorCode::SourceFailed).detail(detail),
        }
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        let invalid = |field: &str, reason: String| {
            Self::new(ErrorCode::BodyInvalid).field(field).detail(format!("{field}: {reason}"))
        };
        match error {
            IngestError::Url(_) => invalid("url", error.to_string()),
            IngestError::NameMissing => invalid("filename", error.to_string()),
            IngestError::Label => invalid("label", error.to_string()),
            IngestError::Name(reason) => {
                Self::new(ErrorCode::PathInvalid).field("filename").detail(reason.to_string())
            }
            IngestError::Refused(VerifyError::PolicyMalformed { parameter, reason }) => {
                invalid(&parameter, reason.to_owned())
            }
            IngestError::Refused(error) => error.into(),
            IngestError::Busy => Self::new(ErrorCode::TooManyUploads).detail(error.to_string()),
            IngestError::Fetch(error) => error.into(),
            IngestError::GivenUp => Self::new(ErrorCode::UploadNotFound).detail(error.to_string()),
            IngestError::Receive(error) => error.into(),
        }
    }
}

impl From<FindError> for Problem {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound => ErrorCode::FileNotFound.into(),
            FindError::Catalog(error) => error.into(),
        }
    }
}

impl From<ChangeError> for Problem {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::NotFound => ErrorCode::FileNotFound.into(),
            ChangeError::Refused(refusal) => refusal.into(),
            ChangeError::Catalog(error) => error.into(),
        }
    }
}

impl From<ChangeRefusal> for Problem {
    fn from(refusal: ChangeRefusal) -> Self {
        let reason = refusal.to_string();
        match refusal {
            ChangeRefusal::PreconditionFailed => ErrorCode::PreconditionFailed.into(),
            ChangeRefusal::FileExists => ErrorCode::FileExists.into(),
            ChangeRefusal::OutsidePrefix => Self::new(ErrorCode::ScopeInsufficient).detail(reason),
            ChangeRefusal::Name(_) => {
                Self::new(ErrorCode::PathInvalid).field("filename").detail(reason)
            }
            ChangeRefusal::Text(field) => {
                Self::new(ErrorCode::BodyInvalid).field(&field).detail(reason)
            }
            ChangeRefusal::MetadataName(_) | ChangeRefusal::TooMuchMetadata => {
                Self::new(ErrorCode::BodyInvalid).field("metadata").detail(reason)
            }
        }
    }
}

impl From<SignatureError> for Problem {
    fn from(error: SignatureError) -> Self {
        match error {
            SignatureError::Name(reason) => {
                Self::new(ErrorCode::PathInvalid).field("filename").detail(reason.to_string())
            }
            SignatureError::Expiry => {
                Self::new(ErrorCode::BodyInvalid).field("expiry").detail(error.to_string())
            }
            SignatureError::ExpiryTooFar => ErrorCode::ExpiryTooFar.into(),
            // Here the values come from the body, not from a URL.
            SignatureError::Refused(VerifyError::PolicyMalformed { parameter, reason }) => {
                Self::new(ErrorCode::BodyInvalid)
                    .field(&parameter)
                    .detail(format!("{parameter}: {reason}"))
            }
            SignatureError::Refused(error) => error.into(),
        }
    }
}
