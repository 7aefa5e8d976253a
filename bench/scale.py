#!/usr/bin/env python3
"""How the cost of a request grows with the work: with files, connections, and the size of a file.

    python3 bench/scale.py                           # about half an hour, and 20 GB of disk
    python3 bench/scale.py --quick                   # a trial run: the figures mean nothing
    python3 bench/scale.py files --publish           # one of files, connections, clients, sizes, parts; writes docs

Files are uploaded, not filled in: a million of them took as many requests. The results are kept in
bench/results/scale.json.
"""

import argparse
import http.client
import json
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import plot
from load import Crowd, Load, build, say
from peers import KEY, Gatepass
from report import number
from server import may_open_many_files, processes, resident, tree

KEPT = Path(__file__).resolve().parent / "results" / "scale.json"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
HEADERS = {"Authorization": f"Bearer {KEY}"}


def with_server(load, binary, place, work):
    """Runs `work` with a fresh server and directory."""
    peer = Gatepass(binary)
    with tempfile.TemporaryDirectory(dir=place) as directory:
        server = peer.start(Path(directory))
        try:
            run = lambda kind, **options: load.run(peer, server, kind, **options)
            run("put", requests=1, prefix="warm")
            return work(run, peer, server)
        finally:
            server.stop()


def list_ms(server, total):
    """The median of pages in the middle of the list."""
    connection, taken = http.client.HTTPConnection(Gatepass.api(server), timeout=60), []
    for _ in range(31):
        begun = time.perf_counter()
        connection.request("GET", f"/files?limit=20&page={max(1, total // 40)}", headers=HEADERS)
        answer = connection.getresponse()
        answer.read()
        taken.append((time.perf_counter() - begun) * 1000)
        if answer.status != 200:
            raise SystemExit(f"the list was answered {answer.status}")
    return statistics.median(taken[1:])


def files(load, binary, place, quick):
    """Milliseconds of each kind of request beside more and more files of 1 KiB."""
    def work(run, peer, server):
        rows, there = [], 0
        for count in (100, 1_000) if quick else (1_000, 10_000, 100_000, 1_000_000):
            say(f"{count:,} files")
            run("put", size=KIB, clients=64, requests=count - there, first=there, seconds=3_600, prefix="many")
            there = count
            put = run("put", requests=500, seconds=60, prefix=f"put{count}")
            many = run("put", requests=3_000, clients=16, seconds=60, prefix=f"puts{count}")
            get = run("get", size=KIB, files=count, requests=2_000, seconds=60, prefix="many")
            ends = [
                run("chunks", size=MIB, chunk=256 * KIB, clients=1, name=f"chunks/{count}/{n}")["finish_ms"]
                for n in range(20)
            ]
            rows.append({
                "files": count, "PUT": put["p50_ms"], "PUT, 16 clients": many["seconds"] / many["requests"] * 1e3,
                "GET": get["p50_ms"], "list": list_ms(server, count), "finish": statistics.median(ends),
                "resident_mib": resident(tree(server.process.pid, processes())) / MIB,
            })
        return rows

    return with_server(load, binary, place, work)


