//! Files that are made to hurt: the upload succeeds, soon, and the server goes on as before.

use std::time::{Duration, Instant};

use gatepass_testkit::media::{TINY, VIDEOS};
use serde_json::json;

use super::{put, put_once, workers};
use crate::support::Server;

/// Far above the two seconds that an upload waits for its facts.
const SOON: Duration = Duration::from_secs(15);

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    // No checksum: it is found out before the pixels are.
    [length.as_slice(), &kind, data, &[0; 4]].concat()
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = chunk(*b"IHDR", &[size.as_slice(), &[8, 6, 0, 0, 0]].concat());
    [b"\x89PNG\r\n\x1a\n".as_slice(), &header, &chunk(*b"IDAT", &[0; 900])].concat()
}

fn atom(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
    [length.as_slice(), &kind, content].concat()
}

/// Boxes in boxes.
fn nested(depth: usize) -> Vec<u8> {
    let inner = (0..depth).fold(Vec::new(), |inner, _| atom(*b"moov", &inner));
    [atom(*b"ftyp", b"isom\0\0\0\0"), inner].concat()
}

/// Tables that claim to have billions of entries.
fn huge_counts(video: &[u8]) -> Vec<u8> {
    let mut bytes = video.to_vec();
    for table in [b"stts", b"stsd", b"stsz", b"stsc", b"stco", b"ctts", b"dref"] {
        for at in 0..bytes.len() - 16 {
            if bytes[at..at + 4] == *table {
                bytes[at + 8..at + 12].copy_from_slice(&[0xff; 4]);
            }
        }
    }
    bytes
}

#[test]
fn hostile_files_become_files_soon_and_do_no_harm() {
    let directory = tempfile::tempdir().unwrap();
    let video = VIDEOS.iter().find(|recipe| recipe.name == "start.mp4").unwrap();
    let video = std::fs::read(video.make(directory.path())).unwrap();
    let ebml = b"\x1a\x45\xdf\xa3\x84\x42\x82\x81w\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff";
    let ebml_size = [ebml.as_slice(), b"\x15\x49\xa9\x66\x08\x7f\xff\xff\xff\xff\xff\xff"].concat();
    let one_frame = b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x4c\x01\0";
    let frames = [b"GIF89a\x01\0\x01\0\0\0\0".as_slice(), &one_frame.repeat(300_000)].concat();
    let laughs = "<!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>".repeat(10_000);
    let laughs = format!("<!DOCTYPE svg [<!ENTITY a 'ha'>{laughs}]><svg width='&b;' height='5'/>");
    let server = Server::start();
    let cases = [
        ("claims.png", png(100_000, 100_000)),
        ("largest.png", png(4_096, 4_096)),
        ("nested.mp4", nested(1_000)),
        ("counts.mp4", huge_counts(&video)),
        ("sizes.webm", ebml_size),
        ("frames.gif", frames),
        ("laughs.svg", laughs.into_bytes()),
        ("zeros.mp4", [atom(*b"ftyp", b"isom\0\0\0\0"), vec![0; 3_000_000]].concat()),
        (
            "atoms.mp4",
            [atom(*b"ftyp", b"isom\0\0\0\0"), atom(*b"free", b"").repeat(500_000)].concat(),
        ),
    ];
    for (name, bytes) in cases {
        let began = Instant::now();
        let file = put_once(&server, name, &bytes);
        assert!(began.elapsed() < SOON, "{name}: {:?}", began.elapsed());
        assert_eq!(file["status"], "ready", "{name}");
        if name == "claims.png" {
            assert_eq!((&file["width"], file.get("placeholder")), (&json!(100_000), None));
        }
        assert!(server.send("GET", &format!("/{name}"), b"").body == bytes, "{name}");
    }
    // The movie box's tables end where their boxes do.
    let sound = put(&server, "sound.mp4", &video);
    assert_eq!((&sound["frames"], &sound["codec"]), (&json!(50), &json!("h264")));
    assert!(workers(&server).len() <= 4);
    assert!(server.peak_memory() < 200 << 20, "{}", server.peak_memory());
}

#[test]
fn files_that_were_cut_off_anywhere_are_files() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start();
    for recipe in TINY {
        let whole = std::fs::read(recipe.make(directory.path())).unwrap();
        for part in 1..6 {
            let cut = &whole[..whole.len() * part / 6];
            let file = put_once(&server, &format!("{part}{}", recipe.name), cut);
            assert_eq!(file["filesize"], cut.len(), "{}", recipe.name);
        }
        assert_ne!(put(&server, recipe.name, &whole).get("codec"), None, "{}", recipe.name);
    }
}
