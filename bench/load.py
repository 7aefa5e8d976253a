"""The program that makes the load, and what it needs of the build."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from server import Meter, environment

ROOT = Path(__file__).resolve().parent.parent


def say(text):
    print(text, file=sys.stderr, flush=True)


def build():
    """The server and the load, as they are released."""
    say("building")
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    subprocess.run(command + ["-p", "gatepass", "-p", "gatepass-bench"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "gatepass", target / "release" / "gatepass-bench"


def arguments_of(options):
    """`threads=2` becomes `--threads 2`."""
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


class Load:
    """Runs the load against a server that was started for a peer."""

    def __init__(self, binary):
        self.binary = binary

    def command(self, peer, server, work, options):
        command = [str(self.binary), "--server", server.address, "--dialect", peer.dialect]
        return command + [work, *arguments_of(options)]

    def run(self, peer, server, work, **options):
        return self.call(self.command(peer, server, work, options), **peer.load)

    def metered(self, peer, server, work, **options):
        """The same, with what the server used beside what was measured."""
        with Meter(server) as meter:
            report = self.run(peer, server, work, **options)
        used = {"cpu": meter.cpu, "written": meter.written, "peak": meter.peak, "foreign": meter.foreign}
        return report | used

    def first(self, peer, port, command, **more):
        """Has the load start the server itself."""
        own = [str(self.binary), "--server", f"127.0.0.1:{port}", "--dialect", peer.dialect, "first", "--"]
        return self.call(own + command, **(peer.load | more))

    def floor(self, directory, **options):
        return self.call([str(self.binary), "floor", directory, *arguments_of(options)])

    def micro(self, subject, **options):
        return self.call([str(self.binary), "micro", subject, *arguments_of(options)])

    def call(self, command, **more):
        done = subprocess.run(
            [str(part) for part in command], env=environment(**more), capture_output=True, text=True, timeout=600
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command[5:8]))}: {done.stderr.strip()[:500]}")
        report = json.loads(done.stdout)
        if report.get("errors"):
            raise RuntimeError(f"{len(report['errors'])} requests failed: {report['errors'][0]}")
        return report


class Crowd:
    """Many slow connections, while a block runs; `alive` afterwards says how many are left."""

    def __init__(self, load, peer, server, clients, rate=1_024):
        command = load.command(peer, server, "crowd", {"clients": clients, "rate": rate})
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment(**peer.load), stdin=pipe, stdout=pipe, text=True)

    def __enter__(self):
        self.open = json.loads(self.process.stdout.readline())["open"]
        return self

    def __exit__(self, *_):
        out, _ = self.process.communicate()
        self.alive = json.loads(out)["alive"]


def machine(directory):
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [m for m in mounts if str(directory).startswith(m[1])]
    filesystem = max(inside, key=lambda mount: len(mount[1]))[2]
    models = [l for l in Path("/proc/cpuinfo").read_text().splitlines() if l.startswith("model name")]
    return {
        "cores": os.cpu_count(),
        "model": models[0].split(":", 1)[1].strip() if models else platform.machine(),
        "kernel": platform.release(),
        "filesystem": filesystem,
    }
