//! Every parser with sound files, with mutated ones, and with some that are made to hurt.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use gatepass_testkit::fuzz::fuzz;
use gatepass_testkit::media::TINY;
use peak_alloc::PeakAlloc;

use super::*;
use crate::believed::believed;
use crate::source::FETCHED_BYTES_MAX;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Held by tests that measure memory, and by those that take much.
static ALONE: Mutex<()> = Mutex::new(());

/// Far above what the libraries take for files of a few kilobytes.
const MEMORY_BYTES_MAX: usize = 400 << 20;

/// Libraries that ask for what a file claims. The worker's limit refuses it to them.
const UNBOUNDED: &[&str] = &["image/webp", "audio/mpeg", "audio/wav", "audio/flac", "audio/ogg"];

fn facts(content_type: &str, bytes: &[u8]) -> MediaFacts {
    let mut source = Source::new(bytes, bytes.len() as u64);
    let mut facts = headers(content_type, &mut source);
    pixels(content_type, &mut source, &mut facts);
    believed(facts)
}

fn size(facts: &MediaFacts) -> Option<(u32, u32, u16)> {
    Some((facts.width?, facts.height?, facts.rotation?))
}

/// Samples by type; several of one are crossed with each other.
fn samples() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let directory = tempfile::tempdir().unwrap();
    let mut by_type: Vec<(&str, Vec<Vec<u8>>)> = Vec::new();
    for recipe in TINY {
        #[expect(clippy::disallowed_methods, reason = "a file of the test's own")]
        let bytes = std::fs::read(recipe.make(directory.path())).unwrap();
        match by_type.iter_mut().find(|(known, _)| *known == recipe.content_type) {
            Some((_, samples)) => samples.push(bytes),
            None => by_type.push((recipe.content_type, vec![bytes])),
        }
    }
    by_type
}

#[test]
fn no_file_makes_a_parser_panic_or_take_too_much() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (content_type, samples) in samples() {
        for sample in &samples {
            let found = facts(content_type, sample);
            assert!(found.width.is_some() || found.duration_millis.is_some(), "{content_type}");
            // Every beginning of it.
            for end in (0..sample.len()).step_by(7) {
                let _ = facts(content_type, &sample[..end]);
            }
        }
        let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
        MEMORY.reset_peak_usage();
        let began = Instant::now();
        fuzz(&samples, |input| drop(facts(content_type, input)));
        println!("{content_type}: {:?}", began.elapsed());
        if !UNBOUNDED.contains(&content_type) {
            let peak = MEMORY.peak_usage();
            assert!(peak < MEMORY_BYTES_MAX, "{content_type}: {peak}");
        }
    }
}

#[test]
fn markup_and_documents_are_read_by_their_first_words() {
    let svg = |text: &str| size(&facts("image/svg+xml", text.as_bytes()));
    assert_eq!(svg("<svg width='10.4' height=\"20px\">"), Some((10, 20, 0)));
    assert_eq!(svg("<svg width='1in' height='25.4mm'/>"), Some((96, 96, 0)));
    assert_eq!(svg("<svg viewBox='0 0 30, 40' x>"), Some((30, 40, 0)));
    assert_eq!(svg("<svg width='100%' height='100%' viewBox='0 0 3 4'>"), Some((3, 4, 0)));
    assert_eq!(svg("<svg data-width='9' width = '10' height='20'>"), Some((10, 20, 0)));
    assert_eq!(
        svg("<!-- <svg width='1' height='1'> --><x:svg width='2' height='3'>"),
        Some((2, 3, 0))
    );
    assert_eq!(svg("<svg width='1e99' height='-1'>"), None);
    assert_eq!(svg("<html><svg width='1' height='1'>"), None);
    let laughs = "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>".repeat(1_000);
    let laughs = format!("<!DOCTYPE svg [<!ENTITY a 'ha'>{laughs}]><svg width='&b;' height='5'>");
    assert_eq!(svg(&laughs), None);

    let pdf = |text: &str| size(&facts("application/pdf", text.as_bytes()));
    assert_eq!(pdf("%PDF-1.7\n/MediaBox [0 0 595.28 841.89]\n"), Some((595, 842, 0)));
    assert_eq!(pdf("%PDF-1.7\n/MediaBox[10 10 110 60] /MediaBox [0 0 100 50]"), Some((100, 50, 0)));
    assert_eq!(pdf("/MediaBox [0 0 100 50] /MediaBox [0 0 50 50]"), None, "of different sizes");
    assert_eq!(pdf("/MediaBox [0 0 100 50] /Rotate 90"), None);
    assert_eq!(pdf("/MediaBox [0 0 100 50] /Rotate 0"), Some((100, 50, 0)));
    assert_eq!(pdf("/MediaBox 5 0 R"), None);
    assert_eq!(pdf("/MediaBox [0 0 100"), None);

    let samples: &[&[u8]] =
        &[laughs.as_bytes(), b"<svg width='10' height=\"20px\" viewBox='0 0 3 4'>"];
    fuzz(samples, |input| drop(facts("image/svg+xml", input)));
    let samples: &[&[u8]] = &[b"%PDF-1.7\n/MediaBox [0 0 595.28 841.89] /Rotate 0 /UserUnit 1"];
    fuzz(samples, |input| drop(facts("application/pdf", input)));
    let samples: &[&[u8]] =
        &[b"II*\0\x08\0\0\0\x02\0\0\x01\x03\0\x01\0\0\0\x0a\0\0\0", b"BM\x36\0\0\0"];
    for content_type in ["image/tiff", "image/bmp", "image/x-icon", "image/jxl", "image/heic"] {
        fuzz(samples, |input| drop(facts(content_type, input)));
    }
}

