use crate::markup;

/// Bytes that are looked at.
const LOOK_AT: usize = 4_096;

/// The type that the first bytes of a file show, `None` if they show none.
///
/// ```
/// assert_eq!(gatepass_media::sniff(b"\x89PNG\r\n\x1a\n"), Some("image/png"));
/// assert_eq!(gatepass_media::sniff(b"just words"), None);
/// ```
pub fn sniff(head: &[u8]) -> Option<&'static str> {
    let head = head.get(..LOOK_AT).unwrap_or(head);
    iso_media(head)
        .or_else(|| by_signature(head))
        .or_else(|| markup::sniff(head))
        .or_else(|| by_library(head))
}

/// What the library gets wrong, or too roughly.
fn by_signature(head: &[u8]) -> Option<&'static str> {
    let starts = |signature: &[u8]| head.starts_with(signature);
    if starts(b"OggS") {
        let page = head.get(..64).unwrap_or(head);
        let holds = |codec: &[u8]| page.windows(codec.len()).any(|window| window == codec);
        return Some(if holds(b"\x80theora") { "video/ogg" } else { "audio/ogg" });
    }
    if starts(b"\x1a\x45\xdf\xa3") {
        let webm = head.windows(4).take(64).any(|window| window == b"webm");
        return Some(if webm { "video/webm" } else { "video/x-matroska" });
    }
    if starts(b"%PDF-") {
        return Some("application/pdf");
    }
    None
}

/// The brands of the ISO base media file format (ISO/IEC 14496-12).
fn iso_media(head: &[u8]) -> Option<&'static str> {
    if head.get(4..8)? != b"ftyp" {
        return None;
    }
    match head.get(8..12)? {
        b"avif" | b"avis" => Some("image/avif"),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some("image/heic"),
        b"mif1" | b"msf1" => Some(compatible_image(head)),
        b"qt  " => Some("video/quicktime"),
        b"M4A " | b"M4B " | b"M4P " | b"F4A " | b"F4B " => Some("audio/mp4"),
        _ => Some("video/mp4"),
    }
}

/// A general image brand: what else the file says it is compatible with decides.
fn compatible_image(head: &[u8]) -> &'static str {
    let brands = head.get(16..head.len().min(64)).unwrap_or_default().chunks_exact(4);
    let mut found = brands.filter_map(|brand| match brand {
        b"avif" | b"avis" => Some("image/avif"),
        b"heic" | b"heix" | b"hevc" => Some("image/heic"),
        _ => None,
    });
    found.next().unwrap_or("image/heif")
}

fn by_library(head: &[u8]) -> Option<&'static str> {
    let found = std::panic::catch_unwind(|| infer::get(head)).ok()??;
    match found.mime_type() {
        // Markup was judged above; what is left is not known to be any.
        "text/html" | "text/xml" => None,
        "audio/x-wav" => Some("audio/wav"),
        "audio/x-flac" => Some("audio/flac"),
        "audio/m4a" => Some("audio/mp4"),
        "image/vnd.microsoft.icon" => Some("image/x-icon"),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ftyp(brand: &[u8], compatible: &[u8]) -> Vec<u8> {
        [&[0, 0, 0, 32][..], b"ftyp", brand, &[0; 4], compatible].concat()
    }

    #[test]
    fn knows_media_by_their_signatures() {
        let wav = [b"RIFF".as_slice(), &[36, 0, 0, 0], b"WAVEfmt "].concat();
        let webp = [b"RIFF".as_slice(), &[36, 0, 0, 0], b"WEBPVP8 "].concat();
        let matroska_webm =
            [b"\x1a\x45\xdf\xa3".as_slice(), &[0x9f, 0x42, 0x82, 0x84], b"webm"].concat();
        let ogg = [b"OggS".as_slice(), &[0; 24], b"OpusHead"].concat();
        for (head, expected) in [
            (b"\xff\xd8\xff\xe0\0\x10JFIF".to_vec(), "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec(), "image/png"),
            (b"GIF89a".to_vec(), "image/gif"),
            (webp, "image/webp"),
            (wav, "audio/wav"),
            (matroska_webm, "video/webm"),
            (b"\x1a\x45\xdf\xa3\0\0\0matroska".to_vec(), "video/x-matroska"),
            (ogg, "audio/ogg"),
            (b"ID3\x04\0\0\0\0\0\0".to_vec(), "audio/mpeg"),
            (b"fLaC\0\0\0\x22".to_vec(), "audio/flac"),
            (ftyp(b"avif", b""), "image/avif"),
            (ftyp(b"heic", b""), "image/heic"),
            (ftyp(b"mif1", b"mif1avif"), "image/avif"),
            (ftyp(b"isom", b""), "video/mp4"),
            (ftyp(b"qt  ", b""), "video/quicktime"),
            (ftyp(b"M4A ", b""), "audio/mp4"),
            (b"%PDF-1.7".to_vec(), "application/pdf"),
            (b"PK\x03\x04".to_vec(), "application/zip"),
            (b"\x1f\x8b\x08".to_vec(), "application/gzip"),
        ] {
            assert_eq!(sniff(&head), Some(expected));
        }
    }

    #[test]
    fn says_nothing_of_what_it_does_not_know() {
        for head in [&b""[..], b"words", b"{\"a\":1}", &[0; 64], b"a,b\n1,2\n"] {
            assert_eq!(sniff(head), None, "{head:?}");
        }
    }
}
