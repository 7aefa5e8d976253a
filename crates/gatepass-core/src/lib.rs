//! The vocabulary of Gatepass, its pure decisions, and the ports that adapters implement.
//!
//! Nothing here reads a clock, a file, a socket or a random number: time and randomness are
//! arguments, and effects are behind the traits in [`port`]. That is what makes each decision
//! testable by itself:
//!
//! | question | answered by |
//! |---|---|
//! | may these bytes be taken under this grant? | [`admission`] |
//! | does a conditional request hold? | [`condition`] |
//! | which bytes does a `Range` mean? | [`byte_range`] |
//! | which bytes of an upload are there, and what is missing? | [`part_map`] |
//! | what may be done with an upload in its state? | [`upload`] |
//! | what becomes of a path when a file is published to it? | [`publication`] |
//! | what becomes of a file that is renamed or described anew? | [`file_change`] |
//! | which paths does a prefix mean? | [`path_range`] |
//! | how is stored content served without danger? | [`safe_serving`] |
//! | may a file be fetched from this URL? | [`source_url`] |
//! | which name does a user-chosen filename get? | [`sanitise`] |

pub mod admission;
pub mod byte_range;
pub mod condition;
pub mod digest;
pub mod file;
pub mod file_change;
pub mod id;
pub mod limits;
pub mod media;
mod memo;
pub mod page;
pub mod part_map;
pub mod path_range;
pub mod port;
pub mod project;
pub mod publication;
mod record;
pub mod safe_serving;
pub mod sanitise;
pub mod source_url;
pub mod time;
pub mod upload;

pub use byte_range::ByteRange;
pub use digest::{ContentHasher, Digests, ExpectedDigests};
pub use file::{ETag, File, Payload};
pub use gatepass_sign::{
    AccessRule, AccessRules, Action, Door, Grant, KeyGrant, KeyId, LegacyUrls, ObjectPath,
    Operation, Policy, ProjectId, Scope, Scopes, Secret, UploadId, Visibility,
};
pub use id::{BlobId, FileId, MediaId, RequestId};
pub use media::{MediaFacts, MediaInfo, MediaKind};
pub use memo::Memo;
pub use part_map::{Part, PartMap};
pub use record::{Batch, FileRecord, Record, RetiredBlob};
pub use source_url::SourceUrl;
pub use time::Timestamp;
pub use upload::{Upload, UploadStatus};
