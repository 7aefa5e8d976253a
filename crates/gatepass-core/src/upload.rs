//! An upload that takes several requests: its state, and what each state permits.
//!
//! ```text
//! Receiving ──(every byte there, published)──> Complete
//!     ├──(given up)──> Aborted
//!     └──(silent too long)──> Expired
//! ```
//!
//! The decisions here are made by a catalog inside its transactions. None of them depends on the
//! size of the file.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::port::PartedBlob;
use crate::publication::Publication;
use crate::{
    BlobId, ByteRange, File, Grant, KeyId, Memo, ObjectPath, Part, PartMap, Policy, ProjectId,
    Timestamp, UploadId,
};

/// Most parts of one upload. What lies side by side can be sent in larger chunks: with those of
/// 16 MiB it is enough for 160 GiB, with larger ones for the largest file.
pub const PARTS_MAX: usize = 10_000;

/// By what later requests find an upload again, beside its id: a hash of what the first one
/// proved itself with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin([u8; 32]);

impl Origin {
    /// Of a signed URL. The signature itself is a secret that has no place in a catalog.
    pub fn of_signature(signature: &[u8]) -> Self {
        Self(Sha256::new_with_prefix("signature\0").chain_update(signature).finalize().into())
    }

    /// Of an API key.
    pub fn of_key(key: &KeyId) -> Self {
        Self(Sha256::new_with_prefix("key\0").chain_update(key.as_str()).finalize().into())
    }

    /// Of a fetch from a URL: nothing but its id finds it again.
    pub fn of_ingest(id: &UploadId) -> Self {
        Self(Sha256::new_with_prefix("ingest\0").chain_update(id.as_str()).finalize().into())
    }

    /// Takes a hash that was made before.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Where an upload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadStatus {
    /// Bytes are missing, or nobody has published it yet.
    Receiving,
    /// It became a file.
    Complete,
    /// It was given up.
    Aborted,
    /// Nobody went on with it in time.
    Expired,
}

impl UploadStatus {
    /// The name in the catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Receiving => "receiving",
            Self::Complete => "complete",
            Self::Aborted => "aborted",
            Self::Expired => "expired",
        }
    }

    /// Reads [`Self::as_str`]'s answer again.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Receiving, Self::Complete, Self::Aborted, Self::Expired]
            .into_iter()
            .find(|status| status.as_str() == text)
    }
}

/// Everything the catalog knows of an upload.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// Its id, which is also the capability to go on with it.
    pub id: UploadId,
    /// Its project.
    pub project: ProjectId,
    /// The path that it is for.
    pub path: ObjectPath,
    /// By what it is found again.
    pub origin: Origin,
    /// The key that signed the URL, or that was sent.
    pub key: KeyId,
    /// What the URL allows; `None` if a key was sent.
    pub policy: Option<Policy>,
    /// The content type that the first request declared.
    pub declared_type: Option<String>,
    /// The blob that its bytes are written to.
    pub blob: BlobId,
    /// What the store wants remembered of the blob.
    pub memo: Memo,
    /// Size of the file in bytes, once somebody has said it.
    pub total: Option<u64>,
    /// Where it stands.
    pub status: UploadStatus,
    /// What is there.
    pub parts: PartMap,
    /// When it began.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// When it ends by itself; after its end, when it is forgotten.
    pub expires: Timestamp,
    /// The file it became.
    pub finished: Option<Finished>,
}

/// The file that an upload became, as it was at that moment. A late repeat gets it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// The file.
    pub file: File,
    /// Whether its path was new.
    pub created: bool,
}

impl From<&Publication> for Finished {
    fn from(publication: &Publication) -> Self {
        Self { file: publication.file.clone(), created: publication.created }
    }
}

/// Why something cannot be done with an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UploadRefusal {
    /// It was given up.
    #[error("the upload was given up")]
    Aborted,
    /// Its time is over.
    #[error("the upload has expired")]
    Expired,
    /// It is a file already.
    #[error("the upload is already complete")]
    Complete,
    /// Another size was said before, or bytes are there beyond this one.
    #[error("the upload's length contradicts an earlier request")]
    LengthInconsistent,
    /// Bytes at this place are there already, and they differ.
    #[error("the range was already received with other bytes")]
    PartConflict,
    /// There are [`PARTS_MAX`] parts.
    #[error("the upload has too many parts")]
    TooManyParts,
}

impl Upload {
    /// Its blob, for the store.
    pub fn parted_blob(&self) -> PartedBlob {
        PartedBlob { id: self.blob.clone(), memo: self.memo.clone() }
    }

