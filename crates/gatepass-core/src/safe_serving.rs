//! How stored content is served so that it cannot attack the site that serves it.
//!
//! Uploaded bytes are somebody else's. Only types that browsers show without running anything
//! are shown in place; everything else is handed over as a download, in a sandbox, with sniffing
//! turned off.

/// Types that are shown in place: raster images, sound and moving pictures. No SVG, no PDF, no
/// HTML: they can carry scripts.
const INLINE_TYPES: [&str; 22] = [
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/heic",
    "image/heif",
    "image/bmp",
    "image/tiff",
    "image/x-icon",
    "video/mp4",
    "video/quicktime",
    "video/webm",
    "video/x-matroska",
    "video/ogg",
    "audio/mpeg",
    "audio/mp4",
    "audio/wav",
    "audio/ogg",
    "audio/flac",
    "audio/aac",
    "audio/webm",
];

/// The policy for every stored file: no scripts, no requests, no origin of its own.
pub const CONTENT_SECURITY_POLICY: &str = "sandbox; default-src 'none'";

/// How a file is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// In place.
    Inline,
    /// As a download.
    Attachment,
}

/// How content of this type is presented; a signer can ask for a download, never for less.
///
/// ```
/// use gatepass_core::safe_serving::{Disposition, disposition};
///
/// assert_eq!(disposition("image/png", false), Disposition::Inline);
/// assert_eq!(disposition("image/svg+xml", false), Disposition::Attachment);
/// ```
pub fn disposition(content_type: &str, download: bool) -> Disposition {
    if !download && INLINE_TYPES.contains(&content_type) {
        Disposition::Inline
    } else {
        Disposition::Attachment
    }
}

/// Whether content of this type may be read straight from a store, which sends the type and the
/// disposition that it is told, but neither `nosniff` nor a sandbox.
///
/// Only what browsers take for nothing else on the strength of its type alone: they never sniff
/// markup in an image, sound or a moving picture, and refuse to run one as a script. All else, even
/// as a download, could be named in a `<script>` of a page that trusts the store's domain.
///
/// ```
/// use gatepass_core::safe_serving::may_leave;
///
/// assert!(may_leave("video/mp4"));
/// assert!(!may_leave("image/svg+xml") && !may_leave("application/octet-stream"));
/// ```
pub fn may_leave(content_type: &str) -> bool {
    INLINE_TYPES.contains(&content_type)
}

/// A name that is safe inside `filename="..."`: ASCII, without quotes, separators or controls.
pub fn ascii_filename(name: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '/' | '%' | ';');
    let text: String =
        name.chars().take(200).map(|c| if plain(c) || c == ' ' { c } else { '_' }).collect();
    if text.trim_matches(['_', '.', ' ']).is_empty() { "download".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_leave_is_a_picture_or_sound() {
        for content_type in INLINE_TYPES {
            let kind = content_type.split('/').next().unwrap();
            assert!(["image", "video", "audio"].contains(&kind), "{content_type}");
        }
        for content_type in ["image/svg+xml", "text/html", "text/plain", "application/pdf", ""] {
            assert!(!may_leave(content_type), "{content_type}");
        }
    }

    #[test]
    fn active_types_are_never_inline() {
        for active in [
            "text/html",
            "image/svg+xml",
            "application/pdf",
            "text/xml",
            "application/xhtml+xml",
            "text/plain",
        ] {
            assert_eq!(disposition(active, false), Disposition::Attachment, "{active}");
        }
        assert_eq!(disposition("image/png", true), Disposition::Attachment);
    }

    #[test]
    fn names_cannot_break_out_of_their_quotes() {
        assert_eq!(ascii_filename("a\"; x=\r\n.png"), "a__ x=__.png");
        assert_eq!(ascii_filename("\u{1F600}"), "download");
        assert_eq!(ascii_filename(&"a".repeat(4_096)).len(), 200);
    }
}