fn jpeg(width: u16, height: u16, orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let mut head = vec![0xff, 0xd8, 0xff, 0xe1];
    head.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    head.extend(exif);
    head.extend([0xff, 0xc0, 0, 11, 8]);
    head.extend(height.to_be_bytes());
    head.extend(width.to_be_bytes());
    head.extend([1, 1, 0x11, 0, 0xff, 0xd9]);
    head
}

#[test]
fn dimensions_are_those_that_are_displayed() {
    for (orientation, expected) in [
        (1, (640, 360, 0)),
        (3, (640, 360, 180)),
        (6, (360, 640, 90)),
        (8, (360, 640, 270)),
        (9, (640, 360, 0)),
    ] {
        let bytes = jpeg(640, 360, orientation);
        assert_eq!(size(&facts("image/jpeg", &bytes)), Some(expected), "{orientation}");
    }
}

/// A file that claims to be large: some bytes, and then a pattern without an end.
struct Endless {
    head: Vec<u8>,
    pattern: &'static [u8],
    fetched: u64,
}

impl crate::source::Fetch for &mut Endless {
    fn fetch(&mut self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        self.fetched += length as u64;
        let byte = |at: u64| {
            let at = usize::try_from(at).unwrap();
            let behind = |at: usize| self.pattern[at % self.pattern.len()];
            self.head.get(at).copied().unwrap_or_else(|| behind(at - self.head.len()))
        };
        Ok((offset..offset + length as u64).map(byte).collect())
    }
}

