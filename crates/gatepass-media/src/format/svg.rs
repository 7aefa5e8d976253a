//! SVG: the attributes of the root element. Nothing is expanded or followed: no entities, no
//! styles, no references.

use gatepass_core::MediaFacts;

use super::{Found, Size};
use crate::markup;
use crate::source::Source;

/// Bytes of the start of the file that are looked at.
const HEAD_BYTES: usize = 64 << 10;

/// CSS units of length and their pixels.
const UNITS: &[(&str, f64)] = &[
    ("px", 1.0),
    ("in", 96.0),
    ("cm", 96.0 / 2.54),
    ("mm", 96.0 / 25.4),
    ("pt", 96.0 / 72.0),
    ("pc", 16.0),
];

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let head = source.up_to(0, HEAD_BYTES);
    let root = String::from_utf8_lossy(root(&head)?);
    let sides = match (attribute(&root, "width"), attribute(&root, "height")) {
        (Some(width), Some(height)) => pixels(width).zip(pixels(height)),
        _ => None,
    };
    let (width, height) = sides.or_else(|| view_box(attribute(&root, "viewBox")?))?;
    Size::new(width, height).store(facts);
    Some(())
}

/// The start tag of the root element.
fn root(head: &[u8]) -> Option<&[u8]> {
    let mut rest = markup::skip_prologue(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head));
    if rest.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<!doctype")) {
        rest = markup::skip_prologue(after_doctype(rest)?);
    }
    let name = markup::tag_name(rest.strip_prefix(b"<")?);
    let end = rest.iter().position(|byte| *byte == b'>')?;
    rest.get(..end).filter(|_| name == b"svg" || name.ends_with(b":svg"))
}

/// Behind a document type, whose own declarations stand in brackets.
fn after_doctype(text: &[u8]) -> Option<&[u8]> {
    let end = text.iter().position(|byte| *byte == b'>')?;
    let declares = text.get(..end)?.contains(&b'[');
    let end = if declares { text.windows(2).position(|two| two == b"]>")? + 1 } else { end };
    text.get(end + 1..)
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let is_blank = |text: &str| text.chars().next_back().is_some_and(char::is_whitespace);
    let found = tag.match_indices(name).find_map(|(at, _)| {
        let value = tag.get(at + name.len()..)?.trim_start().strip_prefix('=')?.trim_start();
        is_blank(tag.get(..at)?).then_some(value)
    })?;
    let quote = found.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    found.get(1..)?.split(quote).next()
}

fn pixels(length: &str) -> Option<u32> {
    let length = length.trim();
    let unit = UNITS.iter().find_map(|(unit, pixels)| Some((length.strip_suffix(unit)?, pixels)));
    let (number, pixels) = unit.unwrap_or((length, &1.0));
    side(number.trim_end().parse::<f64>().ok()? * pixels)
}

fn view_box(value: &str) -> Option<(u32, u32)> {
    let mut numbers =
        value.split([' ', ',', '\n', '\t']).filter(|part| !part.is_empty()).map(str::parse::<f64>);
    let mut next = || numbers.next()?.ok();
    let (_left, _top) = (next()?, next()?);
    side(next()?).zip(side(next()?))
}

fn side(pixels: f64) -> Option<u32> {
    super::whole(pixels).and_then(|pixels| u32::try_from(pixels).ok()).filter(|side| *side > 0)
}