    /// Whether bytes may still be added, now.
    pub fn check_receiving(&self, now: Timestamp) -> Result<(), UploadRefusal> {
        match self.status {
            UploadStatus::Receiving if now >= self.expires => Err(UploadRefusal::Expired),
            UploadStatus::Receiving => Ok(()),
            UploadStatus::Complete => Err(UploadRefusal::Complete),
            UploadStatus::Aborted => Err(UploadRefusal::Aborted),
            UploadStatus::Expired => Err(UploadRefusal::Expired),
        }
    }

    /// Whether a request that says this total agrees with what was said before.
    pub fn check_total(&self, total: Option<u64>) -> Result<(), UploadRefusal> {
        let Some(total) = total else { return Ok(()) };
        let agrees = self.total.is_none_or(|known| known == total) && self.parts.end() <= total;
        if agrees { Ok(()) } else { Err(UploadRefusal::LengthInconsistent) }
    }

    /// Whether these bytes lie within the file, as far as its size is known.
    pub fn check_range(&self, range: ByteRange) -> Result<(), UploadRefusal> {
        let within = self.total.is_none_or(|total| range.end() <= total);
        if within { Ok(()) } else { Err(UploadRefusal::LengthInconsistent) }
    }

    /// Whether every byte is there.
    pub fn has_all_bytes(&self) -> bool {
        self.parts.is_complete(self.total)
    }

    /// Records durable parts, and the total if it is news. The upload lives on for `keep`.
    ///
    /// Returns the parts that were not there before.
    pub fn record(
        &mut self,
        parts: &[Part],
        total: Option<u64>,
        now: Timestamp,
        keep: Duration,
    ) -> Result<Vec<Part>, UploadRefusal> {
        self.check_receiving(now)?;
        self.check_total(total)?;
        self.total = self.total.or(total);
        let mut map = self.parts.clone();
        let mut added = Vec::new();
        for part in parts {
            self.check_range(part.range)?;
            if map.insert(part.clone()).map_err(|_| UploadRefusal::PartConflict)? {
                added.push(part.clone());
            }
        }
        if map.parts().len() > PARTS_MAX {
            return Err(UploadRefusal::TooManyParts);
        }
        self.parts = map;
        self.updated = now;
        self.expires = now.plus(keep);
        Ok(added)
    }

    /// Makes it a file, after its publication was decided.
    pub fn finish(&mut self, publication: &Publication, now: Timestamp, remember: Duration) {
        self.finished = Some(Finished::from(publication));
        self.end(UploadStatus::Complete, now, remember);
    }

    /// Whether it can be ended so now. One whose time was prolonged meanwhile does not expire.
    pub fn may_end(&self, status: UploadStatus, now: Timestamp) -> bool {
        let in_time = status == UploadStatus::Expired && now < self.expires;
        self.status == UploadStatus::Receiving && !in_time
    }

    /// Ends it. It is remembered a while, to tell late requests.
    pub fn end(&mut self, status: UploadStatus, now: Timestamp, remember: Duration) {
        self.status = status;
        self.updated = now;
        self.expires = now.plus(remember);
    }
}

/// A first request's upload, for the case that there is none yet.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// The upload as it would begin.
    pub upload: Upload,
    /// Whether an upload of the same origin that is complete counts as the one to join. So it is
    /// for a signed URL, which is for one file. A key is for any number of them.
    pub joins_complete: bool,
    /// Most unfinished uploads of the project.
    pub open_max: u64,
    /// Most bytes that the unfinished uploads of the project may come to.
    pub reserved_bytes_max: u64,
}

/// Why an upload does not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BeginRefusal {
    /// Too many are unfinished.
    #[error("the project has too many unfinished uploads")]
    TooManyOpen,
    /// Those that are unfinished would take too much room.
    #[error("the project's unfinished uploads take too much room")]
    TooManyReserved,
}

/// Decides whether one more upload may begin beside `open` unfinished ones of `reserved` bytes.
pub fn check_begin(new: &NewUpload, open: u64, reserved: u64) -> Result<(), BeginRefusal> {
    if open >= new.open_max {
        return Err(BeginRefusal::TooManyOpen);
    }
    if reserved.saturating_add(new.upload.total.unwrap_or(0)) > new.reserved_bytes_max {
        return Err(BeginRefusal::TooManyReserved);
    }
    Ok(())
}

/// By what a request names an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UploadKey {
    /// Its id.
    Id(UploadId),
    /// What it began with.
    Origin(Origin),
}