#[test]
fn what_has_no_end_is_given_up() {
    let moov = b"\0\0\0\x18ftypisom\0\0\0\0isommp42\xff\xff\xff\xffmoov";
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\x06\0\0\0AAAA\0\0\0\x08acTLAAAAAAAAAAAA";
    let cases: &[(&str, &[u8], &'static [u8])] = &[
        ("image/gif", b"GIF89a\x01\0\x01\0\0\0\0", b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x4c\x01\0"),
        ("image/gif", b"GIF89a\x01\0\x01\0\0\0\0", b"\x21\xfe\x01a"),
        ("image/png", png, b"\0\0\0\0fcTLAAAA"),
        ("image/webp", b"RIFF\xff\xff\xff\xffWEBP", b"ANMF\0\0\0\0"),
        ("image/jpeg", b"\xff\xd8", b"\xff\xe1\0\x02"),
        ("image/jpeg", b"\xff\xd8", b"\xff"),
        ("image/avif", b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", b"\0\0\0\x08meta"),
        ("video/mp4", b"", b"\0\0\0\x08free"),
        ("video/mp4", b"", b"\0\0\0\0moov"),
        ("video/mp4", b"", b"\0\0\0\x01moov\xff\xff\xff\xff\xff\xff\xff\xf0"),
        ("video/mp4", moov, b"\x7f\xff\xff\xfftrak"),
        ("video/mp4", moov, b"\0\0\0\x10trak\0\0\0\x08mdia"),
        ("video/mp4", moov, b"\0"),
        (
            "video/webm",
            b"\x1a\x45\xdf\xa3\x84\x42\x82\x81w\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
            b"\xec\x80",
        ),
        (
            "video/webm",
            b"\x1a\x45\xdf\xa3\x84\x42\x82\x81w\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff",
            b"\x1f\x43\xb6\x75\x80",
        ),
        ("audio/mpeg", b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"\0"),
        ("audio/mpeg", b"", b"\xff\xfb\x90\0"),
        ("audio/wav", b"RIFF\xff\xff\xff\xffWAVE", b"JUNK\0\0\0\0"),
        ("audio/flac", b"fLaC", b"\x01\0\0\0"),
        (
            "audio/ogg",
            b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x08OpusHead",
            b"OggS",
        ),
        ("application/pdf", b"%PDF-1.7", b"/MediaBox [0 0 1 1]"),
        ("image/svg+xml", b"<svg ", b"width="),
    ];
    for (content_type, head, pattern) in cases {
        let began = Instant::now();
        let mut endless = Endless { head: head.to_vec(), pattern, fetched: 0 };
        // Not larger than what memory may be asked for; the worker's own limit is tested elsewhere.
        let mut source = Source::new(&mut endless, 200 << 20);
        let mut found = headers(content_type, &mut source);
        pixels(content_type, &mut source, &mut found);
        drop(source);
        assert!(endless.fetched <= FETCHED_BYTES_MAX, "{content_type}: {}", endless.fetched);
        println!("{content_type} {:?}: {:?}", pattern.first(), began.elapsed());
    }
}

#[test]
fn facts_in_the_head_cost_no_more_than_the_head() {
    let directory = tempfile::tempdir().unwrap();
    for recipe in TINY.iter().filter(|recipe| ["t.avif", "t.mp4"].contains(&recipe.name)) {
        #[expect(clippy::disallowed_methods, reason = "a file of the test's own")]
        let head = std::fs::read(recipe.make(directory.path())).unwrap();
        let mut large = Endless { head, pattern: b"\0", fetched: 0 };
        let mut source = Source::new(&mut large, 100 << 20);
        let found = headers(recipe.content_type, &mut source);
        drop(source);
        assert_eq!(found.width, Some(16), "{}", recipe.name);
        assert_eq!(large.fetched, 4_096, "{}", recipe.name);
    }
}

#[test]
fn a_small_file_that_claims_to_be_a_large_image_is_not_decoded() {
    let mut png =
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x01\x86\xa0\0\x01\x86\xa0\x08\x06\0\0\0".to_vec();
    png.resize(1_024, 0);
    let found = facts("image/png", &png);
    assert_eq!(size(&found), Some((100_000, 100_000, 0)));
    assert_eq!(found.placeholder, None);
}

/// A picture of one colour, with this behind the first marker.
fn plain_jpeg(width: u32, height: u32, colour: [u8; 3], segment: &[u8]) -> Vec<u8> {
    let picture = image::RgbImage::from_pixel(width, height, image::Rgb(colour));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    let bytes = bytes.into_inner();
    [&bytes[..2], segment, &bytes[2..]].concat()
}

/// An Exif segment: two directories, of which the second says where in it a small picture is.
fn exif(small: &[u8], orientation: u16, offset: u32, length: u32) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, value: u32| {
        let value = if kind == 3 { value << 16 } else { value };
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &1_u32.to_be_bytes(), &value.to_be_bytes()]
            .concat()
    };
    let first = [&[0, 1][..], &entry(0x112, 3, orientation.into()), &26_u32.to_be_bytes()].concat();
    let second =
        [&[0, 2][..], &entry(0x201, 4, offset), &entry(0x202, 4, length), &[0; 4]].concat();
    let tiff = [&b"MM\0\x2a\0\0\0\x08"[..], &first, &second, small].concat();
    let length = u16::try_from(tiff.len() + 8).unwrap();
    [&[0xff, 0xe1][..], &length.to_be_bytes(), b"Exif\0\0", &tiff].concat()
}

/// Where the small picture is in an Exif segment as it is made here.
const SMALL_AT: u32 = 56;

#[test]
fn a_large_photograph_is_seen_by_the_small_one_it_brings() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (red, blue) = ([200, 0, 0], [0, 0, 200]);
    let small = plain_jpeg(160, 120, blue, &[]);
    let length = u32::try_from(small.len()).unwrap();
    let colour = |width, height, segment: &[u8]| {
        let found = facts("image/jpeg", &plain_jpeg(width, height, red, segment));
        let background = found.background.unwrap();
        assert!(found.placeholder.is_some());
        u8::from_str_radix(&background[5..], 16).unwrap() > 128
    };
    let right = exif(&small, 1, SMALL_AT, length);
    assert!(colour(1_600, 1_200, &right));
    assert!(colour(1_604, 1_200, &right), "as near as whole pixels come");
    assert!(colour(1_600, 1_200, &exif(&small, 6, SMALL_AT, length)), "both are turned");
    assert!(!colour(400, 300, &right), "a small photograph is looked at itself");
    assert!(!colour(1_800, 1_200, &right), "another shape");
    assert!(!colour(1_200, 1_600, &right), "another shape");
    for (offset, length) in [
        (SMALL_AT, length / 2),
        (SMALL_AT + 2, length),
        (u32::MAX, u32::MAX),
        (0, u32::MAX),
        (SMALL_AT, 0),
        (u32::MAX, 1),
    ] {
        assert!(!colour(1_600, 1_200, &exif(&small, 1, offset, length)), "{offset} {length}");
    }
    let wide = plain_jpeg(1_600, 1_200, blue, &[]);
    let length = u32::try_from(wide.len()).unwrap();
    assert!(!colour(1_600, 1_200, &exif(&wide, 1, SMALL_AT, length)), "it is not small");
    let found = facts("image/jpeg", &plain_jpeg(1_600, 1_200, red, &exif(&small, 6, SMALL_AT, 9)));
    assert_eq!(size(&found), Some((1_200, 1_600, 90)));
}
