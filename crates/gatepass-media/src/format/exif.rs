//! The orientation that cameras write (Exif 2.32, tag 0x0112).

const ORIENTATION_TAG: u16 = 0x0112;
/// Entries of the directory that are looked at.
const ENTRIES_MAX: usize = 512;

/// Degrees clockwise by which the stored pixels must be turned; 0 where nothing is said.
pub(crate) fn rotation(tiff: &[u8]) -> u16 {
    match orientation(tiff.strip_prefix(b"Exif\0\0").unwrap_or(tiff)) {
        Some(3 | 4) => 180,
        Some(5 | 6) => 90,
        Some(7 | 8) => 270,
        _ => 0,
    }
}

fn orientation(tiff: &[u8]) -> Option<u16> {
    let little = match tiff.get(..4)? {
        b"II\x2a\0" => true,
        b"MM\0\x2a" => false,
        _ => return None,
    };
    let short = |at: usize| -> Option<u16> {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let offset: [u8; 4] = tiff.get(4..8)?.try_into().ok()?;
    let offset = if little { u32::from_le_bytes(offset) } else { u32::from_be_bytes(offset) };
    let directory = usize::try_from(offset).ok()?;
    let entries = usize::from(short(directory)?).min(ENTRIES_MAX);
    (0..entries)
        .filter_map(|index| directory.checked_add(2)?.checked_add(index.checked_mul(12)?))
        .find(|entry| short(*entry) == Some(ORIENTATION_TAG))
        .and_then(|entry| short(entry.checked_add(8)?))
}
