//! Names of codecs, as players and ffprobe call them.

use super::super::bmff::Atom;
use crate::source::Source;

/// Bytes of a sample entry in which its decoder configuration stands.
const CONFIGURATION_BYTES: usize = 1_024;

pub(super) fn name(source: &mut Source<'_>, entry: Atom) -> Option<&'static str> {
    Some(match &entry.kind {
        b"avc1" | b"avc3" => "h264",
        b"hvc1" | b"hev1" | b"dvh1" | b"dvhe" => "hevc",
        b"vvc1" | b"vvi1" => "vvc",
        b"av01" => "av1",
        b"vp08" => "vp8",
        b"vp09" => "vp9",
        b"apco" | b"apcs" | b"apcn" | b"apch" | b"ap4h" | b"ap4x" => "prores",
        b"jpeg" | b"mjpa" | b"mjpb" => "mjpeg",
        b"s263" => "h263",
        b"Opus" => "opus",
        b"fLaC" => "flac",
        b"alac" => "alac",
        b"ac-3" => "ac3",
        b"ec-3" => "eac3",
        b".mp3" => "mp3",
        b"sowt" => "pcm_s16le",
        b"twos" => "pcm_s16be",
        b"samr" => "amr_nb",
        b"sawb" => "amr_wb",
        b"mp4v" | b"mp4a" => by_object_type(source, entry)?,
        _ => return None,
    })
}

/// The object type of an elementary stream descriptor (ISO/IEC 14496-1).
fn by_object_type(source: &mut Source<'_>, entry: Atom) -> Option<&'static str> {
    let length = usize::try_from(entry.length()).unwrap_or(usize::MAX).min(CONFIGURATION_BYTES);
    let bytes = source.up_to(entry.start, length);
    let esds = bytes.windows(4).position(|window| window == b"esds")?;
    let descriptor = bytes.get(esds + 8..)?;
    // Tag 3 holds a number and flags, then tag 4, whose first byte it is.
    let (tag, stream) = descriptor_content(descriptor)?;
    let (inner, config) = descriptor_content(stream.get(3..)?)?;
    match (tag, inner, config.first()?) {
        (3, 4, 0x20) => Some("mpeg4"),
        (3, 4, 0x40 | 0x66..=0x68) => Some("aac"),
        (3, 4, 0x60..=0x65) => Some("mpeg2video"),
        (3, 4, 0x69 | 0x6b) => Some("mp3"),
        (3, 4, 0x6c) => Some("mjpeg"),
        (3, 4, 0xad) => Some("opus"),
        (3, 4, 0xdd) => Some("vorbis"),
        _ => None,
    }
}

/// Its tag, and what is behind its length of one to four bytes.
fn descriptor_content(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let more = rest.iter().take(4).take_while(|byte| **byte & 0x80 != 0).count();
    Some((*tag, rest.get(more + 1..)?))
}
