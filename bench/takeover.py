#!/usr/bin/env python3
"""How long a new connection waits for a stalled one that is at the same bytes.

    python3 bench/takeover.py [--count 100]
"""

import argparse
import base64
import hashlib
import hmac
import socket
import tempfile
import time
from pathlib import Path

from load import build
from peers import KEY, Gatepass

SLICE = bytes(range(256)) * 4096  # 1 MiB
EXPIRY = 4102444800


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="how many connections are taken over from")
    options = parser.parse_args()
    binary, _ = build()
    with tempfile.TemporaryDirectory() as directory:
        server = Gatepass(binary).start(Path(directory))
        try:
            waits = takeovers(server.address, options.count)
        finally:
            server.stop()
    print(f"takeover: p50 {waits['p50']:.2f} s, p99 {waits['p99']:.2f} s, longest {waits['max']:.2f} s")


if __name__ == "__main__":
    main()
