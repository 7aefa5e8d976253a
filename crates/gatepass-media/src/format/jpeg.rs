//! JPEG (ITU-T T.81): the segments before the image data.

use gatepass_core::MediaFacts;

use super::{Found, Size, exif};
use crate::source::Source;

/// Most segments before the image data.
const SEGMENTS_MAX: usize = 4_096;

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    facts.transparency = Some(false);
    facts.animated = Some(false);
    let mut size = None;
    let mut rotation = None;
    each_segment(source, |source, segment| {
        match segment.kind {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                let at = segment.at;
                size = Some(Size::new(source.u16(at + 3)?, source.u16(at + 1)?));
            }
            EXIF if rotation.is_none() => {
                rotation = segment.exif(source).map(|exif| exif::rotation(&exif));
            }
            _ => {}
        }
        Some(())
    })?;
    size?.turned(rotation.unwrap_or(0)).store(facts);
    Some(())
}

/// The small picture in the first Exif segment.
pub(crate) fn thumbnail(source: &mut Source<'_>) -> Option<Vec<u8>> {
    let mut found = None;
    each_segment(source, |source, segment| {
        if segment.kind == EXIF && found.is_none() {
            found = segment.exif(source);
        }
        Some(())
    })?;
    exif::thumbnail(&found?).map(<[u8]>::to_vec)
}

/// Where Exif stands, among other things.
const EXIF: u8 = 0xe1;

/// One with a length.
struct Segment {
    kind: u8,
    /// Where its content begins.
    at: u64,
    length: u16,
}

impl Segment {
    fn exif(&self, source: &mut Source<'_>) -> Option<Vec<u8>> {
        let is_exif = source.array(self.at) == Some(*b"Exif\0\0");
        is_exif.then(|| source.up_to(self.at, self.length.into()))
    }
}

/// Visits the segments before the image data; `None` if a visit ends so, or the file does.
fn each_segment(
    source: &mut Source<'_>,
    mut visit: impl FnMut(&mut Source<'_>, &Segment) -> Option<()>,
) -> Option<()> {
    let mut at = 2;
    for _ in 0..SEGMENTS_MAX {
        let [mark, kind] = source.array(at)?;
        match (mark, kind) {
            // Fill bytes.
            (0xff, 0xff) => at += 1,
            // Markers without a length.
            (0xff, 0x01 | 0xd0..=0xd8) => at += 2,
            // The image data, or the end.
            (0xff, 0xd9 | 0xda) => break,
            (0xff, _) => {
                let length = source.u16(at + 2)?;
                let content = length.saturating_sub(2);
                visit(source, &Segment { kind, at: at + 4, length: content })?;
                at += 2 + u64::from(length);
            }
            _ => break,
        }
    }
    Some(())
}
