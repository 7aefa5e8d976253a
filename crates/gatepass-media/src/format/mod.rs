//! One file for each format. What is found goes into the facts at once, so that it stays when
//! something behind it makes no sense.
//!
//! Every loop reads, and [`Source`] bounds reads: no parser of ours goes on for ever. Nothing is
//! allocated by a count that a file claims.

mod audio;
mod bmff;
mod exif;
mod gif;
mod heif;
pub(crate) mod jpeg;
mod matroska;
mod mp4;
mod other_image;
mod pdf;
mod png;
mod svg;
mod webp;

use gatepass_core::MediaFacts;

use crate::source::Source;

/// `None` where a parser gave up.
type Found = Option<()>;

type Parser = fn(&mut Source<'_>, &mut MediaFacts) -> Found;

/// Content type, container, codec where the container decides it, parser.
const FORMATS: &[(&str, &str, Option<&str>, Parser)] = &[
    ("image/jpeg", "jpeg", Some("jpeg"), jpeg::read),
    ("image/png", "png", Some("png"), png::read),
    ("image/gif", "gif", Some("gif"), gif::read),
    ("image/webp", "webp", Some("webp"), webp::read),
    ("image/avif", "avif", None, heif::read),
    ("image/heic", "heic", None, heif::read),
    ("image/heif", "heif", None, heif::read),
    ("image/svg+xml", "svg", Some("svg"), svg::read),
    ("image/bmp", "bmp", None, other_image::read),
    ("image/jxl", "jxl", None, other_image::read),
    ("image/tiff", "tiff", None, other_image::read),
    ("image/vnd.adobe.photoshop", "psd", None, other_image::read),
    ("image/x-icon", "ico", None, other_image::read),
    ("video/mp4", "mp4", None, mp4::read),
    ("video/x-m4v", "mp4", None, mp4::read),
    ("video/quicktime", "mov", None, mp4::read),
    ("audio/mp4", "mp4", None, mp4::read),
    ("video/webm", "webm", None, matroska::read),
    ("audio/webm", "webm", None, matroska::read),
    ("video/x-matroska", "mkv", None, matroska::read),
    ("audio/x-matroska", "mkv", None, matroska::read),
    ("audio/mpeg", "mp3", None, audio::mp3),
    ("audio/wav", "wav", None, audio::wav),
    ("audio/flac", "flac", Some("flac"), audio::flac),
    ("audio/ogg", "ogg", None, audio::ogg),
    ("application/pdf", "pdf", None, pdf::read),
];

/// Whether files of this type have facts at all.
pub(crate) fn is_known(content_type: &str) -> bool {
    FORMATS.iter().any(|(known, ..)| *known == content_type)
}

/// Everything but what the pixels show.
pub(crate) fn read(content_type: &str, source: &mut Source<'_>, facts: &mut MediaFacts) {
    let format = FORMATS.iter().find(|(known, ..)| *known == content_type);
    let Some((_, container, codec, parser)) = format else { return };
    facts.container = Some((*container).to_owned());
    facts.codec = codec.map(str::to_owned);
    let _gave_up = parser(source, facts);
}

/// Width and height before they are turned.
#[derive(Debug, Clone, Copy)]
struct Size {
    width: u32,
    height: u32,
    rotation: u16,
}

impl Size {
    fn new(width: impl Into<u32>, height: impl Into<u32>) -> Self {
        Self { width: width.into(), height: height.into(), rotation: 0 }
    }

    /// Turned clockwise by this many degrees.
    fn turned(self, rotation: u16) -> Self {
        Self { rotation, ..self }
    }

    fn store(self, facts: &mut MediaFacts) {
        let sideways = matches!(self.rotation, 90 | 270);
        let (width, height) =
            if sideways { (self.height, self.width) } else { (self.width, self.height) };
        (facts.width, facts.height) = (Some(width), Some(height));
        facts.rotation = Some(self.rotation);
    }
}

/// Milliseconds of a number of ticks.
fn millis(ticks: u64, ticks_a_second: u32) -> Option<u64> {
    u64::try_from(u128::from(ticks) * 1_000 / u128::from(non_zero(ticks_a_second)?)).ok()
}

fn non_zero(number: u32) -> Option<u32> {
    (number != 0).then_some(number)
}

/// The nearest whole number, where there is one that makes sense.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range was checked"
)]
fn whole(number: f64) -> Option<u64> {
    let rounded = number.round();
    (0.0..=1e15).contains(&rounded).then_some(rounded as u64)
}
