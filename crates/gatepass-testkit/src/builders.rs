//! Values for tests: whole and unremarkable, to be changed in what the test is about.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use gatepass_core::condition::{ClientTag, Conditions, TagList};
use gatepass_core::project::{Domain, KeyState, Project, SealedKey};
use gatepass_core::publication::NewFile;
use gatepass_core::upload::Origin;
use gatepass_core::{
    AccessRules, BlobId, Digests, ETag, FileId, KeyId, LegacyUrls, MediaId, MediaInfo, Memo,
    ObjectPath, PartMap, Payload, ProjectId, Scopes, Timestamp, Upload, UploadId, UploadStatus,
};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number that no other call of this process returns.
fn unique() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The next number of the generator `SplitMix64`.
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Bytes that look random and are the same for the same seed: `SplitMix64`, little-endian.
pub fn noise(seed: u64, length: usize) -> Bytes {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&split_mix(&mut state).to_le_bytes());
    }
    bytes.truncate(length);
    Bytes::from(bytes)
}

pub(crate) fn unique_noise<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&noise(unique(), N));
    bytes
}

/// A blob name that is not used yet.
pub fn blob_id() -> BlobId {
    BlobId::from_random(unique_noise())
}

/// A path, which must follow the grammar of paths.
pub fn path(text: &str) -> ObjectPath {
    ObjectPath::from_decoded(text).unwrap()
}

/// So many seconds after the start of 2025.
pub fn time(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_735_689_600 + seconds)
}

/// The id of the project that [`project`] makes.
pub fn project_id() -> ProjectId {
    ProjectId::new("proj_test")
}

/// A project without limits of its own.
pub fn project() -> Project {
    Project {
        id: project_id(),
        org: "org_test".to_owned(),
        name: "Test".to_owned(),
        catch_all: true,
        legacy_urls: LegacyUrls::Put,
        max_expiry_seconds: None,
        file_bytes_max: None,
        access_rules: AccessRules::default(),
        created: time(0),
    }
}

/// A domain of the project that [`project`] makes.
pub fn domain(host: &str) -> Domain {
    Domain {
        host: host.to_owned(),
        project: project_id(),
        public_url: format!("https://{host}"),
        created: time(0),
    }
}

/// An active key of the project that [`project`] makes. Its seal holds noise.
pub fn sealed_key(id: &str) -> SealedKey {
    SealedKey {
        id: KeyId::new(id),
        project: project_id(),
        name: "test".to_owned(),
        scopes: Scopes::ALL,
        prefix: String::new(),
        state: KeyState::Active,
        verify_until: None,
        created: time(0),
        last_used: None,
        master_id: "master_test".to_owned(),
        nonce: noise(unique(), 24).to_vec(),
        ciphertext: noise(unique(), 87).to_vec(),
    }
}

/// A finished upload that may replace what is at its path, with ids and a blob of its own.
pub fn new_file(at: &str, now: Timestamp) -> NewFile {
    NewFile {
        id: FileId::from_random(unique_noise()),
        media_id: MediaId::from_random(unique_noise()),
        project: project_id(),
        path: path(at),
        blob: blob_id(),
        payload: Payload::Stored,
        size: 1_000 + unique(),
        digests: Digests { crc64: unique(), sha256: None, sha512: None, md5: None },
        media: media("text/plain"),
        reference: None,
        label: None,
        metadata: BTreeMap::new(),
        now,
        overwrite: true,
        conditions: Conditions::default(),
    }
}

/// An upload of 30 bytes that has just begun, and lives for a day.
pub fn upload(at: &str) -> Upload {
    Upload {
        id: UploadId::from_random(unique_noise()),
        project: project_id(),
        path: path(at),
        origin: Origin::from_bytes(unique_noise()),
        key: KeyId::new("key_test"),
        policy: None,
        declared_type: None,
        blob: blob_id(),
        memo: Memo::default(),
        total: Some(30),
        status: UploadStatus::Receiving,
        parts: PartMap::default(),
        created: time(0),
        updated: time(0),
        expires: time(24 * 60 * 60),
        finished: None,
    }
}

/// Something of which nothing but its type is known.
pub fn media(content_type: &str) -> MediaInfo {
    MediaInfo::of_type(content_type)
}

/// `If-Match` with this one tag.
pub fn if_match(etag: &ETag) -> Conditions {
    Conditions { if_match: Some(tag(etag)), ..Conditions::default() }
}

/// `If-None-Match` with this one tag.
pub fn if_none_match(etag: &ETag) -> Conditions {
    Conditions { if_none_match: Some(tag(etag)), ..Conditions::default() }
}

/// `If-None-Match: *`.
pub fn if_absent() -> Conditions {
    Conditions { if_none_match: Some(TagList::Any), ..Conditions::default() }
}

fn tag(etag: &ETag) -> TagList {
    TagList::Tags(vec![ClientTag { weak: false, opaque: etag.as_str().to_owned() }])
}
