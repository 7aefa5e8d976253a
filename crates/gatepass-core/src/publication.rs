//! What becomes of a path when a finished upload is published to it: decided here, purely, and
//! carried out by a catalog inside one transaction.

use std::collections::BTreeMap;

use crate::condition::{self, Conditions, Current};
use crate::{
    BlobId, Digests, File, FileId, MediaId, MediaInfo, ObjectPath, Payload, ProjectId, Timestamp,
};

/// A finished upload, to which nothing points yet.
#[derive(Debug, Clone)]
pub struct NewFile {
    /// Id for the case that the path is new.
    pub id: FileId,
    /// Media id for the case that the path is new.
    pub media_id: MediaId,
    /// The project.
    pub project: ProjectId,
    /// The path.
    pub path: ObjectPath,
    /// The name of its bytes.
    pub blob: BlobId,
    /// Where they are.
    pub payload: Payload,
    /// Size in bytes.
    pub size: u64,
    /// Digests of the bytes.
    pub digests: Digests,
    /// Type and media facts.
    pub media: MediaInfo,
    /// The app's own reference.
    pub reference: Option<String>,
    /// A label for people; without one, a file that is replaced keeps its own.
    pub label: Option<String>,
    /// The app's own metadata.
    pub metadata: BTreeMap<String, String>,
    /// When it is published.
    pub now: Timestamp,
    /// Whether a file at the path may be replaced.
    pub overwrite: bool,
    /// What the request demands of the file at the path.
    pub conditions: Conditions,
}

/// What a catalog is to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The file as it is from now on.
    pub file: File,
    /// Whether the path is new.
    pub created: bool,
    /// The blob in the store that nothing points to any more. What the catalog kept itself goes
    /// in the same transaction.
    pub retired: Option<BlobId>,
}

/// Why a finished upload is not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is a file, and the URL may only create.
    #[error("a file already exists at this path")]
    FileExists,
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("precondition does not hold")]
    PreconditionFailed,
}

/// Whether something may be published at all, given what is there now. Asked before the bytes are
/// read, to spare the client the way, and again inside the transaction, where it counts.
pub fn check(
    overwrite: bool,
    conditions: &Conditions,
    existing: Option<&File>,
) -> Result<(), Refusal> {
    let etag = existing.map(File::etag);
    let current =
        existing.zip(etag.as_ref()).map(|(file, etag)| Current { etag, updated: file.updated });
    if !condition::allows_write(conditions, current) {
        return Err(Refusal::PreconditionFailed);
    }
    if !overwrite && existing.is_some() {
        return Err(Refusal::FileExists);
    }
    Ok(())
}

/// Decides a publication. A replaced file keeps its ids, its creation time and, if the new one
/// has none, its label.
pub fn publish(new: NewFile, existing: Option<File>) -> Result<Publication, Refusal> {
    check(new.overwrite, &new.conditions, existing.as_ref())?;
    let created = existing.is_none();
    let retired = existing.as_ref().and_then(File::stored_blob).cloned();
    let (id, media_id, label, created_at) = match existing {
        Some(file) => (file.id, file.media_id, new.label.or(file.label), file.created),
        None => (new.id, new.media_id, new.label, new.now),
    };
    let file = File {
        id,
        media_id,
        project: new.project,
        path: new.path,
        blob: new.blob,
        inline: matches!(new.payload, Payload::Inline(_)),
        size: new.size,
        crc64: new.digests.crc64,
        sha256: new.digests.sha256,
        media: new.media,
        reference: new.reference,
        label,
        metadata: new.metadata,
        created: created_at,
        updated: new.now,
    };
    Ok(Publication { file, created, retired })
}
