#!/usr/bin/env python3
"""Shows where the server's time goes while a case of compare.py runs.

    python3 bench/profile.py put-16k-16            # the functions that take most, by themselves and with what they call
    python3 bench/profile.py put-16k-16 --flame    # and a flame graph, in profile-put-16k-16.svg
    python3 bench/profile.py put-16k-16 --publish  # and that in docs/performance
    python3 bench/profile.py get-16k --strace      # system calls: how many a request, and their time

Needs perf (package linux-perf), or strace. The flame graph needs inferno:
`cargo install inferno`. Cases: every key that compare.py prints.
"""

import argparse
import os
import re
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from load import Load, build, say
from peers import Gatepass, find
from server import may_open_many_files
from workloads import CASES, Scale

SHOWN = 40
PICTURES = Path(__file__).resolve().parent.parent / "docs" / "performance"
# What the system does, by the functions that begin it; the first that is found counts.
CALLS = {
    "sending": ("tcp_sendmsg", "do_sendfile"),
    "receiving": ("tcp_recvmsg",),
    "syncing": ("do_fsync", "vfs_fsync", "ksys_sync"),
    "writing": ("vfs_write", "vfs_iter_write", "do_pwritev", "vfs_fallocate", "ksys_pwrite"),
    "waiting and waking": ("do_futex", "do_epoll", "ep_", "schedule", "__schedule", "finish_task_switch"),
    "other calls": ("do_syscall_64", "entry_SYSCALL_64", "asm_"),
}
OURS = {
    "SQLite": ("sqlite3", "rusqlite"),
    "checksums": ("crc_fast",),
    "signatures": ("gatepass_sign", "sha2", "hmac", "digest"),
    "memory": ("malloc", "free", "memmove", "memcpy", "memset", "calloc", "unlink_chunk"),
    "HTTP": ("hyper", "http::", "httparse", "gatepass_http"),
    "runtime": ("tokio", "core::task"),
    "Gatepass's own code": ("gatepass_",),
}
PLUMBING = (
    "std::", "core::ops::", "__rust", "[unknown]", "start_thread", "clone3", "tokio::runtime::task", "<std::",
    "tokio::runtime::blocking", "<tokio::runtime::blocking", "<core::panic", "<futures_util", "<core::pin",
    "entry_SYSCALL", "do_syscall_64", "__x64_sys", "ret_from_fork", "<alloc::boxed",
)


class Watched:
    """A program that watches a process while a block runs, and is told to end afterwards."""

    def __init__(self, command):
        self.command = [str(part) for part in command]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


def perf(process, data, run):
    record = ["perf", "record", "-F", "997", "--call-graph", "dwarf,8192", "-o", data, "-p", process]
    with Watched(record):
        return run()


def tables(data):
    for title, options in (("by itself", ["--no-children"]), ("with what it calls", ["--children"])):
        command = ["perf", "report", "-i", data, "--stdio", "-g", "none", "--no-inline", "--percent-limit", "0.5"]
        text = subprocess.run([*command, *options], capture_output=True, text=True).stdout
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        print(f"\n{title}\n" + "\n".join(lines[:SHOWN]))


def inferno(program):
    found = find(program)
    if not found:
        raise SystemExit(f"{program} is not there: cargo install inferno")
    return found


def folded(data):
    """Every stack, from the thread to the function that ran, and how often."""
    script = subprocess.run(["perf", "script", "-i", data, "--no-inline"], capture_output=True, check=True)
    collapse = [inferno("inferno-collapse-perf")]
    lines = subprocess.run(collapse, input=script.stdout, capture_output=True, check=True).stdout.decode().splitlines()
    if not lines:
        raise SystemExit("perf saw nothing: the case ended too soon")
    pairs = [line.rsplit(" ", 1) for line in lines]
    return [(stack.split(";"), int(count)) for stack, count in pairs]


