#!/usr/bin/env python3
"""How long it takes to find the facts of a file, for each format.

Speaks with `gatepass media-worker` as the server does, through its pipes, with files that ffmpeg
makes. Prints a table in Markdown. Processor time is the worker's for one file, its start shared by
all rounds; it says more than the rest on a machine that does other work, too.

    cargo build --release && python3 bench/media.py [program]
"""

import argparse
import json
import pathlib
import resource
import statistics
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PICTURE = "testsrc2=size={}:rate=30:duration={}"
ROUNDS = 20

# Title, name, content type, size of the picture, seconds, what ffmpeg is told.
FILES = [
    ("JPEG, 1280 by 720", "a.jpg", "image/jpeg", "1280x720", 1, "-frames:v 1"),
    ("JPEG, 4000 by 3000", "b.jpg", "image/jpeg", "4000x3000", 1, "-frames:v 1"),
    ("JPEG, 4000 by 3000, with a small one in its Exif", "c.jpg", "image/jpeg", "4000x3000", 1,
     "-frames:v 1"),
    ("PNG, 1280 by 720", "a.png", "image/png", "1280x720", 1, "-frames:v 1"),
    ("PNG, 4000 by 3000", "b.png", "image/png", "4000x3000", 1, "-frames:v 1"),
    ("GIF, 320 by 180, 300 frames", "a.gif", "image/gif", "320x180", 10, ""),
    ("WebP, 1280 by 720", "a.webp", "image/webp", "1280x720", 1, "-c:v libwebp -frames:v 1"),
    ("WebP, moving, 320 by 180", "b.webp", "image/webp", "320x180", 3, "-c:v libwebp_anim"),
    ("AVIF, 1280 by 720", "a.avif", "image/avif", "1280x720", 1,
     "-frames:v 1 -c:v libaom-av1 -cpu-used 8 -still-picture 1"),
    ("MP4, 2 minutes, header at the end", "a.mp4", "video/mp4", "320x180", 120,
     "-c:v libx264 -preset ultrafast"),
    ("MP4, 2 minutes, 60 fragments", "f.mp4", "video/mp4", "320x180", 120,
     "-c:v libx264 -preset ultrafast -g 60 -movflags frag_keyframe+empty_moov"),
    ("MOV, 1 minute", "a.mov", "video/quicktime", "320x180", 60, "-c:v libx264 -preset ultrafast"),
    ("WebM, 1 minute", "a.webm", "video/webm", "320x180", 60,
     "-c:v libvpx -deadline realtime -cpu-used 8"),
    ("MKV, 2 minutes", "a.mkv", "video/x-matroska", "320x180", 120,
     "-c:v libx264 -preset ultrafast"),
    ("MP3, 2 minutes", "a.mp3", "audio/mpeg", None, 120, ""),
    ("M4A, 2 minutes", "a.m4a", "audio/mp4", None, 120, ""),
    ("WAV, 2 minutes", "a.wav", "audio/wav", None, 120, ""),
    ("FLAC, 2 minutes", "a.flac", "audio/flac", None, 120, ""),
    ("Ogg Vorbis, 2 minutes", "a.ogg", "audio/ogg", None, 120, "-c:a libvorbis"),
    ("Opus, 2 minutes", "a.opus", "audio/ogg", None, 120, "-c:a libopus"),
]


class Worker:
    def __init__(self, program):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program, "media-worker"], stdin=pipe, stdout=pipe)

    def ask(self, content_type, content):
        """The facts, and how many bytes were read for them."""
        send, receive = self.process.stdin, self.process.stdout
        name = content_type.encode()
        send.write(struct.pack(">QI", len(content), len(name)) + name)
        send.flush()
        facts, read = None, 0
        while True:
            kind = receive.read(1)[0]
            if kind == 1:
                offset, length = struct.unpack(">QI", receive.read(12))
                read += length
                send.write(struct.pack(">I", length) + content[offset : offset + length])
                send.flush()
            elif kind == 2:
                (length,) = struct.unpack(">I", receive.read(4))
                facts = json.loads(receive.read(length))
            else:
                return facts, read

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def make(path, size, seconds, arguments):
    tone = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
    source = tone if size is None else PICTURE.format(size, seconds)
    pixels = ["-pix_fmt", "yuv420p"] if "264" in arguments else []
    command = ["ffmpeg", "-nostdin", "-v", "error", "-f", "lavfi", "-i", source]
    subprocess.run([*command, *arguments.split(), *pixels, str(path)], check=True)
    if path.name == "c.jpg":
        add_small_one(path)


def add_small_one(path):
    """A picture of 160 by 120 in an Exif segment, as cameras write it."""
    scale = ["-i", str(path), "-vf", "scale=160:120", "-f", "mjpeg", "-"]
    command = ["ffmpeg", "-nostdin", "-v", "error", *scale]
    small = subprocess.run(command, check=True, capture_output=True).stdout
    entries = struct.pack(">HHII", 0x201, 4, 1, 44) + struct.pack(">HHII", 0x202, 4, 1, len(small))
    tiff = b"MM\0\x2a\0\0\0\x08" + struct.pack(">HI", 0, 14) + struct.pack(">H", 2) + entries
    exif = b"Exif\0\0" + tiff + b"\0\0\0\0" + small
    photo = path.read_bytes()
    path.write_bytes(photo[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + photo[2:])


def processor_time():
    """Milliseconds of the processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000


def timed(action):
    began = time.perf_counter()
    result = action()
    return (time.perf_counter() - began) * 1000, result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", nargs="?", default=ROOT / "target" / "release" / "gatepass",
                        help="a server that is built already; target/release/gatepass if left out")
    program = parser.parse_args().program
    print("| file | size | read | median | worst | processor time |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        image = None
        for title, name, content_type, size, seconds, arguments in FILES:
            path = pathlib.Path(directory) / name
            make(path, size, seconds, arguments)
            content = path.read_bytes()
            image = image or content
            before = processor_time()
            worker = Worker(program)
            worker.ask("image/gif", b"GIF89a")
            rounds = [timed(lambda: worker.ask(content_type, content)) for _ in range(ROUNDS)]
            worker.end()
            each = (processor_time() - before) / ROUNDS
            facts, read = rounds[0][1]
            assert facts.get("duration_millis") or facts.get("width"), (title, facts)
            times = [milliseconds for milliseconds, _ in rounds]
            print(f"| {title} | {len(content) / 1e6:,.2f} MB | {read / 1e3:,.0f} kB "
                  f"| {statistics.median(times):.2f} ms | {max(times):.2f} ms | {each:.2f} ms |", flush=True)

        def start():
            worker = Worker(program)
            worker.ask("image/gif", b"GIF89a")
            return worker

        starts = []
        for _ in range(ROUNDS):
            milliseconds, worker = timed(start)
            starts.append(milliseconds)
            worker.end()
        print(f"| start of a worker, once | | | {statistics.median(starts):.1f} ms "
              f"| {max(starts):.1f} ms | |")


if __name__ == "__main__":
    main()
