use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::percent::{self, DecodeError};

/// Longest path in bytes, decoded.
pub const PATH_BYTES_MAX: usize = 1_024;
/// Longest path in bytes as it stands in a URL: every byte may be an escape.
const ENCODED_BYTES_MAX: usize = 3 * PATH_BYTES_MAX;
/// Longest segment in bytes, decoded.
pub const SEGMENT_BYTES_MAX: usize = 255;

/// The path of a file: decoded, without a leading slash, in exactly one spelling.
///
/// The grammar refuses instead of repairing, because a signature covers these very bytes: what
/// two readers could understand differently must not be signed or served.
///
/// ```
/// use gatepass_sign::{ObjectPath, PathError};
///
/// let path = ObjectPath::from_encoded("holiday/a%20b.png").unwrap();
/// assert_eq!(path.as_str(), "holiday/a b.png");
/// assert_eq!(path.folder(), Some("holiday"));
/// assert_eq!(path.filename(), "a b.png");
/// assert_eq!(ObjectPath::from_encoded("a/../b"), Err(PathError::DotSegment));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectPath(Arc<str>);

/// Why a text is no [`ObjectPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// There is no path at all.
    #[error("the path is empty")]
    Empty,
    /// More than [`PATH_BYTES_MAX`] bytes, decoded.
    #[error("the path is longer than 1024 bytes")]
    TooLong,
    /// `//`, or a slash at the start or the end.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// A segment of more than [`SEGMENT_BYTES_MAX`] bytes.
    #[error("a path segment is longer than 255 bytes")]
    SegmentTooLong,
    /// A `.` or `..` segment, encoded or not.
    #[error("the path has a dot segment")]
    DotSegment,
    /// `%` without two hexadecimal digits.
    #[error("the path has a bad percent escape")]
    BadEscape,
    /// The decoded path still holds a `%XX`: it could be read in two ways.
    #[error("the path is escaped twice")]
    EscapedTwice,
    /// `?`, `#`, `\`, an encoded slash or a control character.
    #[error("the path has a character that is not allowed: ? # \\ %2F or a control character")]
    ForbiddenCharacter,
    /// The decoded bytes are not UTF-8.
    #[error("the path is not UTF-8")]
    NotUtf8,
    /// The first segment is `.well-known`.
    #[error("the path starts with the reserved segment .well-known")]
    Reserved,
}

impl ObjectPath {
    /// Checks a path as a person would write it.
    pub fn from_decoded(text: &str) -> Result<Self, PathError> {
        check_decoded(text)?;
        Ok(Self(Arc::from(text)))
    }

    /// Checks and decodes a path as it stands in a URL, without its leading slash.
    pub fn from_encoded(raw: &str) -> Result<Self, PathError> {
        if raw.len() > ENCODED_BYTES_MAX {
            return Err(PathError::TooLong);
        }
        if !raw.contains('%') {
            return Self::from_decoded(raw);
        }
        if holds_encoded_separator(raw) {
            return Err(PathError::ForbiddenCharacter);
        }
        let decoded = percent::decode(raw).map_err(|error| match error {
            DecodeError::BadEscape => PathError::BadEscape,
            DecodeError::NotUtf8 => PathError::NotUtf8,
        })?;
        Self::from_decoded(&decoded)
    }

    /// The decoded path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as it goes into a URL: every byte outside the unreserved characters escaped.
    pub fn to_encoded(&self) -> String {
        percent::encode(&self.0, b"/")
    }

    /// Everything before the last slash, if there is one.
    pub fn folder(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(folder, _)| folder)
    }

    /// The last segment.
    pub fn filename(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// Whether this path is `prefix` or lies below it. A prefix that ends in a slash, and the
    /// empty one, match by text; any other matches whole segments.
    pub fn is_within(&self, prefix: &str) -> bool {
        match self.0.strip_prefix(prefix) {
            None => false,
            Some(rest) => {
                rest.is_empty()
                    || prefix.is_empty()
                    || prefix.ends_with('/')
                    || rest.starts_with('/')
            }
        }
    }
}

impl TryFrom<String> for ObjectPath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        Self::from_decoded(&text)
    }
}

impl From<ObjectPath> for String {
    fn from(path: ObjectPath) -> Self {
        path.as_str().to_owned()
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn holds_encoded_separator(raw: &str) -> bool {
    raw.as_bytes()
        .windows(3)
        .any(|w| matches!(w, [b'%', b'2', b'f' | b'F'] | [b'%', b'5', b'c' | b'C']))
}

fn check_decoded(text: &str) -> Result<(), PathError> {
    if text.is_empty() {
        return Err(PathError::Empty);
    }
    if text.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    let is_forbidden = |byte| matches!(byte, b'?' | b'#' | b'\\') || byte.is_ascii_control();
    if text.bytes().any(is_forbidden) || !text.is_ascii() && text.chars().any(char::is_control) {
        return Err(PathError::ForbiddenCharacter);
    }
    if percent::holds_escape(text) {
        return Err(PathError::EscapedTwice);
    }
    text.as_bytes().split(|byte| *byte == b'/').try_for_each(check_segment)?;
    let behind_reserved = text.strip_prefix(".well-known");
    if behind_reserved.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
        return Err(PathError::Reserved);
    }
    Ok(())
}

fn check_segment(segment: &[u8]) -> Result<(), PathError> {
    match segment {
        b"" => Err(PathError::EmptySegment),
        b"." | b".." => Err(PathError::DotSegment),
        long if long.len() > SEGMENT_BYTES_MAX => Err(PathError::SegmentTooLong),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        for (raw, error) in [
            ("", PathError::Empty),
            ("x/../y", PathError::DotSegment),
            ("%2e%2e/y", PathError::DotSegment),
            ("a//b", PathError::EmptySegment),
            ("a/", PathError::EmptySegment),
            ("a%2Fb", PathError::ForbiddenCharacter),
            ("a%5cb", PathError::ForbiddenCharacter),
            ("a\\b", PathError::ForbiddenCharacter),
            ("a%00b", PathError::ForbiddenCharacter),
            ("a%3Fb", PathError::ForbiddenCharacter),
            ("a%23b", PathError::ForbiddenCharacter),
            ("a%zz", PathError::BadEscape),
            ("a%", PathError::BadEscape),
            ("a%2520b.png", PathError::EscapedTwice),
            ("a%ff", PathError::NotUtf8),
            (".well-known/x", PathError::Reserved),
        ] {
            assert_eq!(ObjectPath::from_encoded(raw), Err(error), "{raw}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let segment = "a".repeat(SEGMENT_BYTES_MAX);
        assert!(ObjectPath::from_decoded(&segment).is_ok());
        assert_eq!(
            ObjectPath::from_decoded(&format!("{segment}a")),
            Err(PathError::SegmentTooLong)
        );
        let long = "aaa/".repeat(256) + "a";
        assert_eq!(ObjectPath::from_decoded(&long), Err(PathError::TooLong));
    }

    #[test]
    fn unicode_forms_stay_apart() {
        let composed = ObjectPath::from_decoded("\u{e9}.png").unwrap();
        let decomposed = ObjectPath::from_decoded("e\u{301}.png").unwrap();
        assert_ne!(composed, decomposed);
    }

    #[test]
    fn prefixes_match_whole_segments() {
        let path = ObjectPath::from_decoded("users/7/a.png").unwrap();
        for within in ["", "users", "users/", "users/7", "users/7/a.png"] {
            assert!(path.is_within(within), "{within}");
        }
        for outside in ["user", "users/8", "users/7/a", "a"] {
            assert!(!path.is_within(outside), "{outside}");
        }
    }
}
