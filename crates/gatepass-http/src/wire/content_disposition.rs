//! `Content-Disposition` (RFC 6266), with a name that works everywhere and the real one beside it
//! (RFC 8187).

use std::fmt::Write as _;

use gatepass_core::safe_serving::{Disposition, ascii_filename};
use http::HeaderValue;

/// What is written beside the two names.
const ROOM: usize = 48;
/// Longest name that is no shorter in ASCII.
const PLAIN_BYTES_MAX: usize = 200;

/// The header's value. A shown file gets no name: browsers take it from the path.
pub(crate) fn value(disposition: Disposition, filename: &str) -> HeaderValue {
    if disposition == Disposition::Inline {
        return HeaderValue::from_static("inline");
    }
    if is_plain(filename) {
        let text =
            ["attachment; filename=\"", filename, "\"; filename*=UTF-8''", filename].concat();
        return HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment"));
    }
    let mut text = String::with_capacity(ROOM + 2 * filename.len());
    text.push_str("attachment; filename=\"");
    text.push_str(&ascii_filename(filename));
    text.push_str("\"; filename*=UTF-8''");
    push_extended(&mut text, filename);
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Whether both names are the name as it is, as nearly always.
fn is_plain(name: &str) -> bool {
    name.len() <= PLAIN_BYTES_MAX
        && name.bytes().all(is_left_alone)
        && name.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

/// What RFC 8187 leaves alone; all of it may stand between quotes as well.
fn is_left_alone(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte)
}

/// Percent-encodes everything but the characters that RFC 8187 leaves alone. Controls are left
/// out, and so is what lies beyond 255 characters.
fn push_extended(out: &mut String, name: &str) {
    for c in name.chars().filter(|c| !c.is_control()).take(255) {
        let mut buffer = [0; 4];
        for byte in c.encode_utf8(&mut buffer).bytes() {
            if is_left_alone(byte) {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        let text = |name| value(Disposition::Attachment, name).to_str().unwrap().to_owned();
        assert_eq!(
            text("r\"\r\nX: é;.pdf"),
            "attachment; filename=\"r___X: __.pdf\"; filename*=UTF-8''r%22X%3A%20%C3%A9%3B.pdf"
        );
        assert!(text(&"\u{1F600}".repeat(4_000)).len() < 4_096);
    }

    #[test]
    fn a_plain_name_stands_there_twice() {
        let text = |name: &str| value(Disposition::Attachment, name).to_str().unwrap().to_owned();
        for name in ["a", "r-2.pdf", "!#$&+-.^_`|~9", &"n".repeat(200)] {
            assert_eq!(
                text(name),
                format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}")
            );
        }
        let long = "n".repeat(201);
        assert!(text(&long).starts_with(&format!("attachment; filename=\"{}\";", &long[1..])));
        assert_eq!(text("..."), "attachment; filename=\"download\"; filename*=UTF-8''...");
    }
}
