#!/usr/bin/env python3
"""Measures Gatepass beside every peer that it finds, in one run.

    python3 bench/compare.py                          # five rounds of everything: about an hour
    python3 bench/compare.py --targets --rounds 3     # what the targets need: about 11 minutes
    python3 bench/compare.py --quick                  # a trial run: the figures mean nothing
    python3 bench/compare.py --publish                # and write the figures into docs/performance.md

Builds what it needs, works in a temporary directory, talks to loopback only and stops what it
started. In a round each case is run by every peer, in an order that is shuffled anew, each with a
fresh server and directory; ratios are taken within a round. `--out FILE` keeps every report as a line
of JSON, and a file that is there already is added to.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import publish
import report
import targets
from load import Load, build, machine, say
from peers import all_peers
from server import may_open_many_files
from workloads import CASES, SMOKE, Scale

FREE_AT_LEAST = 15 << 30


class Run:
    """Everything that stays the same while cases come and go."""

    def __init__(self, options, directory):
        gatepass, load = (options.binary, options.load) if options.binary else build()
        self.load, self.directory = Load(load), directory
        self.scale = SMOKE if options.quick else Scale()
        self.peers = [p for p in all_peers(gatepass) if not options.peers or p.name in options.peers]
        for peer in self.peers:
            if peer.missing:
                say(f"not there: {peer.missing}")
        self.peers = [peer for peer in self.peers if not peer.missing]
        self.prepared, self.count = {}, 0

    def once(self, case, peer):
        """The figures of a case with a server of its own."""
        if case.prepare:
            return case.run(self.load, peer, self.lasting(case, peer), self.scale)
        directory = self.fresh(peer.name)
        server = peer.start(directory)
        try:
            self.warm(peer, server)
            return case.run(self.load, peer, server, self.scale)
        finally:
            server.stop()
            empty(directory, 900 << 10 if peer.durable else 0)

    def warm(self, peer, server):
        """The first upload, when the server is ready for it: folders and connections are made."""
        for attempt in range(200):
            try:
                return self.load.run(peer, server, "put", requests=1, prefix="warm")
            except RuntimeError:
                if attempt == 199:
                    raise
                time.sleep(0.05)

    def floor(self, case):
        directory = self.fresh("floor")
        try:
            return case.floor(self.load, directory, self.scale)
        finally:
            empty(directory, 900 << 10)

    def lasting(self, case, peer):
        key = case.key, peer.name
        if key not in self.prepared:
            self.prepared[key] = self.fresh(f"{case.key}-{peer.name}")
            case.prepare(self.load, peer, self.prepared[key], self.scale)
        return self.prepared[key]

    def fresh(self, name):
        self.count += 1
        directory = self.directory / f"{self.count}-{name}"
        directory.mkdir()
        return directory


def empty(directory, above):
    """Gives the room back by truncation: on ext4 deleted files make the next ones slow to create."""
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size > above:
            os.truncate(path, 0)


def attempts(run, case, wanted):
    """What a round does for a case: a name and a function for each peer, in no order."""
    peers = [peer for peer in run.peers if peer.name in case.peers and peer.name in wanted]
    found = [(peer.name, lambda peer=peer: run.once(case, peer)) for peer in peers]
    if case.floor:
        found.append(("floor", lambda: run.floor(case)))
    random.shuffle(found)
    return found


def rounds(run, cases, options, out):
    end = time.monotonic() + options.minutes * 60
    number = 1 if options.quick else options.rounds
    for at in range(number):
        for case in cases:
            if at >= case.rounds or time.monotonic() > end:
                continue
            wanted = targets.peers(case.key) if options.targets else case.peers
            for name, attempt in attempts(run, case, wanted):
                try:
                    figures = attempt()
                except RuntimeError as error:
                    figures = {"error": str(error)}
                row = {"case": case.key, "peer": name, "round": f"{os.getpid()}-{at}", "figures": figures}
                say(f"{time.strftime('%H:%M:%S')} {at + 1}/{number} {report.brief(case, row)}")
                out.append(row)
            if shutil.disk_usage(run.directory).free < FREE_AT_LEAST:
                raise SystemExit("the disk is nearly full")


class Rows(list):
    """Rows that are also kept in a file, where there is one."""

    def __init__(self, path):
        lines = path.read_text().splitlines() if path and path.exists() else []
        super().__init__(json.loads(line) for line in lines)
        self.path = path

    def append(self, row):
        super().append(row)
        if self.path:
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="see that it works; the figures mean nothing")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each case")
    parser.add_argument("--peers", type=lambda text: text.split(","), help="only these: gatepass,nginx,...")
    parser.add_argument("--cases", type=lambda text: text.split(","), help="only cases that begin so: put-16k,get")
    parser.add_argument("--targets", action="store_true", help="only nginx and the peers that a target names")
    parser.add_argument("--minutes", type=float, default=1e6, help="begin nothing after so many")
    parser.add_argument("--out", type=Path, help="keep every report in this file")
    parser.add_argument("--publish", action="store_true", help="write docs/performance.md")
    parser.add_argument("--binary", help="a server that is built already, with --load")
    parser.add_argument("--load", help="a load that is built already")
    parser.add_argument("--directory", help="where to work; the file system there is measured")
    return parser.parse_args()


def main():
    options = arguments()
    may_open_many_files()
    cases = [c for c in CASES if not options.cases or any(c.key.startswith(k) for k in options.cases)]
    if options.quick:
        cases = [case for case in cases if not case.heavy]
    if options.publish and not options.out:
        options.out = report.KEPT
    out = Rows(options.out)
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        # Apache and nginx leave root behind.
        os.chmod(directory, 0o755)
        # Each directory below lies elsewhere on the disk, where the file system can do that.
        subprocess.run(["chattr", "+T", directory], capture_output=True)
        run = Run(options, Path(directory))
        rounds(run, cases, options, out)
        about = machine(directory)
    print(report.text(out, about))
    if options.publish:
        publish.compare(out, about)
    failed = [row for row in out if "error" in row["figures"]]
    if options.quick and failed:
        raise SystemExit(f"{len(failed)} failed: {failed[0]}")


if __name__ == "__main__":
    main()
