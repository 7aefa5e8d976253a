//! What is known of a file's content.

use serde::{Deserialize, Serialize};

/// The broad kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Pictures.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// Everything else.
    File,
}

impl MediaKind {
    /// The kind of a content type.
    pub fn of_type(content_type: &str) -> Self {
        match content_type.split_once('/').map(|(main, _)| main) {
            Some("image") => Self::Image,
            Some("video") => Self::Video,
            Some("audio") => Self::Audio,
            _ => Self::File,
        }
    }

    /// The kind's name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::File => "file",
        }
    }

    /// Reads [`Self::as_str`]'s answer again.
    pub fn parse(text: &str) -> Self {
        match text {
            "image" => Self::Image,
            "video" => Self::Video,
            "audio" => Self::Audio,
            _ => Self::File,
        }
    }
}

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// The broad kind.
    pub kind: MediaKind,
    /// The content type that is served: found in the bytes, refined by what the client declared.
    pub content_type: String,
    /// What else was found in the bytes.
    #[serde(flatten)]
    pub facts: MediaFacts,
}

impl MediaInfo {
    /// A file of which nothing but its type is known.
    pub fn of_type(content_type: impl Into<String>) -> Self {
        let content_type = content_type.into();
        let kind = MediaKind::of_type(&content_type);
        Self { kind, content_type, facts: MediaFacts::default() }
    }

    /// With what a probe has found.
    pub fn with(self, facts: MediaFacts) -> Self {
        Self { facts, ..self }
    }
}

/// Facts found in a file's bytes, each where it is known.
///
/// Whole numbers in small units, so that two readings compare and nothing is lost in storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MediaFacts {
    /// How the streams are packed: `mp4`, `webm`, `png`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// How the pictures, else the sound, are coded: `h264`, `opus`, `png`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
    /// Width in pixels as displayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height in pixels as displayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Degrees clockwise by which the stored pixels must be turned to be displayed; already
    /// applied to `width` and `height`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<u16>,
    /// Whether pixels can be transparent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transparency: Option<bool>,
    /// Whether a picture moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub animated: Option<bool>,
    /// Number of pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_millis: Option<u64>,
    /// Pictures in a thousand seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milli_fps: Option<u32>,
    /// Bits a second, of the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u64>,
    /// A thumbhash in base64: some 30 bytes to show before the picture is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// The dominant colour, `#rrggbb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
}

impl MediaFacts {
    /// `landscape`, `portrait` or `square`, where the dimensions are known.
    pub fn orientation(&self) -> Option<&'static str> {
        let (width, height) = (self.width?, self.height?);
        Some(match width.cmp(&height) {
            std::cmp::Ordering::Greater => "landscape",
            std::cmp::Ordering::Less => "portrait",
            std::cmp::Ordering::Equal => "square",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_before_there_were_more_facts_is_read() {
        let stored =
            r#"{"kind":"image","content_type":"image/png","width":4,"height":3,"rotation":0}"#;
        let read: MediaInfo = serde_json::from_str(stored).unwrap();
        let facts = MediaFacts {
            width: Some(4),
            height: Some(3),
            rotation: Some(0),
            ..MediaFacts::default()
        };
        assert_eq!(read, MediaInfo::of_type("image/png").with(facts));
        assert_eq!(
            serde_json::to_string(&MediaInfo::of_type("text/css")).unwrap(),
            r#"{"kind":"file","content_type":"text/css"}"#
        );
    }
}
