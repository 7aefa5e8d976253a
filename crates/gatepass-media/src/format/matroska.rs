//! Matroska and `WebM`, by a library. It reads the headers at the start and, where the file has a
//! table of its parts, what that table names.

use gatepass_core::MediaFacts;
use matroska_demuxer::{DisplayUnit, Info, MatroskaFile, TrackEntry, TrackType, Video};

use super::{Found, Size};
use crate::source::Source;

/// Codec identifiers and the names that players and ffprobe use.
const CODECS: &[(&str, &str)] = &[
    ("V_VP8", "vp8"),
    ("V_VP9", "vp9"),
    ("V_AV1", "av1"),
    ("V_MPEG4/ISO/AVC", "h264"),
    ("V_MPEGH/ISO/HEVC", "hevc"),
    ("V_MPEG4/ISO/ASP", "mpeg4"),
    ("V_MPEG2", "mpeg2video"),
    ("V_MJPEG", "mjpeg"),
    ("V_THEORA", "theora"),
    ("V_PRORES", "prores"),
    ("V_FFV1", "ffv1"),
    ("A_OPUS", "opus"),
    ("A_VORBIS", "vorbis"),
    ("A_AAC", "aac"),
    ("A_FLAC", "flac"),
    ("A_MPEG/L3", "mp3"),
    ("A_AC3", "ac3"),
    ("A_EAC3", "eac3"),
];

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let file = MatroskaFile::open(source).ok()?;
    let info = file.info();
    facts.duration_millis = duration(info);
    let of_type = |wanted| file.tracks().iter().find(|track| track.track_type() == wanted);
    let track = of_type(TrackType::Video).or_else(|| of_type(TrackType::Audio))?;
    facts.codec = codec(track.codec_id()).map(str::to_owned);
    if let Some(video) = track.video() {
        facts.transparency = Some(video.alpha_mode() == Some(1));
        facts.milli_fps = fps(track);
        size(video)?.store(facts);
    }
    Some(())
}

#[expect(clippy::cast_precision_loss, reason = "a scale is a million, or near it")]
fn duration(info: &Info) -> Option<u64> {
    // Ticks, in spite of the method's description.
    let nanos = info.duration()? * info.timestamp_scale().get() as f64;
    super::whole(nanos / 1e6)
}

fn codec(id: &str) -> Option<&'static str> {
    CODECS.iter().find(|(known, _)| *known == id).map(|(_, name)| *name)
}

fn fps(track: &TrackEntry) -> Option<u32> {
    let nanos_a_frame = track.default_duration()?.get();
    u32::try_from(1_000_000_000_000 / nanos_a_frame).ok().filter(|fps| *fps > 0)
}

fn size(video: &Video) -> Option<Size> {
    let pixels = || {
        let cropped = |side: u64, crop: [Option<u64>; 2]| {
            let crop = crop.iter().flatten().fold(0_u64, |sum, crop| sum.saturating_add(*crop));
            side.saturating_sub(crop)
        };
        (
            cropped(video.pixel_width().get(), [video.pixel_crop_left(), video.pixel_crop_right()]),
            cropped(
                video.pixel_height().get(),
                [video.pixel_crop_top(), video.pixel_crop_bottom()],
            ),
        )
    };
    let in_pixels = matches!(video.display_unit(), None | Some(DisplayUnit::Pixels));
    let shown = video.display_width().zip(video.display_height()).filter(|_| in_pixels);
    let (width, height) = shown.map_or_else(pixels, |(width, height)| (width.get(), height.get()));
    Some(Size::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?))
}
