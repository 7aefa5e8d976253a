//! MP4, `QuickTime` and their kin: the movie box and, of fragmented files, the boxes of the
//! fragments. Of the samples only the time table is read, entry by entry; nothing is kept.

mod codec;
mod fragments;

use gatepass_core::MediaFacts;

use super::bmff::Atom;
use super::{Found, Size, millis, non_zero};
use crate::source::Source;

/// Most tracks that are looked at.
const TRACKS_MAX: usize = 64;

pub(crate) fn read(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let movie = Movie::find(source)?;
    if let Some(track) = movie.tracks.iter().find(|track| track.is_video) {
        if let Some(size) = track.size {
            size.store(facts);
        }
        track.codec.clone_into(&mut facts.codec);
        facts.duration_millis = movie.duration(source, track);
        count(source, &movie, track, facts);
    } else {
        let track = movie.tracks.first()?;
        track.codec.clone_into(&mut facts.codec);
        facts.duration_millis = movie.duration(source, track);
    }
    Some(())
}

/// A sequence of pictures, whose dimensions are known from elsewhere.
pub(super) fn sequence(source: &mut Source<'_>, facts: &mut MediaFacts) -> Found {
    let movie = Movie::find(source)?;
    let track = movie.tracks.iter().find(|track| track.size.is_some())?;
    facts.frames = Some(track.samples);
    facts.duration_millis = millis(track.ticks, track.timescale);
    if facts.width.is_none() {
        track.size?.store(facts);
    }
    if facts.codec.is_none() {
        track.codec.clone_into(&mut facts.codec);
    }
    Some(())
}

fn count(source: &mut Source<'_>, movie: &Movie, track: &Track, facts: &mut MediaFacts) -> Found {
    let (samples, ticks) = if movie.fragmented {
        let found = fragments::of(source, track.id, track.default_ticks)?;
        (found.samples + track.samples, found.ticks + track.ticks)
    } else {
        (track.samples, track.ticks)
    };
    facts.frames = Some(samples);
    let milli_fps =
        u128::from(samples) * u128::from(track.timescale) * 1_000 / u128::from(ticks.max(1));
    facts.milli_fps = u32::try_from(milli_fps).ok().and_then(non_zero);
    Some(())
}

struct Movie {
    timescale: u32,
    ticks: u64,
    fragmented: bool,
    tracks: Vec<Track>,
}

impl Movie {
    /// Wherever in the file it is.
    fn find(source: &mut Source<'_>) -> Option<Self> {
        let moov = Atom::file(source).child(source, *b"moov")?;
        let mvhd = moov.child(source, *b"mvhd")?;
        let (timescale, ticks) = scale_and_duration(source, mvhd)?;
        let mvex = moov.child(source, *b"mvex");
        let mut movie = Self { timescale, ticks, fragmented: mvex.is_some(), tracks: Vec::new() };
        let announced = mvex.and_then(|mvex| mvex.child(source, *b"mehd"));
        if let Some(mehd) = announced.filter(|_| movie.ticks == 0) {
            movie.ticks = match source.array(mehd.start)? {
                [0] => source.u32(mehd.start + 4)?.into(),
                _ => source.u64(mehd.start + 4)?,
            };
        }
        let mut children = moov.children();
        while let Some(child) = children.next(source) {
            if &child.kind == b"trak"
                && let Some(mut track) = Track::read(source, child)
            {
                track.default_ticks = mvex.and_then(|mvex| default_ticks(source, mvex, track.id));
                movie.tracks.push(track);
            }
            if movie.tracks.len() == TRACKS_MAX {
                break;
            }
        }
        Some(movie)
    }

    /// As the header says, else as long as the track is.
    fn duration(&self, source: &mut Source<'_>, track: &Track) -> Option<u64> {
        if self.ticks > 0 {
            return millis(self.ticks, self.timescale);
        }
        let end = if self.fragmented {
            fragments::of(source, track.id, track.default_ticks)?.end
        } else {
            track.ticks
        };
        millis(end, track.timescale).filter(|millis| *millis > 0)
    }
}

/// A track with pictures or sound.
struct Track {
    id: u32,
    is_video: bool,
    size: Option<Size>,
    codec: Option<String>,
    timescale: u32,
    samples: u64,
    ticks: u64,
    default_ticks: Option<u32>,
}

