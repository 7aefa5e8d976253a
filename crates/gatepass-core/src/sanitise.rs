//! Names for files that users choose freely.
//!
//! `POST /signatures` takes whatever a user's file is called and answers with the name that was
//! signed. The rule: Unicode NFC; control characters and the characters that mean something in a
//! URL or a shell dropped; blanks become `-`; dots at the ends dropped; segments that are empty
//! then, dropped.

use unicode_normalization::UnicodeNormalization as _;

use crate::ObjectPath;

const DROPPED: &str = "?#%\\&=+;:\"'<>|^{}[]`";
/// Leaves room for the segment limit of 255 bytes.
const SEGMENT_BYTES_MAX: usize = gatepass_sign::SEGMENT_BYTES_MAX;

/// A sanitised folder and filename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SanitisedName {
    /// The folder, without slashes at its ends; `None` for the top.
    pub folder: Option<String>,
    /// The filename.
    pub filename: String,
    /// Both, joined.
    pub path: ObjectPath,
}

/// Why no name came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SanitiseError {
    /// Nothing is left of the filename.
    #[error("nothing is left of the filename after sanitising")]
    NothingLeft,
    /// The result is no path: too long, or reserved.
    #[error("{0}")]
    Path(#[from] gatepass_sign::PathError),
}

/// Sanitises a filename and a folder. Slashes in the filename make folders.
///
/// ```
/// use gatepass_core::sanitise::sanitise;
///
/// let name = sanitise("My photo?.png", Some("/users/../7/")).unwrap();
/// assert_eq!(name.path.as_str(), "users/7/My-photo.png");
/// ```
pub fn sanitise(filename: &str, folder: Option<&str>) -> Result<SanitisedName, SanitiseError> {
    let mut segments = clean_segments(filename);
    let filename = segments.pop().ok_or(SanitiseError::NothingLeft)?;
    let mut folders = folder.map(clean_segments).unwrap_or_default();
    folders.append(&mut segments);
    let folder = (!folders.is_empty()).then(|| folders.join("/"));
    let joined = match &folder {
        Some(folder) => format!("{folder}/{filename}"),
        None => filename.clone(),
    };
    let path = ObjectPath::from_decoded(&joined)?;
    Ok(SanitisedName { folder, filename, path })
}

/// A path below a folder, or a folder, without its place: all segments sanitised. `None` if
/// nothing is left.
pub fn below(text: &str) -> Option<String> {
    let segments = clean_segments(text);
    (!segments.is_empty()).then(|| segments.join("/"))
}

fn clean_segments(text: &str) -> Vec<String> {
    text.split('/').map(clean_segment).filter(|segment| !segment.is_empty()).collect()
}

fn clean_segment(segment: &str) -> String {
    let kept: String = segment
        .nfc()
        .filter(|c| !DROPPED.contains(*c) && (!c.is_control() || c.is_whitespace()))
        .map(|c| if c.is_whitespace() { '-' } else { c })
        .collect();
    shorten(kept.trim_matches('.')).trim_end_matches('.').to_owned()
}

/// Cuts a long name before its extension, at a character's boundary.
fn shorten(name: &str) -> String {
    if name.len() <= SEGMENT_BYTES_MAX {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let tail = if extension.is_empty() || extension.len() > 16 {
        String::new()
    } else {
        format!(".{extension}")
    };
    let mut end = SEGMENT_BYTES_MAX - tail.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{tail}", &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(filename: &str, folder: Option<&str>) -> String {
        sanitise(filename, folder).unwrap().path.as_str().to_owned()
    }

    #[test]
    fn names_that_would_smuggle_become_plain() {
        for (given, expected) in [
            ("secret.pdf?expiry=9999999999&method=put&x=", "secret.pdfexpiry9999999999methodputx"),
            ("a b\tc.png", "a-b-c.png"),
            ("..hidden..", "hidden"),
            ("../../etc/passwd", "etc/passwd"),
            ("a%2Fb.png", "a2Fb.png"),
            ("e\u{301}.png", "\u{e9}.png"),
            ("a\u{0}\u{7}b\r\n.png", "ab--.png"),
            ("日本語.png", "日本語.png"),
            ("[x]{y}`z`|^.png", "xyz.png"),
        ] {
            assert_eq!(path_of(given, None), expected, "{given:?}");
        }
    }

    #[test]
    fn folders_are_cleaned_alike() {
        assert_eq!(path_of("a.png", Some("/x//./y/../")), "x/y/a.png");
        let name = sanitise("d/a.png", Some("x")).unwrap();
        assert_eq!((name.folder.as_deref(), &*name.filename), (Some("x/d"), "a.png"));
        assert_eq!(sanitise("a.png", Some("...")).unwrap().folder, None);
    }

    #[test]
    fn nothing_left_is_an_error() {
        for nothing in ["", "...", "/", "???", "a/../.."] {
            let result = sanitise(nothing, None);
            if nothing == "a/../.." {
                assert_eq!(result.unwrap().path.as_str(), "a");
            } else {
                assert_eq!(result, Err(SanitiseError::NothingLeft), "{nothing:?}");
            }
        }
        assert!(sanitise("x", Some(".well-known")).is_ok());
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = sanitise(&format!("{}.png", "é".repeat(300)), None).unwrap().filename;
        assert!(name.len() <= 255 && name.rsplit_once('.').is_some_and(|n| n.1 == "png"), "{name}");
    }
}
