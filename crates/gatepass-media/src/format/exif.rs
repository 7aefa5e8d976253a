//! What cameras write of a picture (Exif 2.32): how it is to be turned, and the small one beside it.

const ORIENTATION: u16 = 0x0112;
const THUMBNAIL_OFFSET: u16 = 0x0201;
const THUMBNAIL_LENGTH: u16 = 0x0202;
/// Entries of a directory that are looked at.
const ENTRIES_MAX: usize = 512;

/// Degrees clockwise by which the stored pixels must be turned; 0 where nothing is said.
pub(crate) fn rotation(exif: &[u8]) -> u16 {
    let tiff = Tiff::new(exif);
    let orientation = tiff.and_then(|tiff| tiff.short(tiff.entry(tiff.first()?, ORIENTATION)?));
    match orientation {
        Some(3 | 4) => 180,
        Some(5 | 6) => 90,
        Some(7 | 8) => 270,
        _ => 0,
    }
}

/// The small picture that a camera keeps for lists: a JPEG of its own, stored as the large one is.
pub(crate) fn thumbnail(exif: &[u8]) -> Option<&[u8]> {
    let tiff = Tiff::new(exif)?;
    let second = tiff.after(tiff.first()?)?;
    let number = |tag| tiff.offset(tiff.entry(second, tag)?);
    let (start, length) = (number(THUMBNAIL_OFFSET)?, number(THUMBNAIL_LENGTH)?);
    tiff.bytes.get(start..start.checked_add(length)?)
}

/// Numbers in one of two byte orders, and directories of them.
struct Tiff<'a> {
    bytes: &'a [u8],
    little: bool,
}

impl<'a> Tiff<'a> {
    fn new(exif: &'a [u8]) -> Option<Self> {
        let bytes = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
        match bytes.get(..4)? {
            b"II\x2a\0" => Some(Self { bytes, little: true }),
            b"MM\0\x2a" => Some(Self { bytes, little: false }),
            _ => None,
        }
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = self.array(at)?;
        Some(if self.little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn offset(&self, at: usize) -> Option<usize> {
        let bytes = self.array(at)?;
        let number = if self.little { u32::from_le_bytes } else { u32::from_be_bytes };
        usize::try_from(number(bytes)).ok()
    }

    /// Where the first directory is.
    fn first(&self) -> Option<usize> {
        self.offset(4)
    }

    /// Where the directory behind this one is; each knows.
    fn after(&self, directory: usize) -> Option<usize> {
        let entries = usize::from(self.short(directory)?);
        let next = self.offset(directory.checked_add(2)?.checked_add(entries.checked_mul(12)?)?);
        next.filter(|next| *next > 0)
    }

    /// Where the value with this tag is.
    fn entry(&self, directory: usize, tag: u16) -> Option<usize> {
        let entries = usize::from(self.short(directory)?).min(ENTRIES_MAX);
        (0..entries)
            .filter_map(|index| directory.checked_add(2)?.checked_add(index.checked_mul(12)?))
            .find(|entry| self.short(*entry) == Some(tag))
            .and_then(|entry| entry.checked_add(8))
    }
}
