//! A second opinion: ffprobe's.

use std::path::Path;
use std::process::Command;

use gatepass_testkit::media::{self, IMAGES, Recipe, SOUNDS, VIDEOS};
use serde_json::{Value, json};

use super::put;
use crate::support::Server;

#[test]
fn facts_of_images_agree_with_ffprobe() {
    agree(IMAGES);
}

#[test]
fn facts_of_videos_agree_with_ffprobe() {
    agree(VIDEOS);
}

#[test]
fn facts_of_sounds_agree_with_ffprobe() {
    agree(SOUNDS);
}

fn agree(recipes: &[Recipe]) {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for recipe in recipes {
        let path = recipe.make(directory.path());
        let file = put(&server, recipe.name, &std::fs::read(&path).unwrap());
        assert_eq!(file["type"], recipe.content_type, "{}", recipe.name);
        let expected = second_opinion(recipe, &path);
        for (name, value) in expected.as_object().unwrap() {
            if !is_near(name, &file[name], value) {
                wrong.push(format!("{}: {name} is {}, not {value}", recipe.name, file[name]));
            }
            compared += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 2 * recipes.len(), "{compared}");
}

/// Equal, or as near as two ways of counting come.
fn is_near(name: &str, found: &Value, expected: &Value) -> bool {
    let tolerance = match name {
        "duration" => 0.06,
        "fps" => 0.02,
        "bitrate" => expected.as_f64().unwrap() * 0.04,
        _ => return found == expected,
    };
    found.as_f64().is_some_and(|found| (found - expected.as_f64().unwrap()).abs() <= tolerance)
}

/// What ffprobe says, in our words. It does not know how a moving `WebP` moves.
fn second_opinion(recipe: &Recipe, path: &Path) -> Value {
    if recipe.name == "moving.webp" {
        return json!({ "width": 80, "height": 46, "frames": 20, "duration": 2.0, "animated": true });
    }
    let probed = ffprobe(path);
    let of_kind = |kind: &str| {
        let mut streams = probed["streams"].as_array().unwrap().iter();
        streams.find(|stream| stream["codec_type"] == kind).cloned()
    };
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
    let is_image = recipe.content_type.starts_with("image/");
    let moves = recipe.name.starts_with("moving");
    let mut expected = json!({});
    if moves {
        // Not every kind of moving picture has its duration told.
        expected["duration"] = json!(2.0);
    } else if !is_image {
        expected["duration"] = json!(number(&probed["format"]["duration"]));
        expected["bitrate"] = json!(number(&probed["format"]["bit_rate"]));
    }
    let Some(video) = of_kind("video") else {
        expected["codec"] = of_kind("audio").unwrap()["codec_name"].clone();
        return expected;
    };
    let turned = video["side_data_list"].as_array().and_then(|list| list[0]["rotation"].as_i64());
    let rotation = (-turned.unwrap_or(0)).rem_euclid(360);
    let sideways = rotation == 90 || rotation == 270;
    let (width, height) = (video["width"].clone(), video["height"].clone());
    let (width, height) = if sideways { (height, width) } else { (width, height) };
    let codec = match video["codec_name"].as_str().unwrap() {
        "mjpeg" if is_image => "jpeg",
        "apng" => "png",
        other => other,
    };
    (expected["width"], expected["height"]) = (width, height);
    // Of these, dimensions are all that is read.
    let simple = matches!(codec, "bmp" | "tiff");
    if !simple {
        expected["codec"] = json!(codec);
    }
    if is_image && !simple {
        expected["animated"] = json!(moves);
        let format = video["pix_fmt"].as_str().unwrap();
        // Of the others it says what it decodes to, not what is in the file.
        if matches!(codec, "png" | "jpeg") || recipe.name == "alpha.webp" {
            expected["transparency"] = json!(matches!(format, "rgba" | "argb"));
        }
    }
    if !is_image {
        expected["rotation"] = json!(rotation);
        let rate = video["avg_frame_rate"].as_str().unwrap();
        let (over, under) = rate.split_once('/').unwrap();
        expected["fps"] = json!(over.parse::<f64>().unwrap() / under.parse::<f64>().unwrap());
    }
    if moves || ["mp4", "mov"].iter().any(|end| recipe.name.ends_with(end)) {
        expected["frames"] =
            json!(video["nb_read_packets"].as_str().map(|text| text.parse::<u64>().unwrap()));
    }
    expected
}

fn ffprobe(path: &Path) -> Value {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-print_format", "json", "-show_format", "-show_streams"]);
    let output = command.arg("-count_packets").arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The second opinion here is what we asked the encoder for.
#[test]
fn a_heic_is_turned_once() {
    let server = Server::start();
    let directory = tempfile::tempdir().unwrap();
    let png = IMAGES.iter().find(|recipe| recipe.name == "rgb.png").unwrap();
    let heic = media::heic(directory.path(), &png.make(directory.path()));
    let mut bytes = std::fs::read(heic).unwrap();
    let file = put(&server, "a.heic", &bytes);
    assert_eq!((&file["type"], &file["codec"]), (&json!("image/heic"), &json!("hevc")));
    assert_eq!((&file["width"], &file["height"]), (&json!(320), &json!(180)));
    assert_eq!((&file["rotation"], &file["orientation"]), (&json!(0), &json!("landscape")));
    // A quarter clockwise, by what stands in the property.
    if let Some(at) = bytes.windows(4).position(|window| window == b"irot") {
        bytes[at + 4] = 3;
        let file = put(&server, "b.heic", &bytes);
        assert_eq!((&file["width"], &file["height"]), (&json!(180), &json!(320)));
        assert_eq!(file["rotation"], 90);
    }
}
