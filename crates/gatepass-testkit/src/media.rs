//! Media files, made by ffmpeg and, for HEIC, by libheif's encoder.

use std::path::{Path, PathBuf};
use std::process::Command;

/// How to make a file.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Its name, whose ending decides the container.
    pub name: &'static str,
    /// The type it is to be served with.
    pub content_type: &'static str,
    /// What ffmpeg is told, between its inputs and the name.
    pub arguments: &'static str,
}

const fn recipe(name: &'static str, content_type: &'static str, arguments: &'static str) -> Recipe {
    Recipe { name, content_type, arguments }
}

/// A moving test picture of two seconds, 320 by 180 and 25 frames a second unless a filter changes
/// that, and a tone.
const PICTURE: &str = "testsrc2=size=320x180:rate=25:duration=2";
const TONE: &str = "sine=frequency=440:sample_rate=48000:duration=2";

/// Still and moving images.
pub const IMAGES: &[Recipe] = &[
    recipe("plain.jpg", "image/jpeg", "-frames:v 1"),
    recipe("odd444.jpg", "image/jpeg", "-frames:v 1 -vf scale=333:177 -pix_fmt yuvj444p"),
    recipe("gray.jpg", "image/jpeg", "-frames:v 1 -pix_fmt gray"),
    recipe("large.jpg", "image/jpeg", "-frames:v 1 -vf scale=2000:1500"),
    recipe("rgb.png", "image/png", "-frames:v 1"),
    recipe("rgba.png", "image/png", "-frames:v 1 -vf format=rgba,colorchannelmixer=aa=0.5"),
    recipe("gray16.png", "image/png", "-frames:v 1 -pix_fmt gray16be"),
    recipe("palette.png", "image/png", "-frames:v 1 -vf format=rgb8,format=pal8"),
    recipe("square.png", "image/png", "-frames:v 1 -vf scale=64:64"),
    recipe("moving.png", "image/png", "-f apng -plays 0 -vf scale=80:-2,fps=10"),
    recipe("still.gif", "image/gif", "-frames:v 1"),
    recipe("moving.gif", "image/gif", "-vf scale=80:-2,fps=10"),
    recipe("lossy.webp", "image/webp", "-c:v libwebp -frames:v 1"),
    recipe("lossless.webp", "image/webp", "-c:v libwebp -lossless 1 -frames:v 1"),
    recipe(
        "alpha.webp",
        "image/webp",
        "-c:v libwebp -lossless 1 -frames:v 1 -vf format=rgba,colorchannelmixer=aa=0.5 -pix_fmt bgra",
    ),
    recipe("moving.webp", "image/webp", "-c:v libwebp_anim -vf scale=80:-2,fps=10 -loop 0"),
    recipe("still.avif", "image/avif", "-frames:v 1 -c:v libaom-av1 -cpu-used 8 -still-picture 1"),
    recipe("moving.avif", "image/avif", "-c:v libaom-av1 -cpu-used 8 -vf scale=80:-2,fps=5"),
    recipe("plain.bmp", "image/bmp", "-frames:v 1"),
    recipe("plain.tiff", "image/tiff", "-frames:v 1"),
];

