//! Names of objects.

use gatepass_core::BlobId;
use gatepass_core::port::BlobError;

/// Where blobs are, below the prefix.
const BLOBS: &str = "blobs/";
/// Where loose bytes of blobs in parts are, below the prefix.
const PARTS: &str = "parts/";

/// The names below a prefix, which is empty or ends in a slash.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { prefix }
    }

    pub(crate) fn blobs(&self) -> String {
        format!("{}{BLOBS}", self.prefix)
    }

    pub(crate) fn parts(&self) -> String {
        format!("{}{PARTS}", self.prefix)
    }

    pub(crate) fn blob(&self, blob: &BlobId) -> String {
        format!("{}{blob}", self.blobs())
    }

    /// What the names of a blob's loose bytes begin with.
    pub(crate) fn parts_of(&self, blob: &BlobId) -> String {
        format!("{}{blob}/", self.parts())
    }

    pub(crate) fn part(&self, blob: &BlobId, start: u64, attempt: &str) -> String {
        format!("{}{start}-{attempt}", self.parts_of(blob))
    }

    /// The blob that a name belongs to, if it is one of ours.
    pub(crate) fn blob_of(&self, key: &str) -> Option<BlobId> {
        let rest = key.strip_prefix(&self.prefix)?;
        if let Some(name) = rest.strip_prefix(BLOBS) {
            return BlobId::parse(name);
        }
        BlobId::parse(rest.strip_prefix(PARTS)?.split_once('/')?.0)
    }
}

/// A name for one attempt, random like that of a blob.
pub(crate) fn attempt() -> Result<String, BlobError> {
    let mut random = [0; BlobId::CHARS];
    let filled = getrandom::fill(&mut random);
    filled.map_err(|error| BlobError::Unavailable(std::io::Error::other(error)))?;
    Ok(BlobId::from_random(random).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_blob() {
        let blob = BlobId::from_random([7; BlobId::CHARS]);
        for prefix in ["", "a", "/a/b/"] {
            let keys = Keys::new(prefix);
            assert_eq!(keys.blob_of(&keys.blob(&blob)), Some(blob.clone()));
            assert_eq!(keys.blob_of(&keys.part(&blob, 5, "x")), Some(blob.clone()));
            assert_eq!(keys.blob_of(&format!("{}nothing", keys.blobs())), None);
            assert_eq!(keys.blob_of("elsewhere"), None);
            assert!(!keys.blobs().starts_with('/'));
        }
    }
}
