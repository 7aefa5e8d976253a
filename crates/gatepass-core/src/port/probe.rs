use async_trait::async_trait;
use bytes::Bytes;

use super::BlobError;
use crate::{ByteRange, MediaFacts};

/// Finds a file's type and media facts in its bytes.
///
/// # Contract
///
/// Total and bounded: whatever the bytes are, it returns, in time and memory that have a limit.
#[async_trait]
pub trait Probe: Send + Sync + 'static {
    /// The type that is served, from the first bytes (at least 4 KiB, unless the file is shorter)
    /// and the type that the client declared.
    fn content_type(&self, head: &[u8], declared: Option<&str>) -> String;

    /// Whether anything can be told of files of this type.
    fn has_facts(&self, content_type: &str) -> bool;

    /// Everything that can be told of a file of this type. It reads what it needs, which is
    /// nothing for types without facts. What cannot be read or understood is left out.
    async fn facts(&self, content_type: &str, content: &dyn Content) -> MediaFacts;
}

/// The bytes of a file, anywhere in it.
#[async_trait]
pub trait Content: Send + Sync {
    /// Size in bytes.
    fn size(&self) -> u64;

    /// The bytes of a range that lies within the file, whole. The caller bounds it.
    async fn read(&self, range: ByteRange) -> Result<Bytes, BlobError>;
}
