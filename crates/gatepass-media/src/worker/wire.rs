//! What goes through the pipes. Lengths come first, in big-endian order.
//!
//! | from the server | |
//! |---|---|
//! | question | size of the file (8), length of its type (4), its type |
//! | bytes | length (4), the bytes; fewer than asked for if they cannot be read |
//!
//! | from the worker | |
//! |---|---|
//! | `1` | wants bytes: offset (8), length (4) |
//! | `2` | facts so far: length (4), JSON |
//! | `3` | done |

pub(super) const WANTS: u8 = 1;
pub(super) const FACTS: u8 = 2;
pub(super) const DONE: u8 = 3;

/// Longest content type, in bytes; those that have facts are far shorter.
pub(super) const TYPE_BYTES_MAX: usize = 128;
/// Longest facts, in bytes of JSON.
pub(super) const FACTS_BYTES_MAX: usize = 4 << 10;

/// A question about a file of `size` bytes.
pub(super) fn question(content_type: &str, size: u64) -> Vec<u8> {
    let mut bytes = size.to_be_bytes().to_vec();
    bytes.extend(framed(content_type.as_bytes()));
    bytes
}

/// Bytes with their length before them.
pub(super) fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}
