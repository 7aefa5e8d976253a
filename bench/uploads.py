#!/usr/bin/env python3
"""Measures what chunked uploads promise: finishing, writing, taking over, and slow clients beside.

    python3 bench/uploads.py [--quick] [--json]

- finishing: the last chunk of 256 MiB and of 8 GiB, beside a chunk that finishes nothing
- writing: bytes that reach the disk for each byte uploaded
- taking over: how long a new connection waits for a stalled one at the same bytes
- slow clients: memory with 10,000 of them, and the speed of an upload beside them
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import resource
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

from compare import KEY, Server, build, machine, say

SLICE = bytes(range(256)) * 4096  # 1 MiB
EXPIRY = 4102444800


def start(binary, directory):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEPASS_")}
    environment |= {"GATEPASS_API_KEY": KEY, "NO_COLOR": "1"}
    command = [binary, "serve", "--data", directory, "--max-connections-per-address", "20000"]
    command += ["--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
    return Server(command, environment)


def target(path):
    signed = f"{path}?expiry={EXPIRY}&method=put"
    digest = hmac.new(KEY.encode(), signed.encode(), hashlib.sha256).digest()
    return f"/{signed}&signature={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=120)


def head(path, length, content_range=None):
    text = f"PUT {target(path)} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    if content_range:
        text += f"Content-Range: {content_range}\r\n"
    return text.encode() + b"\r\n"


def answer(connection):
    """The status; the answer is short and read whole."""
    text = b""
    while b"\r\n\r\n" not in text:
        piece = connection.recv(65536)
        if not piece:
            raise SystemExit(f"no answer, but {text!r}")
        text += piece
    front, body = text.split(b"\r\n\r\n", 1)
    length = int(front.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return int(front.split(b" ")[1])


def chunk(connection, path, first, length, total):
    """Sends a chunk of a file; returns its status and how long it took after the last byte."""
    connection.sendall(head(path, length, f"bytes {first}-{first + length - 1}/{total}"))
    left = length
    while left:
        count = min(left, len(SLICE))
        connection.sendall(SLICE[:count])
        left -= count
    begun = time.perf_counter()
    status = answer(connection)
    return status, time.perf_counter() - begun


def finishing(address, size, chunk_bytes, rounds):
    """Milliseconds of the last chunk of a file, and of the one before it."""
    last, other = [], []
    for number in range(rounds):
        path = f"finish/{size}/{number}"
        small = 1 << 16
        with connect(address) as connection:
            at = 0
            while at < size - 2 * small:
                length = min(chunk_bytes, size - 2 * small - at)
                chunk(connection, path, at, length, size)
                at += length
            other.append(chunk(connection, path, at, small, size)[1] * 1000)
            status, seconds = chunk(connection, path, at + small, small, size)
            if status != 201:
                raise SystemExit(f"the last chunk was answered {status}")
            last.append(seconds * 1000)
    return statistics.median(last), statistics.median(other)


def written_bytes(server):
    text = Path(f"/proc/{server.process.pid}/io").read_text()
    return int(text.split("write_bytes: ")[1].split("\n")[0])


def takeovers(address, count):
    """Seconds until a chunk is taken whose bytes a silent connection is at."""
    length, waits = 1 << 20, []
    for number in range(count):
        path = f"takeover/{number}"
        with connect(address) as stalled, connect(address) as fresh:
            stalled.sendall(head(path, length, f"bytes 0-{length - 1}/{2 * length}") + SLICE[:1000])
            time.sleep(0.02)
            begun = time.perf_counter()
            status, _ = chunk(fresh, path, 0, length, 2 * length)
            waits.append(time.perf_counter() - begun)
            if status != 202:
                raise SystemExit(f"the newer one was answered {status}")
    waits.sort()
    return {"p50": waits[len(waits) // 2], "p99": waits[int(len(waits) * 0.99)], "max": waits[-1]}


def upload_rate(address, size, name):
    """MB/s of one large upload."""
    with connect(address) as connection:
        begun = time.perf_counter()
        connection.sendall(head(name, size))
        for _ in range(size // len(SLICE)):
            connection.sendall(SLICE)
        if answer(connection) >= 300:
            raise SystemExit("an upload was refused")
        return size / (time.perf_counter() - begun) / 1e6


class Crowd:
    """Many connections; those with a body send a byte of it every few seconds."""

    def __init__(self, address, count, kind):
        self.sockets = [connect(address) for _ in range(count)]
        self.going = kind == "body"
        for number, one in enumerate(self.sockets):
            if kind == "idle":
                one.sendall(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
                answer(one)
            else:
                one.sendall(head(f"slow/{number}", 1_000_000) + SLICE[:1000])
        self.thread = threading.Thread(target=self.trickle, daemon=True)
        self.thread.start()

    def trickle(self):
        while self.going:
            for one in self.sockets:
                if not self.going:
                    return
                one.send(b"x")
            time.sleep(2)

    def leave(self):
        self.going = False
        self.thread.join()
        for one in self.sockets:
            one.close()


def crowds(binary, directory, count, size, rounds):
    results = {}
    for kind in ("idle", "body"):
        server = start(binary, directory / f"crowd-{kind}")
        before = server.resident_bytes()
        alone, beside = [], []
        for number in range(rounds):
            say(f"{count} {kind} connections: round {number + 1} of {rounds}")
            alone.append(upload_rate(server.address, size, f"alone{number}"))
            crowd = Crowd(server.address, count, kind)
            resident = server.resident_bytes()
            beside.append(upload_rate(server.address, size, f"beside{number}"))
            crowd.leave()
        results[kind] = {
            "resident_bytes": resident,
            "bytes_each": (resident - before) / count,
            "alone": statistics.median(alone),
            "beside": statistics.median(beside),
        }
        server.stop()
    return results


def measure(options, binary, directory):
    small, large = (16 << 20, 64 << 20) if options.quick else (256 << 20, 8 << 30)
    results = {"machine": machine(directory), "finish_ms": []}
    server = start(binary, directory / "data")
    for size, rounds in [(small, 5), (large, 1 if options.quick else 3)]:
        say(f"finishing {size >> 20} MiB")
        before = written_bytes(server)
        last, other = finishing(server.address, size, 16 << 20, rounds)
        os.sync()
        ratio = (written_bytes(server) - before) / (size * rounds)
        row = {"size": size, "last_chunk": last, "other_chunk": other, "written_per_byte": ratio}
        results["finish_ms"].append(row)
    say("taking over")
    results["takeover_seconds"] = takeovers(server.address, 5 if options.quick else 100)
    server.stop()
    count = 500 if options.quick else 10_000
    size = (16 << 20) if options.quick else (512 << 20)
    results["crowds"] = {"count": count, **crowds(binary, directory, count, size, 1 if options.quick else 3)}
    return results


def show(results):
    for row in results["finish_ms"]:
        print(
            f"{row['size'] >> 20:5} MiB: last chunk {row['last_chunk']:.2f} ms, another "
            f"{row['other_chunk']:.2f} ms, {row['written_per_byte']:.3f} bytes written for each"
        )
    waits = results["takeover_seconds"]
    print(f"takeover: p50 {waits['p50']:.2f} s, p99 {waits['p99']:.2f} s, longest {waits['max']:.2f} s")
    count = results["crowds"].pop("count")
    for kind, row in results["crowds"].items():
        print(
            f"{count} {kind} connections: {row['resident_bytes'] / (1 << 20):.0f} MiB, "
            f"{row['bytes_each'] / 1024:.1f} KiB each; upload alone {row['alone']:.0f} MB/s, beside "
            f"them {row['beside']:.0f} MB/s ({row['beside'] / row['alone']:.2f})"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="see that it works; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--directory", help="where to work; the file system there is measured")
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 30_000), hard))
    binary, _ = build()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        results = measure(options, binary, Path(directory))
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        show(results)


if __name__ == "__main__":
    main()
