//! PNG and APNG (PNG, third edition): the header, the chunks before the image data, and of
//! animations the frame controls.

use gatepass_core::MediaFacts;

use super::{Found, Size, exif};
use crate::source::Source;

/// Most bytes of an Exif chunk that are looked at.
const EXIF_BYTES_MAX: usize = 64 << 10;

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    if source.array(12) != Some(*b"IHDR") {
        return None;
    }
    let size = Size::new(source.u32(16)?, source.u32(20)?);
    size.store(facts);
    let [colour_type] = source.array(25)?;
    facts.transparency = Some(matches!(colour_type, 4 | 6));
    facts.animated = Some(false);
    let mut animation = Animation::default();
    let mut at: u64 = 8;
    loop {
        let length = source.u32(at)?;
        let kind: [u8; 4] = source.array(at + 4)?;
        let data = at + 8;
        match &kind {
            b"tRNS" => facts.transparency = Some(true),
            b"eXIf" => {
                let length = usize::try_from(length).unwrap_or(usize::MAX).min(EXIF_BYTES_MAX);
                size.turned(exif::rotation(&source.up_to(data, length))).store(facts);
            }
            b"acTL" => {
                animation.frames = Some(source.u32(data)?.into());
                facts.animated = Some(true);
            }
            b"fcTL" => animation.delay(source.u16(data + 20)?, source.u16(data + 22)?),
            b"IDAT" if animation.frames.is_none() => return Some(()),
            b"IEND" => break,
            _ => {}
        }
        at = data.checked_add(u64::from(length))?.checked_add(4)?;
    }
    facts.frames = animation.frames;
    facts.duration_millis = Some(animation.micros / 1_000);
    Some(())
}

#[derive(Default)]
struct Animation {
    frames: Option<u64>,
    micros: u64,
}

impl Animation {
    /// A frame is shown for this fraction of a second; a denominator of 0 stands for 100.
    fn delay(&mut self, numerator: u16, denominator: u16) {
        let denominator = if denominator == 0 { 100 } else { denominator };
        let micros = u64::from(numerator) * 1_000_000 / u64::from(denominator);
        self.micros = self.micros.saturating_add(micros);
    }
}
