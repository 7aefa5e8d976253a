//! GIF (89a): all blocks, for their number and delays stand nowhere else.

use gatepass_core::MediaFacts;

use super::{Found, Size};
use crate::source::Source;

/// Delays below this, in hundredths of a second, are not meant: browsers show such frames for
/// [`DELAY_DEFAULT`].
const DELAY_MIN: u16 = 2;
const DELAY_DEFAULT: u16 = 10;

const EXTENSION: u8 = 0x21;
const GRAPHIC_CONTROL: u8 = 0xf9;
const IMAGE: u8 = 0x2c;
const TRAILER: u8 = 0x3b;

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let little = |bytes: [u8; 2]| u16::from_le_bytes(bytes);
    Size::new(little(source.array(6)?), little(source.array(8)?)).store(facts);
    let [flags] = source.array(10)?;
    let mut at = 13 + colour_table(flags);
    let mut frames: u64 = 0;
    let mut hundredths: u64 = 0;
    facts.transparency = Some(false);
    loop {
        let [kind] = source.array(at)?;
        match kind {
            EXTENSION => {
                if source.array(at + 1) == Some([GRAPHIC_CONTROL]) {
                    let [_, flags, low, high] = source.array(at + 2)?;
                    if flags & 1 == 1 {
                        facts.transparency = Some(true);
                    }
                    let delay = little([low, high]);
                    let delay = if delay < DELAY_MIN { DELAY_DEFAULT } else { delay };
                    hundredths = hundredths.saturating_add(delay.into());
                }
                at = after_blocks(source, at + 2)?;
            }
            IMAGE => {
                frames += 1;
                // However it goes on: two pictures move.
                facts.animated = Some(frames > 1);
                let [flags] = source.array(at + 9)?;
                at = after_blocks(source, at + 11 + colour_table(flags))?;
            }
            TRAILER => break,
            _ => return None,
        }
    }
    facts.frames = Some(frames);
    facts.duration_millis = (frames > 1).then_some(hundredths.saturating_mul(10));
    Some(())
}

fn colour_table(flags: u8) -> u64 {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Behind the empty block that ends a chain of blocks.
fn after_blocks(source: &mut Source<'_>, mut at: u64) -> Option<u64> {
    loop {
        let [length] = source.array(at)?;
        at += 1 + u64::from(length);
        if length == 0 {
            return Some(at);
        }
    }
}
