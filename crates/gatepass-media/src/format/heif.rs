//! AVIF and HEIC: pictures in boxes (ISO/IEC 23008-12). Exif says nothing here about how they are
//! turned: `irot` does.

use gatepass_core::MediaFacts;

use super::bmff::Atom;
use super::{Found, Size, mp4};
use crate::source::Source;

/// Most properties that are looked at.
const PROPERTIES_MAX: usize = 4_096;
/// The property of an item that holds another item's alpha.
const ALPHA: &[u8] = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha";
const ALPHA_HEVC: &[u8] = b"urn:mpeg:hevc:2015:auxid:1";

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let file = Atom::file(source);
    facts.animated = Some(false);
    if let Some(meta) = file.child(source, *b"meta") {
        let _gave_up = still(source, meta.skip(4), facts);
    }
    let brand = file.child(source, *b"ftyp").and_then(|ftyp| source.array::<4>(ftyp.start))?;
    if matches!(&brand, b"avis" | b"msf1" | b"hevc" | b"hevx") {
        facts.animated = Some(true);
        return mp4::sequence(source, facts);
    }
    Some(())
}

fn still(source: &mut Source<'_>, meta: Atom, facts: &mut MediaFacts) -> Found {
    let primary = primary(source, meta)?;
    let iprp = meta.child(source, *b"iprp")?;
    let properties = properties(source, iprp)?;
    let is_alpha = |source: &mut Source<'_>, property: &Atom| {
        let found = source.up_to(property.start + 4, ALPHA.len());
        found.starts_with(ALPHA) || found.starts_with(ALPHA_HEVC)
    };
    let mut auxiliary = properties.iter().filter(|property| &property.kind == b"auxC");
    facts.transparency = Some(auxiliary.any(|property| is_alpha(source, property)));
    // A grid has its codec in its tiles.
    facts.codec = properties.iter().find_map(|property| match &property.kind {
        b"av1C" => Some("av1".to_owned()),
        b"hvcC" => Some("hevc".to_owned()),
        _ => None,
    });
    let mut size = None;
    let mut rotation = 0;
    for index in associations(source, iprp, primary)? {
        let Some(property) = index.checked_sub(1).and_then(|index| properties.get(index)) else {
            continue;
        };
        match &property.kind {
            b"ispe" => {
                let (width, height) =
                    (source.u32(property.start + 4)?, source.u32(property.start + 8)?);
                size = Some(Size::new(width, height));
            }
            b"irot" => {
                let [quarters] = source.array(property.start)?;
                // Anticlockwise.
                rotation = (360 - u16::from(quarters & 3) * 90) % 360;
            }
            _ => {}
        }
    }
    size?.turned(rotation).store(facts);
    Some(())
}

/// The item that is shown.
fn primary(source: &mut Source<'_>, meta: Atom) -> Option<u32> {
    let pitm = meta.child(source, *b"pitm")?;
    let [version] = source.array(pitm.start)?;
    match version {
        0 => source.u16(pitm.start + 4).map(u32::from),
        _ => source.u32(pitm.start + 4),
    }
}

fn properties(source: &mut Source<'_>, iprp: Atom) -> Option<Vec<Atom>> {
    let mut children = iprp.child(source, *b"ipco")?.children();
    let mut properties = Vec::new();
    while let Some(property) = children.next(source) {
        properties.push(property);
        if properties.len() == PROPERTIES_MAX {
            break;
        }
    }
    Some(properties)
}

/// The numbers of an item's properties, from 1 on.
fn associations(source: &mut Source<'_>, iprp: Atom, item: u32) -> Option<Vec<usize>> {
    let ipma = iprp.child(source, *b"ipma")?;
    let [version, _, _, flags] = source.array(ipma.start)?;
    let mut at = ipma.start + 8;
    // The count that stands before is not believed: the box ends somewhere.
    while at < ipma.end {
        let id = if version == 0 { source.u16(at)?.into() } else { source.u32(at)? };
        at += if version == 0 { 2 } else { 4 };
        let [count] = source.array(at)?;
        at += 1;
        let mut indices = Vec::new();
        for _ in 0..count {
            let [first] = source.array(at)?;
            indices.push(if flags & 1 == 1 {
                usize::from(source.u16(at)? & 0x7fff)
            } else {
                usize::from(first & 0x7f)
            });
            at += if flags & 1 == 1 { 2 } else { 1 };
        }
        if id == item {
            return Some(indices);
        }
    }
    None
}