def shares(stacks):
    """What the time was spent on, in percent."""
    spent = Counter()
    for frames, count in stacks:
        spent[kind(frames)] += count
    total = sum(spent.values())
    return ", ".join(f"{name} {100 * count / total:.0f}" for name, count in spent.most_common())


def kind(frames):
    """The system's share goes by what it was asked for, ours by who wrote what ran."""
    for name, signs in CALLS.items():
        if any(frame.startswith(signs) for frame in frames):
            return name
    # The first is the thread's name.
    for frame in reversed(frames[1:]):
        for name, signs in OURS.items():
            if any(sign in frame for sign in signs):
                return name
    return "other"


def flame(stacks, title, path):
    counts = Counter()
    for frames, count in stacks:
        counts[";".join(told(frames))] += count
    lines = "".join(f"{stack} {count}\n" for stack, count in counts.items())
    command = [inferno("inferno-flamegraph"), "--title", title, "--minwidth", "0.4", "--bgcolors", "#f6f6f6", "--deterministic",
               "--truncate-text-right"]
    picture = subprocess.run(command, input=lines.encode(), capture_output=True, check=True)
    path.write_text(without_script(picture.stdout.decode()))
    print(f"\n{path}")


def without_script(picture):
    """A page shows a picture without running it, and what it would search with is of no use then."""
    for part in (r"<script.*?</script>", r"<!--.*?-->", r' onload="[^"]*"', r'<text id="(unzoom|search)".*?</text>'):
        picture = re.sub(part, "", picture, flags=re.DOTALL)
    return picture


def told(stack):
    """The frames of a stack that say something: the thread, and what is not plumbing of the runtime."""
    thread, *frames = stack
    return [thread] + [shorter(frame) for frame in frames if not frame.startswith(PLUMBING)]


def shorter(frame):
    """Without what generic types stand for, and which trait a function is of."""
    frame = frame.replace("{{closure}}", "{}").replace("{{vtable.shim}}", "{}")
    as_trait = re.match(r"<(.+) as [^>]+(?:<.*>)?>::(\w+)", frame)
    frame = f"{as_trait[1]}::{as_trait[2]}" if as_trait else frame
    while (bare := re.sub(r"<[^<>]*>", "", frame)) != frame:
        frame = bare
    return frame


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=[case.key for case in CASES if not case.prepare])
    parser.add_argument("--flame", action="store_true", help="draw a flame graph")
    parser.add_argument("--publish", action="store_true", help="draw it in docs/performance")
    parser.add_argument("--strace", action="store_true", help="count system calls instead")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--binary", help="a server that is built already, with --load")
    parser.add_argument("--load", help="a load that is built already")
    parser.add_argument("--directory", help="where to work")
    options = parser.parse_args()
    if options.strace and (options.flame or options.publish):
        parser.error("--strace draws nothing")
    may_open_many_files()
    case = next(case for case in CASES if case.key == options.case)
    # Without them the functions have no names.
    os.environ["CARGO_PROFILE_RELEASE_STRIP"] = "debuginfo"
    binary, load = (options.binary, options.load) if options.binary else build()
    load, peer = Load(load), Gatepass(binary)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        server = peer.start(Path(directory))
        run = lambda: case.run(load, peer, server, Scale(seconds=options.seconds, requests=10**9))
        try:
            load.run(peer, server, "put", requests=1, prefix="warm")
            if options.strace:
                out = Path(directory) / "strace"
                with Watched(["strace", "-f", "-c", "-o", out, "-p", server.process.pid]):
                    figures = run()
                print(out.read_text())
            else:
                data = Path(directory) / "perf.data"
                figures = perf(server.process.pid, data, run)
                tables(data)
                if options.publish or options.flame:
                    stacks = folded(data)
                    place = PICTURES / "flame-" if options.publish else "profile-"
                    flame(stacks, case.title, Path(f"{place}{case.key}.svg"))
                    print(shares(stacks))
        finally:
            server.stop()
    say({name: value for name, value in figures.items() if name != "per_second"})


if __name__ == "__main__":
    main()
