use crate::sniff::sniff;

/// What is served when nothing is known.
const UNKNOWN: &str = "application/octet-stream";

/// Declared types that say more than the bytes do: found, declared.
const REFINEMENTS: &[(&str, &str)] = &[
    ("application/zip", "application/epub+zip"),
    ("application/zip", "application/java-archive"),
    ("application/zip", "application/vnd.android.package-archive"),
    ("application/zip", "application/vnd.oasis.opendocument.presentation"),
    ("application/zip", "application/vnd.oasis.opendocument.spreadsheet"),
    ("application/zip", "application/vnd.oasis.opendocument.text"),
    (
        "application/zip",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ),
    ("application/zip", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("application/zip", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("text/xml", "application/atom+xml"),
    ("text/xml", "application/gpx+xml"),
    ("text/xml", "application/rss+xml"),
    ("text/xml", "application/xml"),
    ("video/mp4", "audio/mp4"),
    ("video/mp4", "video/x-m4v"),
    ("video/webm", "audio/webm"),
    ("video/x-matroska", "audio/x-matroska"),
];

/// Declared types that plain text may have. None of them makes a browser run anything in place.
const TEXT_TYPES: &[&str] = &[
    "application/geo+json",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/sql",
    "application/toml",
    "application/x-ndjson",
    "application/yaml",
    "text/calendar",
    "text/css",
    "text/csv",
    "text/javascript",
    "text/markdown",
    "text/plain",
    "text/tab-separated-values",
    "text/vcard",
    "text/vtt",
];

/// The type that a file is served with.
///
/// The bytes decide. What the client declared can only refine that, by a fixed list; whatever
/// else it says is dropped, parameters always.
///
/// ```
/// use gatepass_media::content_type;
///
/// assert_eq!(content_type(b"<html>", Some("image/png")), "text/html");
/// assert_eq!(content_type(b"a,b\n", Some("text/csv; header=present")), "text/csv");
/// assert_eq!(content_type(b"words", Some("text/html")), "text/plain");
/// assert_eq!(content_type(b"\x00\x01", Some("image/png")), "application/octet-stream");
/// ```
pub fn content_type(head: &[u8], declared: Option<&str>) -> &'static str {
    let declared = declared.map(essence).unwrap_or_default();
    match sniff(head) {
        Some(found) => REFINEMENTS
            .iter()
            .find(|(from, to)| *from == found && *to == declared)
            .map_or(found, |(_, to)| to),
        None if is_text(head) => {
            TEXT_TYPES.iter().find(|known| **known == declared).copied().unwrap_or("text/plain")
        }
        None => UNKNOWN,
    }
}

/// The type without its parameters, in lower case.
fn essence(declared: &str) -> String {
    declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// UTF-8 without control characters, where a character may be cut at the end of what is seen.
fn is_text(head: &[u8]) -> bool {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default())
                .unwrap_or_default()
        }
        Err(_) => return false,
    };
    let plain = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{1b}');
    !text.is_empty() && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_type_never_makes_text_active() {
        for declared in [
            "text/html",
            "text/html;charset=utf-7",
            "image/svg+xml ;x",
            "application/xhtml+xml",
            "text/xsl",
            "IMAGE/PNG",
            "garbage",
            "",
        ] {
            assert_eq!(
                content_type(b"+ADw-script+AD4-", Some(declared)),
                "text/plain",
                "{declared}"
            );
        }
    }

    #[test]
    fn the_bytes_decide() {
        let png_with_html = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR<html><script>";
        assert_eq!(content_type(png_with_html, Some("text/html")), "image/png");
        assert_eq!(content_type(b"<svg>", Some("image/png")), "image/svg+xml");
        assert_eq!(content_type(b"PK\x03\x04", Some("text/plain")), "application/zip");
        assert_eq!(
            content_type(b"PK\x03\x04", Some("application/epub+zip")),
            "application/epub+zip"
        );
        assert_eq!(content_type(b"", None), "application/octet-stream");
        assert_eq!(content_type("é".repeat(10).as_bytes().get(..19).unwrap(), None), "text/plain");
    }
}
