#!/usr/bin/env python3
"""Counts the instructions of hot paths with callgrind, and holds them against budgets.toml.

    python3 bench/count.py               # fails when one is above its budget
    python3 bench/count.py --publish     # and writes the table of docs/performance.md

Instructions do not depend on what else the machine does, so this can fail a build where a time
cannot. Pure parts are counted by themselves; whole requests in a server that runs under callgrind,
which sees what the program does, not what the kernel does for it. Needs valgrind.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from load import Load, build, say
from peers import Gatepass
from server import Server, environment, free_port

BUDGETS = Path(__file__).resolve().parent / "budgets.toml"
PARTS = {
    "signature": "a signed URL becomes a grant",
    "policy": "the same, of a URL with size, types, reference and metadata",
    "receipt": "a receipt is issued",
    "part-map": "a chunk is planned and recorded",
    "range": "a `Range` is read and held against a file",
    "checksum": "the checksum of 16 KiB",
}
# Name, title, work and options of the load.
REQUESTS = [
    ("put-16k", "PUT 16 KiB", "put", {"size": 16 << 10, "prefix": "small"}),
    ("put-256k", "PUT 256 KiB", "put", {"size": 256 << 10, "prefix": "middle"}),
    ("get-16k", "GET 16 KiB", "get", {"size": 16 << 10, "prefix": "small", "files": 50}),
    ("get-range", "GET 64 KiB of 256 KiB", "get", {"size": 256 << 10, "prefix": "middle", "files": 50, "range": 64 << 10}),
    ("chunk", "PUT of a chunk of 64 KiB", "chunks", {"chunk": 64 << 10, "clients": 1}),
]
TIMES = 150


def callgrind(out):
    return ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"]


def instructions(path):
    """The sum of a dump."""
    found = re.search(r"^(?:summary|totals): (\d+)", path.read_text(errors="replace"), re.MULTILINE)
    return int(found.group(1))


def of_part(load, subject, directory):
    """Of one time: what twice as many take more, by their number."""
    def run(times):
        out = directory / f"{subject}.{times}"
        command = [*callgrind(out), str(load.binary), "micro", subject, "--times", str(times)]
        subprocess.run(command, check=True, capture_output=True)
        return instructions(out)

    few, many = 1_280, 2_560
    return (run(many) - run(few)) / (many - few)


class Counted:
    """A server under callgrind; `count` is what it did since the last time."""

    def __init__(self, binary, directory):
        self.peer, self.out, self.dumps = Gatepass(binary), directory / "server", 0
        self.directory = directory
        port = free_port()
        command, more = self.peer.command(directory, port)
        self.server = Server([*callgrind(self.out), *command], port, directory / "log", **more)

    def count(self):
        self.dumps += 1
        dump = Path(f"{self.out}.{self.dumps}")
        control = ["callgrind_control", "--dump", str(self.server.process.pid)]
        done = subprocess.run(control, capture_output=True, text=True)
        for _ in range(200):
            if dump.exists() and "totals:" in dump.read_text(errors="replace"):
                return instructions(dump)
            time.sleep(0.05)
        raise SystemExit(f"callgrind wrote no dump: {done.stdout}{done.stderr}")


def of_requests(load, binary, directory):
    counted = Counted(binary, directory)
    found = {}
    try:
        load.run(counted.peer, counted.server, "put", requests=50, seconds=60, prefix="warm")
        for name, _, work, options in REQUESTS:
            counted.count()
            if work == "chunks":
                # One more request than chunks: the one that completes the file.
                load.run(counted.peer, counted.server, work, size=(TIMES * 64 + 64) << 10, **options)
                found[name] = counted.count() / (TIMES + 1)
            else:
                load.run(counted.peer, counted.server, work, requests=TIMES, seconds=600, **options)
                found[name] = counted.count() / TIMES
    finally:
        counted.server.stop()
    return found


def measure(load, binary, parts_only):
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        found = {subject: of_part(load, subject, directory) for subject in PARTS}
        return found if parts_only else found | of_requests(load, binary, directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--publish", action="store_true", help="write the table of docs/performance.md")
    parser.add_argument("--parts", action="store_true", help="pure parts only, no whole requests")
    parser.add_argument("--binary", help="a server that is built already, with --load")
    parser.add_argument("--load", help="a load that is built already")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is not installed")
    binary, load = (options.binary, options.load) if options.binary else build()
    budgets = tomllib.loads(BUDGETS.read_text())
    found = measure(Load(load), binary, options.parts)
    # Chance only adds: on a slow disk, work that requests share otherwise is done for each.
    for _ in range(2):
        if any(count > budgets[name] for name, count in found.items()):
            again = measure(Load(load), binary, options.parts)
            found = {name: min(count, again[name]) for name, count in found.items()}
    titles = PARTS | {name: title for name, title, _, _ in REQUESTS}
    lines = ["| | instructions | budget |", "|---|---|---|"]
    lines += [f"| {titles[name]} | {count:,.0f} | {budgets[name]:,} |" for name, count in found.items()]
    print("\n".join(lines), flush=True)
    if options.publish:
        import publish

        publish.put("instructions", lines)
    above = [name for name, count in found.items() if count > budgets[name]]
    for name in above:
        say(f"{name}: {found[name]:,.0f} instructions are more than its budget of {budgets[name]:,}")
    if above:
        say("If that is meant, and worth it, raise the budget in bench/budgets.toml and say why.")
    sys.exit(1 if above else 0)


if __name__ == "__main__":
    main()
