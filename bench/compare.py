#!/usr/bin/env python3
"""Measures Gatepass beside nginx's PUT and beside what the disk allows, in one run.

    python3 bench/compare.py [--quick] [--json] [--rounds N]

Builds what it needs, works in a temporary directory, talks to loopback only and stops what it
started. Rounds are interleaved (floor, nginx, Gatepass, ...), and medians are compared: a machine
that is busy with something else is so for all of them.
"""

import argparse
import http.client
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KEY = "gp_bench_key_of_no_value_000000000000000000"

# name, bytes, clients
PUTS = [
    ("PUT 16 KiB, 1 client", 16 << 10, 1),
    ("PUT 16 KiB, 16 clients", 16 << 10, 16),
    ("PUT 16 KiB, 64 clients", 16 << 10, 64),
    ("PUT 256 KiB, 16 clients", 256 << 10, 16),
]

NGINX = """
daemon off; worker_processes auto; pid {dir}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 1000000000;
  client_body_temp_path {dir}/temp; client_body_buffer_size 1m;
  proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{
    listen 127.0.0.1:{port}; root {dir}/root;
    location / {{ dav_methods PUT; create_full_put_path on; }}
  }}
}}
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def build():
    say("building")
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    subprocess.run(command + ["-p", "gatepass", "-p", "gatepass-bench"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "gatepass", target / "release" / "gatepass-bench"


class Server:
    """A process that listens, and that is stopped at the end."""

    def __init__(self, command, environment, address=None):
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        self.address = address or self.read_address()

    def read_address(self):
        for line in self.process.stderr:
            found = re.search(r"ready.*delivery=(127\.0\.0\.1:\d+)", line)
            if found:
                api = re.search(r"api=(127\.0\.0\.1:\d+)", line)
                self.api = api and api.group(1)
                return found.group(1)
        raise SystemExit("the server did not get ready")

    def wait(self):
        host, port = self.address.rsplit(":", 1)
        while True:
            try:
                socket.create_connection((host, int(port))).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)

    def resident_bytes(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) << 10

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def start_gatepass(binary, directory):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEPASS_")}
    environment |= {"GATEPASS_API_KEY": KEY, "NO_COLOR": "1"}
    command = [binary, "serve", "--data", directory]
    command += ["--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
    return Server(command, environment)


def start_nginx(directory):
    port = free_port()
    (directory / "root").mkdir(parents=True)
    (directory / "temp").mkdir()
    configuration = directory / "nginx.conf"
    configuration.write_text(NGINX.format(dir=directory, port=port))
    if os.getuid() == 0:
        # Otherwise the workers become a user who may not write here.
        configuration.write_text("user root;" + configuration.read_text())
    command = ["nginx", "-p", str(directory), "-e", "stderr", "-c", str(configuration)]
    server = Server(command, os.environ, f"127.0.0.1:{port}")
    server.wait()
    return server


def load(binary, work, size, clients, seconds, signed=False, requests=0):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEPASS_")}
    if signed:
        environment["GATEPASS_API_KEY"] = KEY
    command = [binary, *work, "--size", str(size), "--clients", str(clients)]
    command += ["--seconds", str(seconds), "--requests", str(requests)]
    output = subprocess.run(command, env=environment, capture_output=True, text=True)
    if output.returncode:
        raise SystemExit(f"{' '.join(map(str, work))}: {output.stderr.strip()}")
    return json.loads(output.stdout)


def rate(report):
    return report["requests"] / report["seconds"]


def megabytes(report):
    return report["bytes"] / report["seconds"] / 1e6


def interleaved(name, rounds, works, measure):
    """The median of each of the works, measured in turns."""
    found = {key: [] for key in works}
    for number in range(rounds):
        say(f"{name}: round {number + 1} of {rounds}")
        for key, work in works.items():
            found[key].append(measure(work()))
    return {key: statistics.median(values) for key, values in found.items()}


def first_upload(binary, load_binary, directory):
    """From the start of the process, in a new directory, to the first accepted upload."""
    server = start_gatepass(binary, directory)
    load(load_binary, ["put", server.address], 16 << 10, 1, 0.0, signed=True, requests=1)
    elapsed = time.monotonic() - server.begun
    idle = server.resident_bytes()
    server.stop()
    return elapsed * 1000, idle


def measure(options, gatepass, bench, directory):
    rounds = 1 if options.quick else options.rounds
    seconds = 0.2 if options.quick else 3.0
    large = (16 << 20) if options.quick else (1 << 30)
    results = {"machine": machine(directory), "rates": [], "megabytes": []}
    starts = [first_upload(gatepass, bench, directory / f"first{i}") for i in range(rounds)]
    results["first_upload_ms"] = statistics.median(start[0] for start in starts)
    results["idle_bytes"] = statistics.median(start[1] for start in starts)
    results["binary_bytes"] = gatepass.stat().st_size

    ours = start_gatepass(gatepass, directory / "ours")
    nginx = start_nginx(directory / "nginx")
    floor = directory / "floor"
    try:
        for name, size, clients in PUTS:
            arguments = (size, clients, seconds)
            works = {
                "floor": lambda: load(bench, ["floor", floor], *arguments),
                "nginx": lambda: load(bench, ["put", nginx.address], *arguments),
                "gatepass": lambda: load(bench, ["put", ours.address], *arguments, signed=True),
            }
            medians = interleaved(name, rounds, works, rate)
            results["rates"].append({"name": name, **medians})
            shutil.rmtree(floor, ignore_errors=True)
        one = (large, 1, 0.0)
        works = {
            "floor": lambda: load(bench, ["floor", floor], *one, requests=1),
            "nginx": lambda: load(bench, ["put", nginx.address], *one, requests=1),
            "gatepass": lambda: load(bench, ["put", ours.address], *one, signed=True, requests=1),
        }
        name = f"PUT {large >> 20} MiB, 1 client"
        medians = interleaved(name, rounds, works, megabytes)
        results["megabytes"].append({"name": name, **medians})
        shutil.rmtree(floor, ignore_errors=True)
        results["megabytes"] += reads(bench, ours, nginx, large, rounds, seconds)
        results["resident_after_bytes"] = ours.resident_bytes()
    finally:
        ours.stop()
        nginx.stop()
    return results


def reads(bench, ours, nginx, large, rounds, seconds):
    """GET of what is put first, from memory."""
    rows = []
    for name, size, clients in [("GET 16 KiB, 16 clients", 16 << 10, 16), ("GET, 1 client", large, 1)]:
        path = f"read{size}"
        for server, signed in [(ours, True), (nginx, False)]:
            put_one(server.address, path, size, signed)
        bound = 1 if size == large else 0
        works = {
            "nginx": lambda: load(bench, ["get", nginx.address, path], size, clients, seconds, requests=bound),
            "gatepass": lambda: load(bench, ["get", ours.address, path], size, clients, seconds, requests=bound),
        }
        title = name if size != large else f"GET {large >> 20} MiB, 1 client"
        rows.append({"name": title, **interleaved(title, rounds, works, megabytes)})
    return rows


def put_one(address, path, size, signed):
    connection = http.client.HTTPConnection(address)
    headers = {"Authorization": f"Bearer {KEY}"} if signed else {}
    headers["Content-Length"] = str(size)
    slice_ = bytes(range(256)) * 4096
    body = (slice_[: min(len(slice_), size - at)] for at in range(0, size, len(slice_)))
    connection.request("PUT", "/" + path, body=body, headers=headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status >= 300:
        raise SystemExit(f"PUT of {path}: {answer.status}")


def machine(directory):
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [m for m in mounts if str(directory).startswith(m[1])]
    filesystem = max(inside, key=lambda mount: len(mount[1]))[2]
    return {"cores": os.cpu_count(), "kernel": platform.release(), "filesystem": filesystem}


def show(results):
    about = results["machine"]
    print(f"{about['cores']} cores, Linux {about['kernel']}, {about['filesystem']}\n")
    print(f"{'':26} {'disk floor':>11} {'nginx':>11} {'Gatepass':>11} {'/ floor':>8} {'/ nginx':>8}")
    for unit, rows in [("/s", results["rates"]), ("MB/s", results["megabytes"])]:
        for row in rows:
            floor = row.get("floor")
            cells = [f"{value:,.0f} {unit}" if value else "" for value in (floor, row["nginx"], row["gatepass"])]
            ratios = [f"{row['gatepass'] / base:.2f}" if base else "" for base in (floor, row["nginx"])]
            print(f"{row['name']:26} {cells[0]:>11} {cells[1]:>11} {cells[2]:>11} {ratios[0]:>8} {ratios[1]:>8}")
    print(f"\nstart to first upload  {results['first_upload_ms']:.0f} ms")
    print(f"memory at idle         {results['idle_bytes'] / (1 << 20):.1f} MiB")
    print(f"memory after the run   {results['resident_after_bytes'] / (1 << 20):.1f} MiB")
    print(f"binary                 {results['binary_bytes'] / 1e6:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="see that it works; the figures mean nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each measurement")
    parser.add_argument("--directory", help="where to work; the file system there is measured")
    options = parser.parse_args()
    if not shutil.which("nginx"):
        raise SystemExit("nginx is not installed (package nginx-light)")
    gatepass, bench = build()
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        results = measure(options, gatepass, bench, Path(directory))
    if options.json:
        print(json.dumps(results, indent=2))
    else:
        show(results)


if __name__ == "__main__":
    main()
