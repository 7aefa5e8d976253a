//! The bytes that are signed, and the HMAC over them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sha2::digest::array::Array;

use crate::Secret;

/// HMAC-SHA256 keyed by the key's text, over `path "?" query`. The caller decides which spelling
/// of the path was signed.
pub(crate) fn mac(key: &Secret, path: &str, query: &str) -> Hmac<Sha256> {
    let mut mac = keyed(key);
    mac.update(path.as_bytes());
    mac.update(b"?");
    mac.update(query.as_bytes());
    mac
}

/// An HMAC-SHA256 with nothing in it yet. HMAC takes keys of every length.
pub(crate) fn keyed(key: &Secret) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.expose().as_bytes()).unwrap_or_else(|_| Hmac::new(&Array::default()))
}
