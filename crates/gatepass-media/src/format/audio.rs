//! Sound, by a library: duration and codec. Tags and the pictures in them are not read.

use std::io::{Seek as _, SeekFrom};
use std::time::Duration;

use gatepass_core::MediaFacts;
use lofty::config::ParseOptions;
use lofty::file::AudioFile;
use lofty::flac::FlacFile;
use lofty::iff::wav::{WavFile, WavFormat, WavProperties};
use lofty::mpeg::{Layer, MpegFile};
use lofty::ogg::{OpusFile, SpeexFile, VorbisFile};

use super::Found;
use crate::source::Source;

pub(crate) fn mp3(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let file: MpegFile = open(source)?;
    let codec = match file.properties().layer() {
        Layer::Layer1 => "mp1",
        Layer::Layer2 => "mp2",
        Layer::Layer3 => "mp3",
    };
    store(facts, Some(codec.to_owned()), file.properties().duration())
}

pub(crate) fn wav(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let file: WavFile = open(source)?;
    store(facts, pcm(file.properties()), file.properties().duration())
}

pub(crate) fn flac(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let file: FlacFile = open(source)?;
    store(facts, Some("flac".to_owned()), file.properties().duration())
}

/// What is in the pages stands at the start of the first one.
pub(crate) fn ogg(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let head = source.up_to(0, 64);
    let holds = |codec: &[u8]| head.windows(codec.len()).any(|window| window == codec);
    let (codec, duration) = if holds(b"OpusHead") {
        ("opus", open::<OpusFile>(source)?.properties().duration())
    } else if holds(b"\x01vorbis") {
        ("vorbis", open::<VorbisFile>(source)?.properties().duration())
    } else if holds(b"Speex   ") {
        ("speex", open::<SpeexFile>(source)?.properties().duration())
    } else {
        return None;
    };
    store(facts, Some(codec.to_owned()), duration)
}

fn open<F: AudioFile>(source: &mut Source<'_>) -> Option<F> {
    let options = ParseOptions::new().read_tags(false).read_cover_art(false);
    source.seek(SeekFrom::Start(0)).ok()?;
    F::read_from(source, options).ok()
}

fn store(facts: &mut MediaFacts, codec: Option<String>, duration: Duration) -> Found {
    facts.codec = codec;
    let millis = u64::try_from(duration.as_millis()).ok()?;
    facts.duration_millis = Some(millis).filter(|millis| *millis > 0);
    Some(())
}

fn pcm(properties: &WavProperties) -> Option<String> {
    match (properties.format(), properties.bit_depth()) {
        (WavFormat::PCM, 8) => Some("pcm_u8".to_owned()),
        (WavFormat::PCM, bits) => Some(format!("pcm_s{bits}le")),
        (WavFormat::IEEE_FLOAT, bits) => Some(format!("pcm_f{bits}le")),
        (WavFormat::Other(6), _) => Some("pcm_alaw".to_owned()),
        (WavFormat::Other(7), _) => Some("pcm_mulaw".to_owned()),
        (WavFormat::Other(_), _) => None,
    }
}
