//! Facts in answers, and what they cost.

use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use gatepass_testkit::media::{IMAGES, Recipe, VIDEOS};
use serde_json::{Value, json};

use super::{put, with_facts, workers};
use crate::support::{Server, noise};

fn made(recipes: &[Recipe], name: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let recipe = recipes.iter().find(|recipe| recipe.name == name).unwrap();
    std::fs::read(recipe.make(directory.path())).unwrap()
}

/// The members that come from the content.
fn facts(file: &Value) -> Vec<Value> {
    let names = [
        "kind",
        "type",
        "container",
        "codec",
        "width",
        "height",
        "orientation",
        "rotation",
        "transparency",
        "animated",
        "frames",
        "duration",
        "fps",
        "bitrate",
        "placeholder",
        "background",
    ];
    names.iter().map(|name| file[name].clone()).collect()
}

#[test]
fn a_video_has_the_same_facts_whole_and_in_chunks() {
    let server = Server::start();
    let video = made(VIDEOS, "sound.mp4");
    let whole = put(&server, "whole.mp4", &video);
    assert_eq!((&whole["kind"], &whole["container"]), (&json!("video"), &json!("mp4")));
    assert_eq!((&whole["codec"], &whole["fps"]), (&json!("h264"), &json!(25.0)));
    assert_eq!((&whole["frames"], &whole["orientation"]), (&json!(50), &json!("landscape")));
    assert_eq!((&whole["width"], &whole["height"]), (&json!(320), &json!(180)));
    assert!((whole["duration"].as_f64().unwrap() - 2.0).abs() < 0.1);

    let third = video.len() / 3;
    let mut number = 0;
    let chunks = with_facts(&server, || {
        number += 1;
        let url = server.put_url(&format!("chunks-{number}.mp4"));
        let mut last = None;
        // The movie box, which is at the end, comes first.
        for (first, past) in [(2 * third, video.len()), (0, third), (third, 2 * third)] {
            let range = format!("bytes {first}-{}/{}", past - 1, video.len());
            let request = server.request("PUT", &url).header("Content-Range", &range);
            last = Some(request.body(&video[first..past]).send());
        }
        let last = last.unwrap();
        assert_eq!(last.status, 201);
        last.file()
    });
    assert_eq!(facts(&chunks), facts(&whole));
}

#[test]
fn a_picture_has_a_placeholder_and_a_background() {
    let server = Server::start();
    let plain = Recipe {
        name: "plain.png",
        content_type: "image/png",
        arguments: "-frames:v 1 -vf drawbox=c=0x2040a0:t=fill",
    };
    let file = put(&server, "plain.png", &made(&[plain], "plain.png"));
    let colour = file["background"].as_str().unwrap().strip_prefix('#').unwrap();
    let parts = (0..3).map(|i| i32::from_str_radix(&colour[2 * i..2 * i + 2], 16).unwrap());
    for (part, expected) in parts.zip([0x20, 0x40, 0xa0]) {
        assert!((part - expected).abs() < 8, "{colour}");
    }
    let placeholder = file["placeholder"].as_str().unwrap();
    let hash = base64::engine::general_purpose::STANDARD.decode(placeholder).unwrap();
    assert!((5..=25).contains(&hash.len()), "{placeholder}");
    for name in ["plain.jpg", "still.gif", "lossy.webp", "moving.webp", "alpha.webp", "gray16.png"]
    {
        let file = put(&server, name, &made(IMAGES, name));
        assert!(file["placeholder"].is_string() && file["background"].is_string(), "{name}");
    }
    let video = put(&server, "a.mp4", &made(VIDEOS, "mpeg4.mp4"));
    assert_eq!(video.get("placeholder"), None, "what is not known is not there");
}

#[test]
fn a_photograph_is_as_it_is_displayed() {
    let server = Server::start();
    let mut photo = made(IMAGES, "plain.jpg");
    let upright = put(&server, "upright.jpg", &photo);
    let exif =
        b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    photo.splice(2..2, exif.iter().copied());
    let turned = put(&server, "turned.jpg", &photo);
    assert_eq!((&turned["width"], &turned["height"]), (&json!(180), &json!(320)));
    assert_eq!((&turned["rotation"], &turned["orientation"]), (&json!(90), &json!("portrait")));
    assert_ne!(turned["placeholder"], upright["placeholder"]);
    assert_eq!(turned["background"], upright["background"]);
}

#[test]
fn workers_are_confined_replaced_and_end_with_the_server() {
    let mut server = Server::start();
    for (name, bytes) in [("a.bin", noise(1, 100_000)), ("a.txt", b"words".to_vec())] {
        put(&server, name, &bytes);
    }
    assert!(workers(&server).is_empty(), "nothing to find, nobody to find it");
    let image = made(IMAGES, "square.png");
    assert_eq!(put(&server, "1.png", &image)["orientation"], "square");
    assert_eq!(put(&server, "2.png", &image)["width"], 64);
    let [worker] = workers(&server)[..] else { panic!("one is enough, one after the other") };

    let of = |what: &str| std::fs::read_to_string(format!("/proc/{worker}/{what}")).unwrap();
    let limits = of("limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(limit("Max open files"), "0");
    assert_eq!(limit("Max address space"), (256 << 20).to_string());
    assert_eq!(limit("Max file size"), "0");
    assert_eq!(of("environ"), "");
    // Its system calls are filtered.
    assert!(
        !cfg!(target_arch = "x86_64") || of("status").contains("Seccomp:\t2"),
        "{}",
        of("status")
    );
    let open = std::fs::read_dir(format!("/proc/{worker}/fd")).unwrap();
    let open = open.map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap());
    let open: Vec<String> = open.map(|target| target.to_string_lossy().into_owned()).collect();
    let data = server.data.to_string_lossy().into_owned();
    let of_server = |target: &&String| target.starts_with(&data) || target.starts_with("socket:");
    assert_eq!(open.iter().find(of_server), None, "{open:?}");

    assert!(Command::new("kill").args(["-KILL", &worker.to_string()]).status().unwrap().success());
    wait_while(|| runs(worker), "a killed worker runs on");
    assert_eq!(put(&server, "3.png", &image)["width"], 64, "another one answers");
    let [worker] = workers(&server)[..] else { panic!("one, again") };
    assert!(server.lives());
    let _data = server.kill();
    wait_while(|| runs(worker), "the worker outlives the server");
}

fn runs(process: u32) -> bool {
    let state = std::fs::read_to_string(format!("/proc/{process}/stat"));
    state.is_ok_and(|state| !state.contains(") Z "))
}

fn wait_while(condition: impl Fn() -> bool, complaint: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while condition() {
        assert!(Instant::now() < deadline, "{complaint}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