/// Moving pictures.
pub const VIDEOS: &[Recipe] = &[
    recipe("h264.mp4", "video/mp4", "-c:v libx264 -preset ultrafast"),
    recipe("sound.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -c:a aac"),
    recipe("start.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -movflags +faststart"),
    recipe(
        "fragments.mp4",
        "video/mp4",
        "-c:v libx264 -preset ultrafast -g 10 -c:a aac -movflags frag_keyframe+empty_moov",
    ),
    recipe(
        "cmaf.mp4",
        "video/mp4",
        "-c:v libx264 -preset ultrafast -g 25 -movflags cmaf+frag_keyframe+empty_moov+default_base_moof",
    ),
    recipe("hevc.mp4", "video/mp4", "-c:v libx265 -preset ultrafast -tag:v hvc1"),
    recipe("av1.mp4", "video/mp4", "-c:v libaom-av1 -cpu-used 8 -vf scale=160:90"),
    recipe("vp9.mp4", "video/mp4", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8"),
    recipe("mpeg4.mp4", "video/mp4", "-c:v mpeg4"),
    recipe("turned90.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -metadata:s:v rotate=90"),
    recipe("turned180.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -metadata:s:v rotate=180"),
    recipe("turned270.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -metadata:s:v rotate=270"),
    recipe(
        "portrait.mp4",
        "video/mp4",
        "-c:v libx264 -preset ultrafast -vf scale=180:320,setsar=1",
    ),
    recipe("ntsc.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -r 30000/1001"),
    recipe("film.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -r 24000/1001 -c:a mp3"),
    recipe("fast.mp4", "video/mp4", "-c:v libx264 -preset ultrafast -r 60 -c:a libopus -strict -2"),
    recipe("h264.mov", "video/quicktime", "-c:v libx264 -preset ultrafast -c:a pcm_s16le"),
    recipe("prores.mov", "video/quicktime", "-c:v prores"),
    recipe("mjpeg.mov", "video/quicktime", "-c:v mjpeg"),
    recipe("vp8.webm", "video/webm", "-c:v libvpx -deadline realtime -cpu-used 8"),
    recipe("vp9.webm", "video/webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus"),
    recipe("av1.webm", "video/webm", "-c:v libaom-av1 -cpu-used 8 -vf scale=160:90"),
    recipe(
        "alpha.webm",
        "video/webm",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -vf format=rgba,colorchannelmixer=aa=0.5 -pix_fmt yuva420p",
    ),
    recipe("h264.mkv", "video/x-matroska", "-c:v libx264 -preset ultrafast -c:a aac"),
    recipe("hevc.mkv", "video/x-matroska", "-c:v libx265 -preset ultrafast -c:a flac"),
    recipe("ntsc.mkv", "video/x-matroska", "-c:v libx264 -preset ultrafast -r 30000/1001"),
];

/// Sound.
pub const SOUNDS: &[Recipe] = &[
    recipe("constant.mp3", "audio/mpeg", "-b:a 128k"),
    recipe("variable.mp3", "audio/mpeg", "-q:a 4"),
    recipe("mono.mp3", "audio/mpeg", "-ac 1 -ar 22050 -b:a 32k -write_xing 0"),
    recipe("aac.m4a", "audio/mp4", "-c:a aac"),
    recipe("alac.m4a", "audio/mp4", "-c:a alac"),
    recipe("s16.wav", "audio/wav", ""),
    recipe("s24.wav", "audio/wav", "-c:a pcm_s24le"),
    recipe("f32.wav", "audio/wav", "-c:a pcm_f32le"),
    recipe("u8.wav", "audio/wav", "-c:a pcm_u8"),
    recipe("plain.flac", "audio/flac", ""),
    recipe("vorbis.ogg", "audio/ogg", "-c:a libvorbis"),
    recipe("opus.ogg", "audio/ogg", "-c:a libopus"),
    recipe("speech.opus", "audio/ogg", "-c:a libopus -ac 1 -b:a 16k"),
];

/// One small file of each format, for mutating: everything that matters is in its first 4 KiB.
pub const TINY: &[Recipe] = &[
    recipe("t.jpg", "image/jpeg", "-frames:v 1 -vf scale=16:16,setsar=1"),
    recipe("t.png", "image/png", "-frames:v 1 -vf scale=16:16,setsar=1"),
    recipe("tm.png", "image/png", "-f apng -frames:v 3 -vf scale=16:16,setsar=1"),
    recipe("t.gif", "image/gif", "-frames:v 3 -vf scale=16:16,setsar=1"),
    recipe("t.webp", "image/webp", "-c:v libwebp -frames:v 1 -vf scale=16:16,setsar=1"),
    recipe(
        "tl.webp",
        "image/webp",
        "-c:v libwebp -lossless 1 -frames:v 1 -vf scale=16:16,setsar=1",
    ),
    recipe("tm.webp", "image/webp", "-c:v libwebp_anim -frames:v 3 -vf scale=16:16,setsar=1"),
    recipe(
        "t.avif",
        "image/avif",
        "-frames:v 1 -c:v libaom-av1 -cpu-used 8 -vf scale=16:16,setsar=1",
    ),
    recipe(
        "tm.avif",
        "image/avif",
        "-frames:v 3 -c:v libaom-av1 -cpu-used 8 -vf scale=16:16,setsar=1",
    ),
    recipe(
        "t.mp4",
        "video/mp4",
        "-t 0.1 -c:v mpeg4 -c:a aac -vf scale=16:16,setsar=1 -movflags +faststart",
    ),
    recipe(
        "tf.mp4",
        "video/mp4",
        "-t 0.1 -c:v mpeg4 -vf scale=16:16,setsar=1 -movflags frag_keyframe+empty_moov",
    ),
    recipe("t.webm", "video/webm", "-t 0.1 -c:v libvpx -c:a libopus -vf scale=16:16,setsar=1"),
    recipe("t.mkv", "video/x-matroska", "-t 0.1 -c:v mpeg4 -vf scale=16:16,setsar=1"),
    recipe("t.mp3", "audio/mpeg", "-t 0.1"),
    recipe("t.wav", "audio/wav", "-t 0.01"),
    recipe("t.flac", "audio/flac", "-t 0.05"),
    recipe("t.ogg", "audio/ogg", "-t 0.05 -c:a libvorbis"),
    recipe("t.opus", "audio/ogg", "-t 0.05 -c:a libopus"),
];

impl Recipe {
    /// Makes the file in a directory.
    ///
    /// # Panics
    ///
    /// If ffmpeg (package `ffmpeg`) is not there or fails.
    pub fn make(&self, directory: &Path) -> PathBuf {
        let file = directory.join(self.name);
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-y", "-v", "error"]);
        let is_sound = self.content_type.starts_with("audio/");
        if !is_sound {
            command.args(["-f", "lavfi", "-i", PICTURE]);
        }
        if is_sound || self.arguments.contains("-c:a") {
            command.args(["-f", "lavfi", "-i", TONE]);
        }
        if !is_sound && !self.arguments.contains("-pix_fmt") && self.arguments.contains("264") {
            command.args(["-pix_fmt", "yuv420p"]);
        }
        command.args(self.arguments.split_whitespace()).arg(&file);
        run(command);
        file
    }
}

/// A HEIC, turned anticlockwise by `irot` where asked for.
///
/// # Panics
///
/// If `heif-enc` (package `libheif-examples`) is not there or fails.
pub fn heic(directory: &Path, png: &Path) -> PathBuf {
    let file = directory.join("plain.heic");
    let mut command = Command::new("heif-enc");
    command.arg(png).arg("-o").arg(&file);
    run(command);
    file
}

fn run(mut command: Command) {
    let output = command.output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}