impl UploadKey {
    /// What a grant names, if it can name an upload at all.
    pub fn of(grant: &Grant) -> Option<Self> {
        use gatepass_sign::Proof;
        match grant.proof() {
            Proof::SignedUrl { signature, .. } => {
                Some(Self::Origin(Origin::of_signature(signature)))
            }
            Proof::ApiKey { key } => Some(Self::Origin(Origin::of_key(key))),
            Proof::Upload(id) => Some(Self::Id(id.clone())),
            Proof::Public => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_hours(24);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(1_000_000 + seconds)
    }

    fn upload(total: Option<u64>) -> Upload {
        Upload {
            id: UploadId::from_random([1; 26]),
            project: ProjectId::new("proj"),
            path: ObjectPath::from_decoded("a").unwrap(),
            origin: Origin::of_signature(&[1; 32]),
            key: KeyId::new("key"),
            policy: None,
            declared_type: None,
            blob: BlobId::from_random([1; 26]),
            memo: Memo::default(),
            total,
            status: UploadStatus::Receiving,
            parts: PartMap::default(),
            created: at(0),
            updated: at(0),
            expires: at(100),
            finished: None,
        }
    }

    fn part(start: u64, end: u64) -> Part {
        Part { range: ByteRange::new(start, end).unwrap(), crc64: start, memo: Memo::default() }
    }

    #[test]
    fn parts_are_recorded_all_or_none() {
        let mut upload = upload(Some(30));
        assert_eq!(upload.record(&[part(0, 10)], None, at(1), KEEP), Ok(vec![part(0, 10)]));
        assert_eq!(upload.expires, at(1).plus(KEEP));
        let before = upload.clone();
        let refused = upload.record(&[part(10, 20), part(5, 15)], None, at(2), KEEP);
        assert_eq!(refused, Err(UploadRefusal::PartConflict));
        assert_eq!(upload, before);
        assert_eq!(upload.record(&[part(0, 10)], None, at(3), KEEP), Ok(vec![]));
    }

    #[test]
    fn the_first_total_wins() {
        let mut upload = upload(None);
        upload.record(&[part(0, 10)], None, at(1), KEEP).unwrap();
        let short = upload.record(&[], Some(9), at(1), KEEP);
        assert_eq!(short, Err(UploadRefusal::LengthInconsistent));
        upload.record(&[], Some(20), at(1), KEEP).unwrap();
        for total in [19, 21] {
            let other = upload.record(&[part(10, 12)], Some(total), at(1), KEEP);
            assert_eq!(other, Err(UploadRefusal::LengthInconsistent));
        }
        let beyond = upload.record(&[part(15, 21)], None, at(1), KEEP);
        assert_eq!(beyond, Err(UploadRefusal::LengthInconsistent));
        assert!(!upload.has_all_bytes());
        upload.record(&[part(10, 20)], Some(20), at(1), KEEP).unwrap();
        assert!(upload.has_all_bytes());
    }

    #[test]
    fn what_has_ended_takes_nothing() {
        for (status, refusal) in [
            (UploadStatus::Complete, UploadRefusal::Complete),
            (UploadStatus::Aborted, UploadRefusal::Aborted),
            (UploadStatus::Expired, UploadRefusal::Expired),
        ] {
            let mut upload = upload(Some(10));
            upload.end(status, at(1), KEEP);
            assert_eq!(upload.record(&[part(0, 10)], None, at(2), KEEP), Err(refusal));
            assert_eq!(upload.parts, PartMap::default());
        }
        let mut silent = upload(Some(10));
        let late = silent.record(&[part(0, 10)], None, at(100), KEEP);
        assert_eq!(late, Err(UploadRefusal::Expired));
    }

    #[test]
    fn the_number_of_parts_is_bounded() {
        let mut upload = upload(None);
        let parts = |count: u64| (0..count).map(|i| part(2 * i, 2 * i + 1)).collect::<Vec<_>>();
        let most = u64::try_from(PARTS_MAX).unwrap();
        let refused = upload.record(&parts(most + 1), None, at(1), KEEP);
        assert_eq!(refused, Err(UploadRefusal::TooManyParts));
        assert!(upload.record(&parts(most), None, at(1), KEEP).is_ok());
    }

    #[test]
    fn beginning_is_bounded() {
        let new = NewUpload {
            upload: upload(Some(10)),
            joins_complete: true,
            open_max: 2,
            reserved_bytes_max: 100,
        };
        assert_eq!(check_begin(&new, 1, 90), Ok(()));
        assert_eq!(check_begin(&new, 2, 0), Err(BeginRefusal::TooManyOpen));
        assert_eq!(check_begin(&new, 0, 91), Err(BeginRefusal::TooManyReserved));
        assert_eq!(check_begin(&new, 0, u64::MAX), Err(BeginRefusal::TooManyReserved));
    }
}