impl Track {
    fn read(source: &mut Source<'_>, trak: Atom) -> Option<Self> {
        let mdia = trak.child(source, *b"mdia")?;
        let hdlr = mdia.child(source, *b"hdlr")?;
        let handler: [u8; 4] = source.array(hdlr.start + 8)?;
        let has_pictures = matches!(&handler, b"vide" | b"pict" | b"auxv");
        if !has_pictures && &handler != b"soun" {
            return None;
        }
        let (timescale, _) =
            mdia.child(source, *b"mdhd").and_then(|mdhd| scale_and_duration(source, mdhd))?;
        let (id, shown) = header(source, trak)?;
        let stbl = mdia.descendant(source, &[*b"minf", *b"stbl"])?;
        let entry = stbl.child(source, *b"stsd")?.skip(8).children().next(source)?;
        let size = if has_pictures { size(source, shown, entry) } else { None };
        let (samples, ticks) = times(source, stbl).unwrap_or_default();
        let codec = codec::name(source, entry).map(str::to_owned);
        let is_video = &handler == b"vide";
        Some(Self { id, is_video, size, codec, timescale, samples, ticks, default_ticks: None })
    }
}

/// The track's number, and its size as displayed, in fractions of 65,536, with its rotation.
fn header(source: &mut Source<'_>, trak: Atom) -> Option<(u32, Size)> {
    let tkhd = trak.child(source, *b"tkhd")?;
    let [version] = source.array(tkhd.start)?;
    let id_at = tkhd.start + if version == 1 { 20 } else { 12 };
    let matrix = tkhd.start + if version == 1 { 52 } else { 40 };
    let cell =
        |source: &mut Source<'_>, index: u64| source.u32(matrix + index * 4).map(u32::cast_signed);
    let (a, b) = (cell(source, 0)?, cell(source, 1)?);
    let (c, d) = (cell(source, 3)?, cell(source, 4)?);
    let rotation = match (a.signum(), b.signum(), c.signum(), d.signum()) {
        (0, 1, -1, 0) => 90,
        (-1, 0, 0, -1) => 180,
        (0, -1, 1, 0) => 270,
        _ => 0,
    };
    let size = Size::new(source.u32(matrix + 36)?, source.u32(matrix + 40)?);
    Some((source.u32(id_at)?, size.turned(rotation)))
}

/// Fragmented files from browsers leave the header's size out; the pictures have one, too.
fn size(source: &mut Source<'_>, shown: Size, entry: Atom) -> Option<Size> {
    let rounded = |side: u32| (side >> 16) + (side >> 15 & 1);
    let size = Size { width: rounded(shown.width), height: rounded(shown.height), ..shown };
    if size.width > 0 && size.height > 0 {
        return Some(size);
    }
    let (width, height) = (source.u16(entry.start + 24)?, source.u16(entry.start + 26)?);
    Some(Size::new(width, height).turned(shown.rotation))
}

fn scale_and_duration(source: &mut Source<'_>, atom: Atom) -> Option<(u32, u64)> {
    let [version] = source.array(atom.start)?;
    let (timescale, ticks) = if version == 1 {
        (source.u32(atom.start + 20)?, source.u64(atom.start + 24)?)
    } else {
        let ticks = source.u32(atom.start + 16)?;
        // All ones stand for unknown.
        let ticks = if ticks == u32::MAX { 0 } else { ticks };
        (source.u32(atom.start + 12)?, ticks.into())
    };
    Some((non_zero(timescale)?, if ticks == u64::MAX { 0 } else { ticks }))
}

/// Samples and their time, from the time table.
fn times(source: &mut Source<'_>, stbl: Atom) -> Option<(u64, u64)> {
    let table = stbl.child(source, *b"stts")?.skip(8);
    let (mut samples, mut ticks) = (0_u64, 0_u64);
    // The count that stands before is not believed: the box ends somewhere.
    for index in 0..table.length() / 8 {
        let count = source.u32(table.start + index * 8)?;
        let each = source.u32(table.start + index * 8 + 4)?;
        samples = samples.saturating_add(count.into());
        ticks = ticks.saturating_add(u64::from(count) * u64::from(each));
    }
    Some((samples, ticks))
}

/// How long a sample of a fragmented track is, unless its fragment says otherwise.
fn default_ticks(source: &mut Source<'_>, mvex: Atom, track: u32) -> Option<u32> {
    let mut children = mvex.children();
    while let Some(child) = children.next(source) {
        if &child.kind == b"trex" && source.u32(child.start + 4) == Some(track) {
            return source.u32(child.start + 12);
        }
    }
    None
}
