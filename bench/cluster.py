#!/usr/bin/env python3
"""Measures Gatepass on PostgreSQL and Garage beside presigned uploads to the same Garage.

    python3 bench/cluster.py [--quick] [--json] [--rounds N]

Starts PostgreSQL, three Garage nodes (replication 3) and one Gatepass node; all of them sync, but for
the engines with --quick, which only shows that everything works. Needs
`garage` (scripts/test builds it) and PostgreSQL. Both are measured in each round, and medians compared;
which comes first changes.

- 256 KiB: a signed PUT through Gatepass beside a presigned PUT
- one file in chunks of 16 MiB, 4 at a time: through Gatepass beside a presigned multipart upload
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

from load import ROOT, Load, build, machine, say
from peers import KEY, TOOLS, Peer

CHUNK = 16 << 20


class Presigned(Peer):
    """Garage itself; `address` is all that the load needs to know of it."""

    name, dialect = "presigned", "s3"

    def __init__(self, about):
        self.address = about["endpoint"].removeprefix("http://")
        self.load = {"AWS_ACCESS_KEY_ID": about["key_id"], "AWS_SECRET_ACCESS_KEY": about["key"]}


class Gatepass(Peer):
    name, dialect, load = "gatepass", "gatepass", {"GATEPASS_API_KEY": KEY}

    def __init__(self, binary, about):
        self.binary, self.about = binary, about

    def command(self, directory, port):
        about, master = self.about, directory / "master.key"
        made = subprocess.run([self.binary, "keys", "master"], check=True, capture_output=True)
        master.write_bytes(made.stdout)
        place = f"s3://{about['bucket']}/ours?endpoint={about['endpoint']}&region={about['region']}"
        command = [self.binary, "serve", "--data", directory / "data", "--store", place]
        command += ["--listen", f"127.0.0.1:{port}", "--api-listen", "127.0.0.1:0"]
        more = self.load | {"GATEPASS_CATALOG": about["catalog"], "GATEPASS_MASTER_KEY_FILE": str(master)}
        return command, more | {"AWS_ACCESS_KEY_ID": about["key_id"], "AWS_SECRET_ACCESS_KEY": about["key"]}


def start_engines(synced):
    """The process that keeps PostgreSQL and Garage, as the tests start them, and where they are."""
    say("starting the engines")
    command = ["cargo", "run", "--quiet", "--locked", "-p", "gatepass-testkit", "--example", "engines"]
    command += [] if synced else ["--", "--unsynced"]
    environment = os.environ | {"PATH": f"{TOOLS / 'bin'}:{os.environ['PATH']}"}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True)
    about = {}
    while line := process.stdout.readline().strip():
        name, value = line.split("=", 1)
        about[name] = value
    if "key" not in about:
        raise SystemExit("the engines do not start")
    return process, about


@contextmanager
def both_ways(gatepass, synced):
    """Fresh engines, and both ways to them: presigned, and through a node."""
    engines, about = start_engines(synced)
    try:
        bare, ours = Presigned(about), Gatepass(gatepass, about)
        with tempfile.TemporaryDirectory() as directory:
            server = ours.start(Path(directory))
            try:
                yield [(bare, bare), (ours, server)]
            finally:
                server.stop()
    finally:
        engines.stdin.close()
        engines.wait()


def in_turn(number, both):
    """Who begins changes from round to round: what Garage has to do after an upload, and the state
    that it leaves the system's memory in, fall into the next one's time."""
    return both[:: 1 if number % 2 == 0 else -1]


def small(rounds, seconds, load, gatepass, quick):
    """Uploads of 256 KiB: rounds with the same engines."""
    results = {}
    with both_ways(gatepass, not quick) as both:
        for clients in (2, 1) if quick else (16, 1):
            name = f"PUT 256 KiB, {clients} client{'s' * (clients > 1)}"
            reports = {peer.name: [] for peer, _ in both}
            for number in range(rounds):
                say(f"{name}: round {number + 1} of {rounds}")
                for peer, server in in_turn(number, both):
                    what = {"size": 256 << 10, "clients": clients, "seconds": seconds}
                    own = f"{peer.name}/{clients}-{number}"
                    reports[peer.name].append(load.run(peer, server, "put", **what, prefix=own))
            rates = {name: [r["requests"] / r["seconds"] for r in all] for name, all in reports.items()}
            results[name] = summary(rates, "/s") | {"p50_ms": medians(reports, lambda r: r["p50_ms"])}
    return results


def large(rounds, mib, load, gatepass, quick):
    """One file in chunks. A round takes six times its bytes on each side, so each has engines of
    its own, which have taken something from both before."""
    name, speeds = f"{mib} MiB in chunks, 4 at a time", {Presigned.name: [], Gatepass.name: []}
    for number in range(rounds):
        say(f"{name}: round {number + 1} of {rounds}")
        with both_ways(gatepass, not quick) as both:
            for size, work in ((64, "warm"), (mib, "measured")):
                for peer, server in in_turn(number, both):
                    # Whole chunks only, as the presigned upload has whole parts only.
                    what = {"size": size << 20, "chunk": CHUNK, "clients": 4, "last": 0}
                    report = load.run(peer, server, "chunks", **what, name=f"{peer.name}/{work}")
                    if work == "measured":
                        speeds[peer.name].append(report["bytes"] / report["seconds"] / 1e6)
    return {name: summary(speeds, "MB/s")}


def summary(figures, unit):
    """Medians, and the share in each round."""
    shares = [ours / bare for bare, ours in zip(figures[Presigned.name], figures[Gatepass.name])]
    return {name: statistics.median(all) for name, all in figures.items()} | {"unit": unit, "shares": shares}


def medians(reports, figure):
    return {name: statistics.median(map(figure, all)) for name, all in reports.items()}


def measure(options, gatepass, load):
    rounds, seconds = (1, 1) if options.quick else (options.rounds, 8)
    mib, large_rounds = (64, 1) if options.quick else (options.mib, options.large_rounds)
    with tempfile.TemporaryDirectory() as directory:
        results = {"machine": machine(directory)}
    results |= small(rounds, seconds, load, gatepass, options.quick)
    return results | large(large_rounds, mib, load, gatepass, options.quick)


def show(results):
    about = results.pop("machine")
    print(f"{about['cores']} cores, Linux {about['kernel']}, {about['filesystem']}\n")
    print(f"{'':34} {'presigned':>12} {'Gatepass':>12} {'share':>6}   of each round")
    for name, row in results.items():
        bare, ours, unit = row["presigned"], row["gatepass"], row["unit"]
        print(f"{name:34} {bare:>7.1f} {unit:4} {ours:>7.1f} {unit:4} {ours / bare:>6.2f}   ", end="")
        print(" ".join(f"{share:.2f}" for share in row["shares"]), end="")
        if "p50_ms" in row:
            print(f"   median {row['p50_ms']['presigned']:.1f} and {row['p50_ms']['gatepass']:.1f} ms", end="")
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="see that it works; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the small uploads")
    parser.add_argument("--large-rounds", type=int, default=3, help="rounds of the large one")
    parser.add_argument("--mib", type=int, default=2048, help="size of the large one")
    options = parser.parse_args()
    gatepass, load = build()
    results = measure(options, gatepass, Load(load))
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        show(results)


if __name__ == "__main__":
    main()
