#!/usr/bin/env python3
"""Measures the Files API beside a growing number of files: it must not slow down.

    python3 bench/files.py [--files 1000000] [--rounds 30] [--binary PATH] [--directory DIR] [--json]

Fills the catalog of a new data directory with rows, starts the server on it, and asks over HTTP: for
pages at both ends and in the middle, with and without a folder, for renames and for deletes. Beside
it the same with 1,000 files. Medians of the rounds, in milliseconds, over one kept connection.
"""

import argparse
import http.client
import json
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from load import build, machine, say
from peers import KEY, Gatepass

PAGE = 20
FOLDERS = 1_000
HEADERS = {"Authorization": f"Bearer {KEY}"}
ROW = """INSERT INTO files (id, media_id, project, path, blob, size, crc64, media, metadata, created,
    updated) VALUES (?, 'med_0', ?, ?, ?, 1, 1, ?, '{}', ?, ?)"""
MEDIA = json.dumps({"kind": "file", "content_type": "text/plain"})


def path(number):
    """Half of the files are in one folder, the others in a thousand."""
    folder = "large" if number % 2 else f"users/{number % FOLDERS:04}"
    return f"{folder}/{number * 2654435761 % 2**32:08x}.txt"


def fill(directory, count):
    database = sqlite3.connect(directory / "gatepass.db")
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -500000")
    (project,) = database.execute("SELECT id FROM projects").fetchone()
    rows = (
        (f"file_{n:016}", project, path(n), f"{n:026}", MEDIA, n, n) for n in range(count)
    )
    with database:
        database.executemany(ROW, rows)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def ask(connection, method, target, body=None):
    """The answer, and the milliseconds it took."""
    headers = HEADERS | ({"Content-Type": "application/json"} if body else {})
    begun = time.perf_counter()
    connection.request(method, target, body and json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    taken = (time.perf_counter() - begun) * 1000
    if answer.status != 200:
        raise SystemExit(f"{method} {target}: {answer.status} {text!r}")
    return json.loads(text), taken


def measure(binary, place, count, rounds):
    with tempfile.TemporaryDirectory(dir=place) as directory:
        peer = Gatepass(binary)
        peer.start(directory).stop()
        begun = time.perf_counter()
        fill(Path(directory) / "data", count)
        say(f"{count:,} files are there after {time.perf_counter() - begun:.0f} s")
        server = peer.start(directory)
        try:
            connection = http.client.HTTPConnection(peer.api(server), timeout=60)
            return operations(connection, count, rounds)
        finally:
            server.stop()


def operations(connection, count, rounds):
    def pages(query, number):
        target = f"/files?limit={PAGE}&page={number}{query}"
        answers = [ask(connection, "GET", target) for _ in range(rounds + 1)]
        # The first one opens the reader's connection.
        return statistics.median(taken for _, taken in answers[1:])

    def change(method, target, body=lambda _: None, first=0):
        numbers = range(first, first + rounds)
        return statistics.median(
            ask(connection, method, target(n), body(n))[1] for n in numbers
        )

    total = ask(connection, "GET", "/files")[0]["meta"]["total"]
    if total != count:
        raise SystemExit(f"{total} files are counted, {count} are there")
    last, large = count // PAGE, count // 2 // PAGE
    file = lambda n: f"/files/file_{n * 7 % (count // 2):016}"
    return {
        "second page": pages("", 2),
        "page in the middle": pages("", last // 2),
        "last page": pages("", last),
        "second page of a folder with half of the files": pages("&folder=large", 2),
        "last page of a folder with half of the files": pages("&folder=large", large),
        "page of a small folder": pages("&folder=users/0500", 1),
        "page of a prefix": pages("&prefix=large/00", 1),
        "look-up by id": change("GET", file),
        "rename": change("PATCH", file, lambda n: {"folder": "renamed"}),
        "delete": change("DELETE", file),
    }


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--files", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=30)
    arguments.add_argument("--binary", help="instead of a release build")
    arguments.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    arguments.add_argument("--json", action="store_true")
    arguments = arguments.parse_args()
    binary = arguments.binary or build()[0]
    few = measure(binary, arguments.directory, 1_000, arguments.rounds)
    many = measure(binary, arguments.directory, arguments.files, arguments.rounds)
    if arguments.json:
        print(json.dumps({"few": few, "many": many, "files": arguments.files}))
        return
    print(f"{machine(arguments.directory)}\n\n| ms | 1,000 files | {arguments.files:,} files |\n|---|---|---|")
    for name, taken in few.items():
        print(f"| {name} | {taken:.2f} | {many[name]:.2f} |")


if __name__ == "__main__":
    main()
