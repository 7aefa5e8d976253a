"""Processes that listen on loopback, and what they use."""

import os
import random
import resource
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


GIVEN = set()
GIVING = threading.Lock()


def free_port():
    """Below those that the system gives to connections, so that none of these takes it before somebody
    listens. Each is given once: whoever asks may do so side by side with others."""
    with GIVING:
        for port in random.sample(range(20_000, 32_000), 1_000):
            with socket.socket() as probe:
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
            if port not in GIVEN:
                GIVEN.add(port)
                return port
    raise RuntimeError("no free port")


def environment(**more):
    """Ours without settings of Gatepass, so that none of them gets into a measurement."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("GATEPASS_")}
    return ours | {"NO_COLOR": "1", "RUST_BACKTRACE": "0"} | more


def may_open_many_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 30_000), hard))


class Server:
    """A process that listens on a port, and that is stopped at the end."""

    def __init__(self, command, port, log, **more):
        self.port, self.log = port, Path(log)
        self.address = f"127.0.0.1:{port}"
        with open(log, "wb") as out:
            self.process = subprocess.Popen(
                [str(part) for part in command], env=environment(**more), stdout=out, stderr=out
            )
        self.wait()

    def wait(self):
        for _ in range(3_000):
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.01)
        self.stop()
        raise RuntimeError(f"nothing listens: {self.log.read_text(errors='replace')[-500:]}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def processes():
    """Of every process: its parent and the seconds of processor time that it has used."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(") ", 1)[1].split()
            except OSError:
                continue
            found[int(entry.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK)
    return found


def tree(root, found):
    """A process and all below it."""
    members = {root}
    while more := {p for p, (parent, _) in found.items() if parent in members} - members:
        members |= more
    return members & found.keys()


def resident(members):
    """Bytes of memory that they have in use."""
    total = 0
    for process in members:
        try:
            total += int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
        except OSError:
            pass
    return total


def written(members):
    """Bytes that they had the kernel send to the disk."""
    total = 0
    for process in members:
        try:
            text = Path(f"/proc/{process}/io").read_text()
            total += int(text.split("write_bytes: ")[1].split("\n")[0])
        except OSError:
            pass
    return total


def busy():
    """Seconds of processor time that the machine has used."""
    fields = [int(f) for f in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:7])) / TICK


class Meter:
    """What a server uses while a block runs: `cpu`, `peak`, `written`; and `foreign`, the cores
    that anything else on the machine used meanwhile."""

    def __init__(self, server):
        self.root = server.process.pid

    def __enter__(self):
        found = processes()
        self.members = tree(self.root, found)
        self.before = self.used(found) | {"at": time.monotonic()}
        self.peak, self.over = resident(self.members), threading.Event()
        self.sampler = threading.Thread(target=self.sample, daemon=True)
        self.sampler.start()
        return self

    def used(self, found):
        kernel = {p for p, (parent, _) in found.items() if parent == 2}
        ours = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "cpu": sum(found[p][1] for p in self.members if p in found),
            "kernel": sum(found[p][1] for p in kernel),
            "ours": sum(u.ru_utime + u.ru_stime for u in ours),
            "all": busy(),
            "written": written(self.members),
        }

    def sample(self):
        while not self.over.wait(0.05):
            self.peak = max(self.peak, resident(self.members))

    def __exit__(self, *_):
        self.over.set()
        self.sampler.join()
        after, before = self.used(processes()), self.before
        spent = {key: after[key] - before[key] for key in after}
        self.cpu, self.written = spent["cpu"], spent["written"]
        others = spent["all"] - spent["cpu"] - spent["kernel"] - spent["ours"]
        self.foreign = max(0.0, others / (time.monotonic() - before["at"]))
