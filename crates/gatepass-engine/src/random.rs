//! The one place where randomness comes from.

use std::time::Duration;

use gatepass_core::{BlobId, FileId, MediaId, Timestamp, UploadId};

/// Bytes from the operating system's generator.
///
/// # Panics
///
/// If the operating system has no randomness: nothing can be signed or named safely then.
#[expect(clippy::panic, reason = "without randomness no id or key may be made")]
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the operating system gives no randomness: {error}");
    }
    bytes
}

pub(crate) fn blob_id() -> BlobId {
    BlobId::from_random(bytes())
}

pub(crate) fn file_id(now: Timestamp) -> FileId {
    FileId::at(now, bytes())
}

pub(crate) fn media_id() -> MediaId {
    MediaId::from_random(bytes())
}

pub(crate) fn upload_id() -> UploadId {
    UploadId::from_random(bytes())
}

/// Any time from none to this one.
pub(crate) fn share_of(most: Duration) -> Duration {
    most * u32::from(u8::from_le_bytes(bytes())) / u32::from(u8::MAX)
}

/// A name that nothing else has.
pub(crate) fn name() -> String {
    u128::from_le_bytes(bytes()).to_string()
}
