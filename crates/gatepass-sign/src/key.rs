use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Secret;

/// The id of a project, such as `proj_9f2c4ba1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProjectId(Arc<str>);

/// The id of an API key. It is no secret; it may be sent as `kid`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Arc<str>);

macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// Takes the id's text.
            pub fn new(text: impl AsRef<str>) -> Self {
                Self(Arc::from(text.as_ref()))
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

text_id!(ProjectId);
text_id!(KeyId);

/// Bytes of randomness in a key of ours: 256 bits.
const KEY_RANDOM_BYTES: usize = 32;
const KEY_PREFIX: &str = "gp_live_";
const KEY_ID_CHARS: usize = 12;
const KEY_BODY_CHARS: usize = 43;
const KEY_CHECK_CHARS: usize = 6;
/// Fewer bits than this can be guessed from one signed URL, which is an oracle for its key.
const IMPORTED_KEY_BITS_MIN: f64 = 128.0;

/// The text of an API key: `gp_live_` + 12 characters of id + `_` + 43 characters of randomness
/// + 6 characters of checksum, by which secret scanners recognise it.
///
/// The whole text, as UTF-8 bytes, is the HMAC key. Keys made elsewhere can be imported when they
/// are long enough not to be guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyText(Secret);

/// Why a text is not taken as an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyTextError {
    /// The text could be guessed.
    #[error("the key is too weak: it has less than 128 bits")]
    Weak,
    /// Longer than 512 bytes, empty, or with blanks or control characters.
    #[error("the key must be 1 to 512 visible ASCII characters")]
    Malformed,
    /// It looks like a key of ours with a typing error.
    #[error("the key's checksum does not match: was it copied whole?")]
    Checksum,
}

impl KeyText {
    /// Makes a key from randomness: 9 bytes for the public id, 32 for the secret part.
    pub fn generate(id_random: [u8; 9], secret_random: [u8; KEY_RANDOM_BYTES]) -> (KeyId, Self) {
        let id = base64url(&id_random).replace('-', "0").replace('_', "1");
        let body = base64url(&secret_random);
        let checked = format!("{KEY_PREFIX}{id}_{body}");
        let check = checksum(&checked);
        (KeyId::new(format!("key_{id}")), Self(Secret::new(checked + &check)))
    }

    /// Checks a key that somebody brings.
    pub fn import(text: &str, allow_weak: bool) -> Result<Self, KeyTextError> {
        if text.is_empty() || text.len() > 512 || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(KeyTextError::Malformed);
        }
        if has_own_shape(text) && !checksum_matches(text) {
            return Err(KeyTextError::Checksum);
        }
        if !allow_weak && guessable_bits(text) < IMPORTED_KEY_BITS_MIN {
            return Err(KeyTextError::Weak);
        }
        Ok(Self(Secret::new(text)))
    }

    /// The id inside a key of ours, `None` for a foreign one.
    pub fn id(&self) -> Option<KeyId> {
        let text = self.0.expose();
        let id = text.get(KEY_PREFIX.len()..KEY_PREFIX.len() + KEY_ID_CHARS)?;
        has_own_shape(text).then(|| KeyId::new(format!("key_{id}")))
    }

    /// The key as a secret.
    pub fn secret(&self) -> &Secret {
        &self.0
    }
}

fn has_own_shape(text: &str) -> bool {
    text.starts_with(KEY_PREFIX)
        && text.len() == KEY_PREFIX.len() + KEY_ID_CHARS + 1 + KEY_BODY_CHARS + KEY_CHECK_CHARS
        && text.as_bytes().get(KEY_PREFIX.len() + KEY_ID_CHARS) == Some(&b'_')
}

fn checksum_matches(text: &str) -> bool {
    text.split_at_checked(text.len() - KEY_CHECK_CHARS)
        .is_some_and(|(checked, check)| checksum(checked) == check)
}

/// Six characters from CRC-32 (IEEE), in base 62 by digits, letters.
fn checksum(text: &str) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32(text.as_bytes());
    let mut out = [b'0'; KEY_CHECK_CHARS];
    for slot in out.iter_mut().rev() {
        *slot = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    out.iter().map(|byte| char::from(*byte)).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    })
}

/// An upper bound of the guessing work: length times the bits of the alphabet that is in use,
/// with characters that repeat counted by their number of distinct values.
#[expect(clippy::cast_precision_loss, reason = "lengths are at most 512")]
fn guessable_bits(text: &str) -> f64 {
    let mut distinct: Vec<u8> = text.bytes().collect();
    distinct.sort_unstable();
    distinct.dedup();
    text.len() as f64 * (distinct.len().max(1) as f64).log2()
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_keys_can_be_imported_again() {
        let (id, key) = KeyText::generate([7; 9], [9; 32]);
        let text = key.secret().expose();
        assert_eq!(text.len(), 8 + 12 + 1 + 43 + 6);
        assert_eq!(KeyText::import(text, false).unwrap().id(), Some(id));
    }

    #[test]
    fn a_typing_error_is_noticed() {
        let (_, key) = KeyText::generate([1; 9], [2; 32]);
        let wrong = key.secret().expose().replacen("_AgIC", "_AgIB", 1);
        assert_eq!(KeyText::import(&wrong, true), Err(KeyTextError::Checksum));
    }

    #[test]
    fn weak_keys_need_a_word() {
        for weak in ["secret", "ittybit_test_key", &"a".repeat(200)] {
            assert_eq!(KeyText::import(weak, false), Err(KeyTextError::Weak), "{weak}");
            assert!(KeyText::import(weak, true).is_ok());
        }
        assert!(KeyText::import("0123456789abcdef0123456789ABCDEF01", false).is_ok());
    }

    #[test]
    fn crc32_is_the_ieee_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }
}
