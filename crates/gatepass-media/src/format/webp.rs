//! WebP (RFC 9649): the chunks, without their pixels.

use gatepass_core::MediaFacts;

use super::{Found, Size, exif};
use crate::source::Source;

/// Most bytes of an Exif chunk that are looked at.
const EXIF_BYTES_MAX: usize = 64 << 10;

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let mut size = None;
    let mut frames: u64 = 0;
    let mut millis: u64 = 0;
    let mut at: u64 = 12;
    facts.transparency = Some(false);
    facts.animated = Some(false);
    while let (Some(kind), Some(length)) = (source.array::<4>(at), source.array(at + 4)) {
        let length = u32::from_le_bytes(length);
        let data = at + 8;
        match &kind {
            b"VP8X" => {
                let [flags] = source.array(data)?;
                facts.animated = Some(flags & 0x02 != 0);
                facts.transparency = Some(flags & 0x10 != 0);
                let (width, height) = (u24(source, data + 4)?, u24(source, data + 7)?);
                size = Some(Size::new(width + 1, height + 1));
            }
            b"VP8 " if size.is_none() => {
                let [w0, w1, h0, h1] = source.array(data + 6)?;
                let short = |low, high| u16::from_le_bytes([low, high]) & 0x3fff;
                size = Some(Size::new(short(w0, w1), short(h0, h1)));
            }
            b"VP8L" if size.is_none() => {
                let bits = u32::from_le_bytes(source.array(data + 1)?);
                facts.transparency = Some(bits >> 28 & 1 == 1);
                size = Some(Size::new((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1));
            }
            b"ANMF" => {
                frames += 1;
                millis = millis.saturating_add(u24(source, data + 12)?.into());
            }
            b"EXIF" => {
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(EXIF_BYTES_MAX);
                let rotation = exif::rotation(&source.up_to(data, length));
                size = size.map(|size| size.turned(rotation));
            }
            _ => {}
        }
        if let Some(size) = size {
            size.store(facts);
        }
        at = data + u64::from(length) + u64::from(length % 2);
    }
    // The last chunk may lack its padding.
    let whole = at.saturating_sub(source.size()) <= 1;
    if facts.animated == Some(true) && whole {
        facts.frames = Some(frames);
        facts.duration_millis = Some(millis);
    }
    Some(())
}

fn u24(source: &mut Source<'_>, at: u64) -> Option<u32> {
    let [a, b, c] = source.array(at)?;
    Some(u32::from_le_bytes([a, b, c, 0]))
}
