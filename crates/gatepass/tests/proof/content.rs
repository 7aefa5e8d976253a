//! Contents that tell which version they are.

use crate::support::noise;

/// Everything about a version follows from its number: its length, and each of its bytes.
pub(crate) fn version(number: u64) -> Vec<u8> {
    let mut bytes = noise(number, length(number));
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Mostly small, some of them larger than what the server holds back before it writes.
pub(crate) fn length(number: u64) -> usize {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let bound = if mixed.is_multiple_of(8) { 400_000 } else { 20_000 };
    16 + usize::try_from(mixed % bound).unwrap()
}

/// Which version a body is; `None` if it is not exactly one.
pub(crate) fn identify(body: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(body.get(..8)?.try_into().ok()?);
    (length(number) == body.len() && body == version(number)).then_some(number)
}
