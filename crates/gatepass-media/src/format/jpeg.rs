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
                match kind {
                    0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                        size = Some(Size::new(source.u16(at + 7)?, source.u16(at + 5)?));
                    }
                    0xe1 if rotation.is_none() && source.array(at + 4) == Some(*b"Exif\0\0") => {
                        rotation = Some(exif::rotation(&source.up_to(at + 4, length.into())));
                    }
                    _ => {}
                }
                at += 2 + u64::from(length);
            }
            _ => break,
        }
    }
    size?.turned(rotation.unwrap_or(0)).store(facts);
    Some(())
}
