//! What an image shows: a placeholder and its dominant colour. This decodes the image, small; or
//! the small one that a photograph brings along, which costs a hundredth.

use std::io::{BufRead, BufReader, Cursor, Seek, SeekFrom};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepass_core::MediaFacts;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits, RgbaImage};

use crate::format::jpeg;
use crate::source::Source;

/// Largest file that is decoded.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Most pixels that are decoded: photographs of 16 megapixels. Time and memory grow with them.
const PIXELS_MAX: u64 = 1 << 24;
/// From so many pixels on a photograph is not decoded if it brings a small one: below, that takes
/// some 10 ms.
const PIXELS_LARGE: u64 = 1 << 20;
/// Most pixels of that small one. Cameras write 160 by 120, some of them 320 by 240.
const BROUGHT_PIXELS_MAX: u64 = 1 << 18;
/// By how much, in hundredths, its shape may differ: it is rounded to whole pixels. What has
/// black bars, or was left behind when the picture was cropped, differs by more.
const SHAPE_DIFFERENCE_MAX: u64 = 2;
/// The same for `WebP`, whose decoder keeps several copies: pictures of 3840 by 2160.
const WEBP_PIXELS_MAX: u64 = 1 << 23;
/// Most bytes that a decoder may ask for. Four for each of the most pixels, and half as much again.
const DECODER_BYTES_MAX: u64 = 96 << 20;
/// Longest side of what the placeholder is made of; its format takes no more.
const SMALL_SIDE: u32 = 100;
/// Pixels that are less opaque have no colour.
const OPAQUE_MIN: u8 = 128;

/// Adds what the pixels show, if they can be decoded within the limits.
pub(crate) fn read(
    content_type: &str,
    source: &mut Source<'_>,
    facts: &mut MediaFacts,
) -> Option<()> {
    let format = match content_type {
        "image/jpeg" => ImageFormat::Jpeg,
        "image/png" => ImageFormat::Png,
        "image/gif" => ImageFormat::Gif,
        "image/webp" => ImageFormat::WebP,
        _ => return None,
    };
    let pixels = u64::from(facts.width?).checked_mul(facts.height?.into())?;
    let image = match brought(format, pixels, source, facts) {
        Some(image) => image,
        None if pixels > pixels_max(format) || source.size() > FILE_BYTES_MAX => return None,
        None => {
            source.seek(SeekFrom::Start(0)).ok()?;
            decode(BufReader::new(source), format, pixels_max(format))?
        }
    };
    let small = turned(image, facts.rotation).into_rgba8();
    let (width, height) = (small.width().try_into().ok()?, small.height().try_into().ok()?);
    facts.placeholder =
        Some(STANDARD.encode(thumbhash::rgba_to_thumb_hash(width, height, small.as_raw())));
    facts.background = dominant(&small).map(|[r, g, b]| format!("#{r:02x}{g:02x}{b:02x}"));
    Some(())
}

fn pixels_max(format: ImageFormat) -> u64 {
    if format == ImageFormat::WebP { WEBP_PIXELS_MAX } else { PIXELS_MAX }
}

/// The small picture that a large photograph brings along, if it has the same shape.
fn brought(
    format: ImageFormat,
    pixels: u64,
    source: &mut Source<'_>,
    facts: &MediaFacts,
) -> Option<DynamicImage> {
    if format != ImageFormat::Jpeg || pixels < PIXELS_LARGE {
        return None;
    }
    let bytes = jpeg::thumbnail(source)?;
    let image = decode(Cursor::new(bytes), format, BROUGHT_PIXELS_MAX)?;
    let (width, height) = match facts.rotation {
        Some(90 | 270) => (facts.height?, facts.width?),
        _ => (facts.width?, facts.height?),
    };
    let one = u64::from(width) * u64::from(image.height());
    let other = u64::from(height) * u64::from(image.width());
    (one.abs_diff(other) * 100 <= one.max(other) * SHAPE_DIFFERENCE_MAX).then_some(image)
}

fn decode(
    bytes: impl BufRead + Seek,
    format: ImageFormat,
    pixels_max: u64,
) -> Option<DynamicImage> {
    let mut reader = ImageReader::with_format(bytes, format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODER_BYTES_MAX);
    reader.limits(limits);
    let decoder = reader.into_decoder().ok()?;
    // The dimensions that were found before are another parser's.
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > pixels_max || decoder.total_bytes() > DECODER_BYTES_MAX {
        return None;
    }
    let image = DynamicImage::from_decoder(decoder).ok()?;
    if width <= SMALL_SIDE && height <= SMALL_SIDE {
        return Some(image);
    }
    Some(image.thumbnail(SMALL_SIDE, SMALL_SIDE))
}

fn turned(image: DynamicImage, rotation: Option<u16>) -> DynamicImage {
    match rotation {
        Some(90) => image.rotate90(),
        Some(180) => image.rotate180(),
        Some(270) => image.rotate270(),
        _ => image,
    }
}

/// The average of the most frequent shade, of 16 for each of red, green and blue; `None` where
/// nothing is opaque.
fn dominant(image: &RgbaImage) -> Option<[u8; 3]> {
    let mut shades = vec![(0_u32, [0_u32; 3]); 1 << 12];
    for pixel in image.pixels() {
        let [r, g, b, alpha] = pixel.0;
        if alpha < OPAQUE_MIN {
            continue;
        }
        let shade = usize::from(r >> 4) << 8 | usize::from(g >> 4) << 4 | usize::from(b >> 4);
        if let Some((count, sum)) = shades.get_mut(shade) {
            *count += 1;
            for (sum, part) in sum.iter_mut().zip([r, g, b]) {
                *sum += u32::from(part);
            }
        }
    }
    let (count, sum) = shades.iter().max_by_key(|(count, _)| *count)?;
    if *count == 0 {
        return None;
    }
    Some(sum.map(|sum| u8::try_from(sum / count).unwrap_or(u8::MAX)))
}
