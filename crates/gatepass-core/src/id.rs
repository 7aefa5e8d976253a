//! Identifiers: opaque texts with a prefix that says what they name.
//!
//! Randomness comes in as bytes, so that the identifiers themselves stay values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The prefix, and a character of 5 bits from the low bits of each random byte.
fn random_text(prefix: &str, random: &[u8]) -> String {
    let mut text = String::with_capacity(prefix.len() + random.len());
    text.push_str(prefix);
    text.extend(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])));
    text
}

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $chars:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Makes an id from random bytes.
            pub fn from_random(random: [u8; $chars]) -> Self {
                Self(random_text($prefix, &random))
            }

            /// Takes an id that was made before, such as one from the catalog.
            pub fn from_text(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Reads a text that may be such an id; `None` if it cannot be one of ours.
            pub fn parse(text: &str) -> Option<Self> {
                let random = text.strip_prefix($prefix)?;
                let ours = random.len() == $chars
                    && random.bytes().all(|byte| ALPHABET.contains(&byte));
                ours.then(|| Self(text.to_owned()))
            }

            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

prefixed_id!(
    /// A file: `file_` and 16 characters. It stays when the file at the path is replaced.
    FileId, "file_", 16
);
prefixed_id!(
    /// The media a file belongs to: `med_` and 16 characters.
    MediaId, "med_", 16
);
prefixed_id!(
    /// A request, for logs and answers: `req_` and 20 characters.
    RequestId, "req_", 20
);

impl FileId {
    /// Makes an id for a file that begins now. Those of one second begin alike, so that a catalog
    /// adds them next to one another to its index: an index of names without any order costs more
    /// than all else of a row.
    ///
    /// The first 3 characters tell the second, over again every 9.1 hours; 65 random bits follow.
    pub fn at(now: Timestamp, mut random: [u8; 16]) -> Self {
        let [low, middle, ..] = now.unix_seconds().to_le_bytes();
        (random[0], random[1], random[2]) = (middle >> 2, middle << 3 | low >> 5, low);
        Self::from_random(random)
    }
}

/// The name of a blob: 26 characters that say nothing about the path it is stored for. A name is
/// used once: what is written under it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlobId(String);

impl BlobId {
    /// Length of every blob name in characters: 130 bits of randomness.
    pub const CHARS: usize = 26;

    /// Makes a name from random bytes.
    pub fn from_random(random: [u8; Self::CHARS]) -> Self {
        Self(random_text("", &random))
    }

    /// Reads a name; `None` if it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let ours = text.len() == Self::CHARS && text.bytes().all(|byte| ALPHABET.contains(&byte));
        ours.then(|| Self(text.to_owned()))
    }

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64, random: u8) -> String {
        let id = FileId::at(Timestamp::from_unix_seconds(second), [random; 16]);
        assert_eq!(FileId::parse(id.as_str()), Some(id.clone()));
        id.as_str().to_owned()
    }

    #[test]
    fn ids_of_files_sort_by_the_second_and_are_random_after_that() {
        let period = 1 << 15;
        for second in [0, 31, 32, 1_023, 1_024, period - 2, 1_764_000_000] {
            assert!(at(second, 31) < at(second + 1, 0), "{second}");
            assert_eq!(at(second, 7), at(second + period, 7));
            assert_eq!(at(second, 1)[..8], at(second, 2)[..8]);
        }
        assert_eq!(at(0, 31), "file_000zzzzzzzzzzzzz");
        assert_eq!(at(period - 1, 0), "file_zzz0000000000000");
    }
}
