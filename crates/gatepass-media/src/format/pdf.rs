//! PDF: the size of its pages in points, where all of them are of one size and it stands in the
//! open. Nothing is unpacked, and no reference followed.

use gatepass_core::MediaFacts;

use super::{Found, Size};
use crate::source::Source;

/// Bytes of the start, and of the end, that are looked at.
const PART_BYTES: usize = 256 << 10;
/// What turns or scales pages. Where it occurs nothing is said.
const UNCLEAR: &[&[u8]] = &[b"/UserUnit"];

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let mut parts = vec![source.up_to(0, PART_BYTES)];
    let rest = source.size().saturating_sub(PART_BYTES as u64);
    if rest > 0 {
        // The parts touch, where they come that near.
        let from = rest.max(PART_BYTES as u64);
        parts.push(source.up_to(from, PART_BYTES));
    }
    let mut size = None;
    for part in &parts {
        if UNCLEAR.iter().any(|word| find(part, word).is_some()) || turns(part) {
            return None;
        }
        for found in after_each(part, b"/MediaBox").map(media_box) {
            let found = found?;
            if *size.get_or_insert(found) != found {
                return None;
            }
        }
    }
    let (width, height) = size?;
    Size::new(width, height).store(facts);
    Some(())
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

/// What stands behind each occurrence of a word.
fn after_each<'a>(bytes: &'a [u8], word: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        rest = rest.get(find(rest, word)? + word.len()..)?;
        Some(rest)
    })
}

fn turns(part: &[u8]) -> bool {
    after_each(part, b"/Rotate").any(|rest| number(&mut rest.trim_ascii_start()) != Some(0.0))
}

/// `[left bottom right top]`
fn media_box(rest: &[u8]) -> Option<(u32, u32)> {
    let mut rest = rest.trim_ascii_start().strip_prefix(b"[")?;
    let mut next = || number(&mut rest);
    let (left, bottom, right, top) = (next()?, next()?, next()?, next()?);
    let side = |from: f64, to: f64| {
        super::whole((to - from).abs()).and_then(|side| u32::try_from(side).ok())
    };
    side(left, right).zip(side(bottom, top)).filter(|(width, height)| *width > 0 && *height > 0)
}

/// Takes a number from the start.
fn number(rest: &mut &[u8]) -> Option<f64> {
    let text = rest.trim_ascii_start();
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+');
    let length = text.iter().take(32).take_while(|byte| is_part(byte)).count();
    let (number, after) = text.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(number).ok()?.parse().ok()
}
