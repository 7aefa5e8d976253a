//! The file: what a path of a project points to.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{BlobId, FileId, MediaId, MediaInfo, ObjectPath, ProjectId, Timestamp};

/// A strong entity tag, without its quotes. It names one version of one file: two versions never
/// share one, equal bytes or not, which is what `If-Range` relies on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ETag(String);

impl ETag {
    /// The tag of the version that is stored in a blob: blobs never change.
    pub fn of_blob(blob: &BlobId) -> Self {
        Self(blob.as_str().to_owned())
    }

    /// Takes a tag that was made before.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text between the quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ETag {
    /// With quotes, as HTTP wants it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// Everything the catalog knows of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its id, which stays when the file is replaced.
    pub id: FileId,
    /// The media it belongs to; stays likewise.
    pub media_id: MediaId,
    /// Its project.
    pub project: ProjectId,
    /// Its path.
    pub path: ObjectPath,
    /// The blob that holds its bytes.
    pub blob: BlobId,
    /// Whether the catalog keeps the blob, and not the store: see [`Payload`].
    #[serde(default)]
    pub inline: bool,
    /// Size in bytes.
    pub size: u64,
    /// CRC-64/NVME of the bytes.
    pub crc64: u64,
    /// SHA-256 of the bytes, where it was computed.
    pub sha256: Option<[u8; 32]>,
    /// Type and media facts.
    pub media: MediaInfo,
    /// The app's own reference.
    pub reference: Option<String>,
    /// A label for people.
    pub label: Option<String>,
    /// The app's own metadata.
    pub metadata: BTreeMap<String, String>,
    /// When the path was first published.
    pub created: Timestamp,
    /// When this version was published.
    pub updated: Timestamp,
}

/// Where the bytes of a finished upload are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Durable in the store already, under the blob's name.
    Stored,
    /// Here. The catalog keeps them, in the transaction that points the path to them: a small
    /// file then costs one sync in place of three.
    Inline(Bytes),
}

impl Payload {
    /// The bytes that are here.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Stored => &[],
            Self::Inline(bytes) => bytes,
        }
    }
}

impl File {
    /// The entity tag of this version.
    pub fn etag(&self) -> ETag {
        ETag::of_blob(&self.blob)
    }

    /// The blob, if the store has it.
    pub fn stored_blob(&self) -> Option<&BlobId> {
        (!self.inline).then_some(&self.blob)
    }
}
