"""What is measured: each case does one thing to one freshly started server.

A case's report has its main figure first in `figures`; `less` says that less is better.
"""

import os
import time
from dataclasses import dataclass
from typing import Callable

from load import Crowd
from server import Meter, free_port, resident, tree, processes

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
UNSYNCED = ("nginx", "nginx-signed", "apache", "rustus", "tus-node", "garage")
SYNCED = ("gatepass", "rustus-fsync", "garage-fsync")


@dataclass
class Case:
    key: str
    title: str
    peers: tuple
    run: Callable  # of (load, peer, server, scale) to figures
    main: str
    less: bool = False
    heavy: bool = False  # not in the smoke
    floor: Callable = None
    prepare: Callable = None  # once, a directory that all rounds use; `run` then starts the server
    rounds: int = 99


@dataclass
class Scale:
    """How much is done: all of it, or what shows that it works."""

    seconds: float = 2.0
    requests: int = 20_000
    large: int = GIB
    clients: int = 8_000
    steady: float = 60.0
    files: int = 100_000


SMOKE = Scale(0.2, 500, 16 * MIB, 200, 1.0, 1_000)


def put(size, clients):
    def options(scale):
        # No more than 1 GiB: the disk has other things to do as well.
        requests = min(scale.requests, GIB // size)
        return {"size": size, "clients": clients, "seconds": scale.seconds, "requests": requests}

    def run(load, peer, server, scale):
        report = load.metered(peer, server, "put", **options(scale))
        return rates(report)

    def floor(load, directory, scale):
        chosen = options(scale)
        report = load.floor(directory, **(chosen | {"requests": chosen["requests"] // clients}))
        return {"rate": report["requests"] / report["seconds"], "p50_ms": report["p50_ms"]}

    name = f"{size // KIB} KiB"
    return Case(
        f"put-{size // KIB}k-{clients}", f"PUT {name}, {people(clients)}", SYNCED + UNSYNCED, run, "rate",
        heavy=(size, clients) != (16 * KIB, 16), floor=floor,
    )


def people(clients):
    return "1 client" if clients == 1 else f"{clients} clients"


def rates(report):
    requests = report["requests"]
    return {
        "rate": requests / report["seconds"],
        "p50_ms": report["p50_ms"],
        "p99_ms": report["p99_ms"],
        "cpu_us": report["cpu"] / requests * 1e6,
        "mb_s": report["bytes"] / report["seconds"] / 1e6,
        "written": report["written"] / report["bytes"] if report["bytes"] else None,
        "peak_mib": report["peak"] / MIB,
        "foreign": report["foreign"],
    }


def large(clients):
    def run(load, peer, server, scale):
        report = load.metered(
            peer, server, "put", size=scale.large, clients=clients, requests=clients, seconds=600,
            threads=2, sync=server.directory,
        )
        return transfers(report)

    title = f"PUT 1 GiB, {clients} at once"
    return Case(f"put-1g-{clients}", title, SYNCED + UNSYNCED, run, "durable_mb_s", heavy=clients > 1)


def transfers(report):
    return {
        "durable_mb_s": report["bytes"] / report["durable_seconds"] / 1e6,
        "mb_s": report["bytes"] / report["seconds"] / 1e6,
        "seconds": report["seconds"],
        "cpu_s_gib": report["cpu"] / report["bytes"] * GIB,
        "written": report["written"] / report["bytes"],
        "peak_mib": report["peak"] / MIB,
        "finish_ms": report.get("finish_ms"),
        "foreign": report["foreign"],
    }


def chunks(size, clients):
    def run(load, peer, server, scale):
        chosen = size * scale.large // GIB
        report = load.metered(
            peer, server, "chunks", size=chosen, chunk=min(16 * MIB, chosen // 4), clients=clients,
            threads=2, sync=server.directory,
        )
        return transfers(report)

    name = f"{size // GIB} GiB" if size >= GIB else f"{size // MIB} MiB"
    peers = ("gatepass", "nginx", "rustus", "rustus-fsync", "garage", "garage-fsync")
    return Case(
        f"chunks-{size // MIB}m-{clients}", f"{name} in 16 MiB chunks, {clients} at once", peers, run,
        "seconds", less=True, heavy=size > 256 * MIB,
    )


def get(size, part, files):
    def run(load, peer, server, scale):
        load.run(peer, server, "put", size=size, requests=files, seconds=600, prefix="read")
        options = {"size": size, "files": files, "prefix": "read", "clients": 16}
        # Not everybody leaves in the cache what was uploaded.
        load.run(peer, server, "get", seconds=600, requests=8 * files, **options)
        options["range"] = part
        threads = 2 if size == MIB else 1
        return rates(load.metered(peer, server, "get", seconds=scale.seconds, threads=threads, **options))

    what = f"{part // KIB} KiB of {size // MIB} MiB" if part else f"{size // KIB} KiB" if size < MIB else "1 MiB"
    key = f"get-{(part or size) // KIB}k" + ("-range" if part else "")
    peers = ("gatepass", "nginx", "nginx-signed", "garage")
    return Case(key, f"GET {what}, 16 clients", peers, run, "rate", heavy=bool(part))


def slow():
    """Uploads that trickle, and others beside them."""

    def beside(load, peer, server, scale, prefix):
        size = scale.large // 4
        rates_ = [
            load.run(peer, server, "put", size=size, requests=1, seconds=600, threads=2, prefix=f"{prefix}{n}")
            for n in range(3)
        ]
        small = load.run(peer, server, "put", seconds=scale.seconds, prefix=prefix)
        # The best of three: what disturbs one only ever makes it slower.
        return max(report["bytes"] / report["seconds"] for report in rates_), small

    def run(load, peer, server, scale):
        alone, quick = beside(load, peer, server, scale, "alone")
        time.sleep(0.5)
        before = resident(tree(server.process.pid, processes()))
        with Crowd(load, peer, server, scale.clients) as crowd:
            with Meter(server) as meter:
                hold = 0.5 if scale is SMOKE else 5
                time.sleep(hold)
            held = resident(tree(server.process.pid, processes()))
            meanwhile, slowed = beside(load, peer, server, scale, "beside")
        return {
            "kib_each": (held - before) / crowd.open / KIB,
            "alive": crowd.alive / scale.clients,
            "cores": meter.cpu / hold,
            "kept": meanwhile / alone,
            "p99_ms": slowed["p99_ms"],
            "p99_alone_ms": quick["p99_ms"],
        }

    peers = ("gatepass", "nginx", "rustus", "garage")
    return Case("slow-8000", "8,000 uploads of 1 KiB/s", peers, run, "kib_each", less=True, rounds=1)


def first():
    """A start on a directory with many files, most of them in the catalog. Others start on nothing."""

    def prepare(load, peer, directory, scale):
        if peer.name != "gatepass":
            return
        server = peer.start(directory)
        try:
            many = {"clients": 64, "seconds": 600}
            load.run(peer, server, "put", size=KIB, requests=scale.files * 9 // 10, **many)
            # Too large for the catalog: each is a file of its own.
            load.run(peer, server, "put", size=260 * KIB, requests=scale.files // 10, prefix="blobs", **many)
        finally:
            server.stop()

    def run(load, peer, directory, scale):
        port = free_port()
        command, more = peer.command(directory, port)
        report = load.first(peer, port, command, **more)
        figures = {"first_ms": report["first_ms"], "idle_mib": report["idle_kib"] / KIB}
        if peer.name == "gatepass":
            figures["binary_mb"] = os.stat(peer.binary).st_size / 1e6
        return figures

    peers = ("gatepass", "nginx", "rustus", "garage")
    title = "from the start of the process to the first accepted upload"
    return Case("first", title, peers, run, "first_ms", less=True, prepare=prepare)


def steady():
    def run(load, peer, server, scale):
        report = load.metered(peer, server, "put", clients=16, seconds=scale.steady)
        each = report["per_second"][: int(scale.steady)]
        share = max(1, len(each) // 6)
        return {"kept": sum(each[-share:]) / sum(each[:share]), "per_second": each} | rates(report)

    return Case("steady", "PUT 16 KiB, 16 clients, for a minute", ("gatepass",), run, "kept", rounds=1)


CASES = [
    put(16 * KIB, 1), put(16 * KIB, 16), put(16 * KIB, 64), put(256 * KIB, 16), put(256 * KIB, 64),
    large(1), large(4),
    chunks(256 * MIB, 4), chunks(2 * GIB, 4), chunks(2 * GIB, 8),
    get(16 * KIB, 0, 64), get(MIB, 0, 64), get(64 * MIB, 64 * KIB, 4),
    slow(), first(), steady(),
]