def connections(load, binary, place, quick):
    """Memory of waiting connections and of slow uploads, and what an upload beside them takes."""
    rows = []
    # A slow upload takes two descriptors, its connection and its file.
    most = min(10_000, (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 1_000) // 2)
    for count in (1, 10, 100) if quick else (1, 10, 100, 1_000, most):
        row = {"connections": count}
        for kind, rate in (("idle", 0), ("slow", 1_024)):
            say(f"{count:,} {kind} connections")

            def work(run, peer, server):
                before = resident(tree(server.process.pid, processes()))
                with Crowd(load, peer, server, count, rate) as crowd:
                    time.sleep(0.2 if quick else 3)
                    held = resident(tree(server.process.pid, processes()))
                    put = run("put", seconds=0.3 if quick else 3)
                if crowd.alive != count:
                    raise SystemExit(f"{crowd.alive} of {count} connections are left")
                return {
                    f"{kind}_mib": max(held - before, 4 * KIB) / MIB,
                    f"{kind}_p50_ms": put["p50_ms"], f"{kind}_p99_ms": put["p99_ms"],
                }

            row |= with_server(load, binary, place, work)
        rows.append(row)
    return rows


def clients(load, binary, place, quick):
    """Uploads of 16 KiB by more and more clients that do not wait."""
    def work(run, peer, server):
        rows = []
        for count in (1, 4, 16) if quick else (1, 4, 16, 64, 256, 1_024):
            put = run("put", clients=count, seconds=0.3 if quick else 4, prefix=f"c{count}")
            rows.append({
                "clients": count, "each_us": put["seconds"] / put["requests"] * 1e6,
                "p50_ms": put["p50_ms"], "p99_ms": put["p99_ms"],
            })
        return rows

    return with_server(load, binary, place, work)


def sizes(load, binary, place, quick):
    """Seconds that one file takes up, down, and in chunks, from 1 KiB to 16 GiB."""
    def work(run, peer, server):
        rows = []
        for size in [KIB << (4 * step) for step in range(4 if quick else 7)]:
            say(f"files of {size:,} bytes")
            # 1 GiB of each size, as far as that is no more than 200 files.
            times = max(1, min(200, GIB // size))
            options = {"size": size, "prefix": f"s{size}", "seconds": 3_600, "threads": 2}
            put = run("put", requests=times, **options)
            get = run("get", requests=times, files=times, **options)
            row = {"size": size, "PUT": put["seconds"] / times, "GET": get["seconds"] / times}
            room(server)
            if size >= 16 * MIB or quick and size >= MIB:
                chunks = run("chunks", size=size, chunk=min(16 * MIB, size // 4), clients=4, name=f"c{size}", threads=2)
                row |= {"chunks": chunks["seconds"], "finish_ms": chunks["finish_ms"]}
            rows.append(row)
            room(server)
        return rows

    return with_server(load, binary, place, work)


def parts(load, binary, place, quick):
    """Milliseconds of each chunk of 4 KiB, one after the other, in uploads of more and more of them."""
    def work(run, peer, server):
        rows, chunk = [], 4 * KIB
        for count in (16, 64) if quick else (16, 100, 1_000, 9_000):
            say(f"{count:,} chunks")
            sent = run("chunks", size=count * chunk, chunk=chunk, last=chunk, clients=1, name=f"parts/{count}")
            rows.append({"parts": count, "each_ms": sent["seconds"] / count * 1e3, "finish_ms": sent["finish_ms"]})
        return rows

    return with_server(load, binary, place, work)


def room(server):
    """Gives up the blobs: the next size needs their room."""
    for blob in (Path(server.directory) / "data" / "blobs").rglob("*"):
        if blob.is_file():
            subprocess.run(["truncate", "-s", "0", blob], check=True)


WORKS = {"files": files, "connections": connections, "clients": clients, "sizes": sizes, "parts": parts}


def as_count(value):
    return f"{value:,}"


def as_figure(value):
    return number(value) if value is None or value >= 0.01 else f"{value:.2g}"


def as_size(value):
    """1024 is 1 KiB."""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:g} {unit}"
        value /= 1024
    return f"{value:g} GiB"


def as_time(seconds):
    if seconds is None:
        return ""
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{number(seconds * factor)} {unit}"
    return f"{number(seconds * 1e6)} µs"


# Of each table: figure, title of its column, and how it is written.
COLUMNS = {
    "files": [
        ("files", "files", as_count), ("PUT", "PUT, ms", as_figure),
        ("PUT, 16 clients", "PUT by 16 clients, ms each", as_figure), ("GET", "GET, ms", as_figure),
        ("list", "page of the list, ms", as_figure), ("finish", "completing call, ms", as_figure),
        ("resident_mib", "memory of the server, MiB", as_figure),
    ],
    "connections": [
        ("connections", "connections", as_count), ("idle_mib", "idle: memory, MiB", as_figure),
        ("idle_p50_ms", "idle: PUT p50, ms", as_figure), ("idle_p99_ms", "idle: PUT p99, ms", as_figure),
        ("slow_mib", "slow uploads: memory, MiB", as_figure), ("slow_p50_ms", "slow uploads: PUT p50, ms", as_figure),
        ("slow_p99_ms", "slow uploads: PUT p99, ms", as_figure),
    ],
    "clients": [
        ("clients", "clients", as_count), ("each_us", "µs each", as_figure),
        ("p50_ms", "p50, ms", as_figure), ("p99_ms", "p99, ms", as_figure),
    ],
    "sizes": [
        ("size", "size", as_size), ("PUT", "PUT", as_time), ("GET", "GET", as_time),
        ("chunks", "PUT in chunks", as_time), ("finish_ms", "completing call, ms", as_figure),
    ],
    "parts": [
        ("parts", "chunks of 4 KiB", as_count), ("each_ms", "ms each", as_figure),
        ("finish_ms", "the last one, ms", as_figure),
    ],
}


def table(work, rows):
    columns = [column for column in COLUMNS[work] if any(column[0] in row for row in rows)]
    lines = ["| " + " | ".join(title for _, title, _ in columns) + " |", "|---" * len(columns) + "|"]
    return lines + ["| " + " | ".join(show(row.get(name)) for name, _, show in columns) + " |" for row in rows]


def curve(rows, across, figures):
    return [(name, [(row[across], row[figure]) for row in rows if figure in row]) for name, figure in figures.items()]


PICTURES = {
    "files": {"scale-files": "Cost by files"},
    "connections": {"scale-memory": "Memory by connections", "scale-connections": "Cost by connections"},
    "clients": {"scale-clients": "Cost by clients"},
    "sizes": {"scale-sizes": "Time by size"},
    "parts": {"scale-parts": "Cost of a chunk by chunks"},
}


def draw(found):
    """Name and SVG of every plot that there are results for."""
    if rows := found.get("files"):
        names = {name: name for name in rows[0] if name not in ("files", "resident_mib", "finish")}
        names["completing call"] = "finish"
        yield "scale-files", plot.curves("Milliseconds of a request", "files there are", "ms", curve(rows, "files", names))
    if rows := found.get("connections"):
        names = {"idle": "idle_mib", "slow uploads": "slow_mib"}
        yield "scale-memory", plot.curves("Memory of connections", "connections", "MiB", curve(rows, "connections", names))
        names = {"p50, idle": "idle_p50_ms", "p99, idle": "idle_p99_ms", "p50, slow": "slow_p50_ms", "p99, slow": "slow_p99_ms"}
        title = "PUT 16 KiB beside connections that are idle, or slow uploads"
        yield "scale-connections", plot.curves(title, "connections", "ms", curve(rows, "connections", names))
    if rows := found.get("clients"):
        names = {"µs each": "each_us"}
        yield "scale-clients", plot.curves("PUT 16 KiB: microseconds each, by clients at once", "clients", "µs", curve(rows, "clients", names))
    if rows := found.get("sizes"):
        names = {"PUT": "PUT", "GET": "GET", "in chunks": "chunks"}
        yield "scale-sizes", plot.curves("Seconds of a file, by its size", "bytes", "s", curve(rows, "size", names))
    if rows := found.get("parts"):
        names = {"each": "each_ms", "the last one": "finish_ms"}
        yield "scale-parts", plot.curves("Milliseconds of a chunk of 4 KiB, by their number", "chunks", "ms", curve(rows, "parts", names))


def publish():
    import publish as page

    found = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    for name, picture in draw(found):
        page.draw(name, picture)
    for name, rows in found.items():
        pictures = [f"![{title}](performance/{file}.svg)" for file, title in PICTURES[name].items()]
        page.put(f"scale {name}", [line for picture in pictures for line in (picture, "")] + table(name, rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}; all of them if left out")
    parser.add_argument("--quick", action="store_true", help="see that it works; the figures mean nothing")
    parser.add_argument("--publish", action="store_true", help="keep the results and write docs/performance.md")
    parser.add_argument("--binary", help="a server that is built already, with --load")
    parser.add_argument("--load", help="a load that is built already")
    parser.add_argument("--directory", help="where to work; the file system there is measured")
    options = parser.parse_args()
    may_open_many_files()
    binary, load = (options.binary, options.load) if options.binary else build()
    found = {}
    for name in options.works or WORKS:
        found[name] = WORKS[name](Load(load), binary, options.directory, options.quick)
        print(f"\n{name}\n" + "\n".join(table(name, found[name])), flush=True)
    pictures = list(draw(found))
    say(f"{len(pictures)} plots")
    if options.publish:
        kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(kept | found, indent=1) + "\n")
        publish()


if __name__ == "__main__":
    main()
