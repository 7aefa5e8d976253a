#!/usr/bin/env python3
"""Shows where the server's time goes while a case of compare.py runs.

    python3 bench/profile.py put-16k-16            # the functions that take most, by themselves and with what they call
    python3 bench/profile.py put-16k-16 --flame    # and a flame graph, in profile-put-16k-16.svg
    python3 bench/profile.py get-16k --strace      # system calls: how many a request, and their time

Needs perf (package linux-perf), or strace. The flame graph needs inferno:
`cargo install inferno`. Cases: every key that compare.py prints.
"""

import argparse
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from load import Load, build, say
from peers import Gatepass, find
from server import may_open_many_files
from workloads import CASES, Scale

SHOWN = 40


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


def flame(data, name):
    collapse, draw = find("inferno-collapse-perf"), find("inferno-flamegraph")
    if not collapse or not draw:
        raise SystemExit("inferno is not installed: cargo install inferno")
    script = subprocess.run(["perf", "script", "-i", data, "--no-inline"], capture_output=True)
    folded = subprocess.run([collapse], input=script.stdout, capture_output=True)
    picture = subprocess.run([draw, "--title", name], input=folded.stdout, capture_output=True)
    path = Path(f"profile-{name}.svg")
    path.write_bytes(picture.stdout)
    print(f"\n{path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=[case.key for case in CASES if not case.prepare])
    parser.add_argument("--flame", action="store_true", help="draw a flame graph")
    parser.add_argument("--strace", action="store_true", help="count system calls instead")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--binary", help="a server that is built already, with --load")
    parser.add_argument("--load", help="a load that is built already")
    parser.add_argument("--directory", help="where to work")
    options = parser.parse_args()
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
                if options.flame:
                    flame(data, case.key)
        finally:
            server.stop()
    say({name: value for name, value in figures.items() if name != "per_second"})


if __name__ == "__main__":
    main()
