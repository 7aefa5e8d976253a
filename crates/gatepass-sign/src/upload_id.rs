use std::fmt;

/// The id of an upload that takes several requests: `upl_` and 26 characters, 130 random bits.
///
/// It is also the capability to go on with the upload, as the `upload` parameter of the upload's
/// own URL. So it is a secret until the upload ends, and `Debug` does not show it.
///
/// ```
/// use gatepass_sign::UploadId;
///
/// let id = UploadId::parse("upl_0123456789abcdefghjkmnpqrs").unwrap();
/// assert_eq!(format!("{id:?}"), "UploadId(***)");
/// assert!(UploadId::parse("upl_short").is_none());
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UploadId(String);

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const PREFIX: &str = "upl_";

impl UploadId {
    /// Characters behind the prefix, 5 random bits each.
    pub const CHARS: usize = 26;

    /// Makes an id from random bytes.
    pub fn from_random(random: [u8; Self::CHARS]) -> Self {
        let characters = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)]));
        Self(PREFIX.chars().chain(characters).collect())
    }

    /// Reads an id; `None` if it cannot be one of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let characters = text.strip_prefix(PREFIX)?;
        let ours = characters.len() == Self::CHARS
            && characters.bytes().all(|byte| ALPHABET.contains(&byte));
        ours.then(|| Self(text.to_owned()))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UploadId(***)")
    }
}
