"""A day of traffic in about a minute: everything clients do, well or badly, against the real binary.
Afterwards nothing may be left behind: no blob without a file, no row of an upload, no memory and no
descriptor that was not there before.

usage: python day.py path/to/gatepass [operations]
"""

import base64
import hashlib
import hmac
import http.client
import http.server
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

KEY = "gp_test_key_do_not_use_000000000000_sentinel_Qx7"
BEARER = {"Authorization": f"Bearer {KEY}"}
CLIENTS = 6
OPERATIONS = 12_000
# What the server's memory may grow by between the second and the last fifth of the day. Caches are
# full by then; what is left is how the allocator happens to stand.
GROWTH_BYTES_MAX = 12 << 20
DESCRIPTORS_MORE_MAX = 8
# What a data directory has in it.
DATA = {"gatepass.db", "gatepass.db-wal", "gatepass.db-shm", "blobs", "journal", "master.key", "gatepass.lock"}


def main(binary, operations=OPERATIONS):
    seed = int(os.environ.get("GATEPASS_SEED") or time.time())
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as directory, source() as origin:
        data = Path(directory) / "data"
        clients = [Client(number, seed, origin) for number in range(CLIENTS)]
        try:
            answered = live(binary, data, origin, clients, operations)
        except BaseException:
            print(f"again: GATEPASS_SEED={seed} python {sys.argv[0]} {binary} {operations}")
            raise
    line = {"name": "a day", "seed": seed, "trials": operations, "failures": 0}
    print(json.dumps(line | {"seconds": round(time.monotonic() - begun, 1)} | answered))


def live(binary, data, origin, clients, operations):
    """Night, a crash, the day, and what is found in the evening."""
    with Server(binary, data, origin) as server:
        work(server, clients, operations // 10, until_killed=True)
    age(data)
    with Server(binary, data, origin) as server:
        rounds = [work(server, clients, operations * 9 // 50) for _ in range(5)]
        look_at_growth(server, rounds)
        look_at_files(server, clients)
    for _ in range(2):
        # What expired in the first sweep is forgotten by the second.
        age(data)
        with Server(binary, data, origin) as server:
            server.wait_for("swept")
    look_at_rest(data)
    memory = {f"mib_after_fifth_{n}": round(rounds[n - 1][0] / 2**20) for n in (2, 5)}
    done = {}
    for client in clients:
        for name, times in client.done.items():
            done[name] = done.get(name, 0) + times
    return memory | {"files": sum(len(client.files) for client in clients), "done": done}


class Server:
    def __init__(self, binary, data, origin):
        self.log = data.parent / "log"
        free = ["--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
        fetch = ["--ingest-allow", origin, "--ingest-name-server", "127.0.0.1:1"]
        self.command = [binary, "serve", "--data", str(data), *free, *fetch, "--inline-size", "4KiB"]

    def __enter__(self):
        environment = {"PATH": os.environ["PATH"], "GATEPASS_API_KEY": KEY}
        with self.log.open("wb") as log:
            nothing = subprocess.DEVNULL
            self.process = subprocess.Popen(
                self.command, env=environment, stdout=nothing, stderr=log
            )
        ready = self.wait_for("ready")
        self.delivery, self.api = (re.search(f"{name}=([0-9.:]+)", ready)[1] for name in ("delivery", "api"))
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        assert "panicked" not in self.log.read_text(), self.log.read_text()

    def wait_for(self, word):
        for _ in range(12_000):
            text = re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text())
            if word in text:
                return text
            assert self.process.poll() is None, text
            time.sleep(0.05)
        raise AssertionError(f"no {word!r} in the log: {text}")

    def memory(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) << 10

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def work(server, clients, operations, until_killed=False):
    """Has all clients do their share; returns memory and descriptors when all is quiet again."""
    share = operations // len(clients)
    threads = [threading.Thread(target=client.work, args=(server, share)) for client in clients]
    for thread in threads:
        thread.start()
    if until_killed:
        while sum(client.count for client in clients) < operations * 3 // 4:
            time.sleep(0.01)
        for client in clients:
            client.may_be_cut_off = True
        server.process.kill()
    for thread in threads:
        thread.join()
    for client in clients:
        client.may_be_cut_off = False
        if client.failure:
            raise client.failure
    return server.memory() if not until_killed else 0, 0 if until_killed else server.descriptors()


class Failed(Exception):
    pass


class Client:
    """One that does everything at paths of its own, and knows what has to be there."""

    def __init__(self, number, seed, origin):
        self.folder = f"client{number}"
        self.random = random.Random(seed * CLIENTS + number)
        self.origin = origin
        self.files = {}  # path: (content's seed, size, whether it is a picture)
        self.unsure = set()  # paths where the answer was lost
        self.uploads = 0
        self.count = 0
        self.done = {}
        self.may_be_cut_off = False
        self.failure = None
        self.kept = {}

    def work(self, server, operations):
        self.server, self.kept = server, {}
        try:
            for _ in range(operations):
                [operation] = self.random.choices(ACTIONS, WEIGHTS)
                operation(self)
                self.count += 1
                name = operation.__name__
                self.done[name] = self.done.get(name, 0) + 1
        except (ConnectionError, http.client.HTTPException, socket.timeout) as error:
            if not self.may_be_cut_off:
                self.failure = error
        except BaseException as error:
            self.failure = error

    # How to speak.

    def send(self, method, target, body=None, headers={}, to=None):
        """One request on a kept connection; status, headers and body of its answer."""
        address = to or self.server.delivery
        connection = self.kept.pop(address, None)
        if connection is None:
            connection = http.client.HTTPConnection(address, timeout=60)
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        if answer.will_close:
            connection.close()
        else:
            self.kept[address] = connection
        return answer.status, answer.headers, content

    def expect(self, statuses, method, target, body=None, headers={}, to=None):
        status, heads, content = self.send(method, target, body, headers, to)
        if status not in statuses:
            raise Failed(f"{method} {target} {headers}: {status} {content[:500]}")
        return heads, content

    def ask_api(self, statuses, method, target, body=None):
        headers = BEARER | ({"Content-Type": "application/json"} if body else {})
        body = json.dumps(body).encode() if body else None
        _, content = self.expect(statuses, method, target, body, headers, self.server.api)
        return json.loads(content)

    def begin(self, method, target, headers, body):
        """A request that is cut off after these bytes of its body."""
        address, port = self.server.delivery.split(":")
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection((address, int(port)), timeout=60) as stream:
            stream.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + body)

    # What to do it with.

    def path(self):
        return f"{self.folder}/{self.random.choice('abcde')}/{self.random.randrange(40)}.bin"

    def known(self):
        return self.random.choice(sorted(self.files)) if self.files else None

    def fresh(self):
        """A content that was never there, mostly small."""
        kind = self.random.random()
        bound = 4_000 if kind < 0.5 else 100_000 if kind < 0.95 else 2_000_000
        return self.random.getrandbits(60), self.random.randrange(bound), kind < 0.05

    def now_is(self, path, content):
        self.files[path] = content
        self.unsure.discard(path)

    @contextmanager
    def perhaps(self, path):
        """What is at the path if the answer is lost, nobody knows."""
        before = self.files.pop(path, None)
        surely = path not in self.unsure
        self.unsure.add(path)
        yield
        if surely:
            self.unsure.discard(path)
        if before is not None:
            self.files[path] = before

    # What clients do.

    def put(self):
        path, content = self.path(), self.fresh()
        with self.perhaps(path):
            self.expect((200, 201), "PUT", sign("put", path), body_of(content))
        self.now_is(path, content)

    def put_with_key(self):
        path, content = self.path(), self.fresh()
        with self.perhaps(path):
            self.expect((200, 201), "PUT", f"/{path}", body_of(content), BEARER)
        self.now_is(path, content)

    def chunks(self, path, content):
        """The URL of a new upload, and its chunks in any order."""
        self.uploads += 1
        url = sign("put", path, ref=f"{self.folder}-{self.uploads}")
        body = body_of(content)
        cuts = sorted({self.random.randrange(1, len(body)) for _ in range(4)} | {len(body)})
        ranges = list(zip([0, *cuts], cuts))
        self.random.shuffle(ranges)
        return url, [
            (body[first:past], {"Content-Range": f"bytes {first}-{past - 1}/{len(body)}"})
            for first, past in ranges
        ]

    def large(self):
        seed, size, _ = self.fresh()
        return seed, size + 1_000, False

    def put_in_chunks(self):
        path, content = self.path(), self.large()
        url, chunks = self.chunks(path, content)
        with self.perhaps(path):
            for body, headers in chunks[:-1]:
                self.expect((202,), "PUT", url, body, headers)
            body, headers = chunks[-1]
            self.expect((200, 201), "PUT", url, body, headers)
        self.now_is(path, content)

    def abandon_upload(self):
        url, chunks = self.chunks(self.path(), self.large())
        for body, headers in chunks[:-1]:
            self.expect((202,), "PUT", url, body, headers)

    def give_upload_up(self):
        url, chunks = self.chunks(self.path(), self.large())
        body, headers = chunks[0]
        if len(chunks) == 1:
            return
        _, answer = self.expect((202,), "PUT", url, body, headers)
        if self.random.random() < 0.5:
            self.expect((204,), "DELETE", url)
        else:
            self.ask_api((200,), "DELETE", f"/uploads/{json.loads(answer)['data']['id']}")

    def cut_put(self):
        path, content = self.path(), self.large()
        body = body_of(content)
        sent = body[: self.random.randrange(len(body))]
        self.begin("PUT", sign("put", path), {"Content-Length": len(body)}, sent)

    def cut_chunk(self):
        url, chunks = self.chunks(self.path(), self.large())
        body, headers = chunks[0]
        sent = body[: self.random.randrange(len(body))]
        self.begin("PUT", url, headers | {"Content-Length": len(body)}, sent)

    def be_refused(self):
        path, body = self.path(), body_of(self.large())
        wrong = self.random.choice(["size", "sha256", "type", "signature", "digest", "expired"])
        headers = {"Content-Digest": f"sha-256=:{'A' * 43}=:"} if wrong == "digest" else {}
        url = {
            "size": lambda: sign("put", path, max_size=len(body) - 1),
            "sha256": lambda: sign("put", path, sha256="0" * 64),
            "type": lambda: sign("put", path, type="image/*"),
            "signature": lambda: sign("put", path)[:-3] + "AAA",
            "digest": lambda: sign("put", path),
            "expired": lambda: sign("put", path, expiry=1_000_000_000),
        }[wrong]()
        # The server may close before it has read everything.
        try:
            self.expect((400, 403, 413, 415, 422), "PUT", url, body, headers)
        except (ConnectionResetError, BrokenPipeError):
            self.kept = {}

    def read(self):
        path = self.known() or self.path()
        heads, body = self.expect((200, 404), "GET", f"/{quote(path)}")
        if path in self.unsure:
            return
        wanted = self.files.get(path)
        if (body_of(wanted) != body) if wanted else ("ETag" in heads):
            raise Failed(f"{path} is not what was put there")

    def read_a_part(self):
        path = self.known()
        size = self.files[path][1] if path else 0
        if size < 10 or self.files[path][2]:
            return
        part = {"Range": f"bytes={size // 3}-{size // 2}"}
        heads, body = self.expect((206,), "GET", f"/{path}", headers=part)
        if body_of(self.files[path])[size // 3 : size // 2 + 1] != body:
            raise Failed(f"{path} is not what was put there")
        fresh = {"If-None-Match": heads["ETag"]}
        self.expect((304,), "GET", f"/{path}", headers=fresh)
        self.expect((200,), "HEAD", f"/{path}")

    def leave_while_reading(self):
        path = self.known()
        if path:
            self.begin("GET", f"/{path}", {}, b"")

    def list(self):
        self.ask_api((200,), "GET", f"/files?limit=100&page={self.random.randrange(1, 9)}")
        page = self.ask_api((200,), "GET", f"/files?folder={self.folder}&limit=100")
        if not self.unsure and page["meta"]["total"] != len(self.files):
            raise Failed(f"{page['meta']} of {len(self.files)}")
        self.ask_api((200,), "GET", "/uploads")

    def find(self, path):
        folder, name = path.rsplit("/", 1)
        page = self.ask_api((200,), "GET", f"/files?prefix={quote(path)}&limit=100")
        found = [file for file in page["data"] if (file["folder"], file["filename"]) == (folder, name)]
        return found[0]["id"]

    def rename(self):
        path, to = self.known(), self.path()
        if not path or to in self.unsure:
            return
        folder, name = to.rsplit("/", 1)
        taken = to in self.files and to != path
        statuses = (409,) if taken else (200,)
        id = self.find(path)
        with self.perhaps(path), self.perhaps(to):
            self.ask_api(statuses, "PATCH", f"/files/{id}", {"folder": folder, "filename": name})
        if not taken:
            self.now_is(to, self.files.pop(path))

    def delete(self):
        path = self.known()
        if not path:
            return
        if self.random.random() < 0.5:
            id = self.find(path)
            with self.perhaps(path):
                self.ask_api((200,), "DELETE", f"/files/{id}")
        else:
            with self.perhaps(path):
                self.expect((200,), "DELETE", sign("delete", path))
        del self.files[path]

    def ingest(self):
        path, content = self.path(), self.fresh()
        folder, name = path.rsplit("/", 1)
        url = f"http://{self.origin}/{content[0]}/{content[1]}/{int(content[2])}"
        with self.perhaps(path):
            self.ask_api((200, 201), "POST", "/files", {"url": url, "folder": folder, "filename": name})
        self.now_is(path, content)

    def ingest_a_lie(self):
        self.ask_api((422,), "POST", "/files", {"url": f"http://{self.origin}/lie"})

    def sign_by_api(self):
        self.ask_api((200,), "POST", "/signatures", {"filename": "x.bin", "method": "put"})

    def miss(self):
        self.expect((404,), "GET", f"/{self.folder}/none")


SHARES = {
    Client.put: 18, Client.put_with_key: 6, Client.put_in_chunks: 12, Client.abandon_upload: 4,
    Client.give_upload_up: 4, Client.cut_put: 3, Client.cut_chunk: 3, Client.be_refused: 5,
    Client.read: 16, Client.read_a_part: 6, Client.leave_while_reading: 2, Client.list: 3,
    Client.rename: 5, Client.delete: 5, Client.ingest: 3, Client.ingest_a_lie: 1,
    Client.sign_by_api: 2, Client.miss: 2,
}
ACTIONS, WEIGHTS = list(SHARES), list(SHARES.values())


def body_of(content):
    seed, size, is_picture = content
    return picture(seed) if is_picture else random.Random(seed).randbytes(size)


def picture(seed):
    """A PNG, so that processes that look into pictures have something to do."""
    side = 20 + seed % 300
    rows = b"".join(b"\0" + bytes([row % 256, seed % 256, 9]) * side for row in range(side))

    def chunk(kind, body):
        return len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)

    header = side.to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"tEXt", str(seed).encode()), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def sign(method, path, expiry=4_102_444_800, **policy):
    query = f"expiry={expiry}&method={method}" + "".join(
        f"&{name}={quote(str(value), safe='')}" for name, value in sorted(policy.items())
    )
    digest = hmac.new(KEY.encode(), f"{path}?{query}".encode(), hashlib.sha256).digest()
    return f"/{path}?{query}&signature={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


@contextmanager
def source():
    """A server that has whatever its paths ask for, and ends one answer too early."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            _, *asked = self.path.split("/")
            body = b"short" if asked == ["lie"] else body_of(tuple(map(int, asked)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + (asked == ["lie"])))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def age(data):
    """Makes everything that has ended old enough to be swept. No server is running."""
    for blob in (data / "blobs").glob("*/*"):
        os.utime(blob, (time.time() - 10_800,) * 2)
    with sqlite3.connect(data / "gatepass.db") as catalog:
        catalog.execute("UPDATE retired_blobs SET retired = 0")
        catalog.execute("UPDATE uploads SET expires = 0")
    catalog.close()


def look_at_growth(server, rounds):
    """Neither memory nor descriptors have grown since the second fifth."""
    (memory, descriptors), (memory_now, _) = rounds[1], rounds[4]
    grown = memory_now - memory
    assert grown <= GROWTH_BYTES_MAX, f"memory grew by {grown / 2**20:.1f} MiB: {rounds}"
    for _ in range(400):
        # A connection that was cut may take a moment to be noticed.
        if server.descriptors() <= descriptors + DESCRIPTORS_MORE_MAX:
            return
        time.sleep(0.05)
    raise AssertionError(f"{server.descriptors()} descriptors are open: {rounds}")


def look_at_files(server, clients):
    """There is what was put there, and nothing else."""
    for client in clients:
        client.server, client.kept = server, {}
        paths, page = set(), 1
        while files := client.ask_api((200,), "GET", f"/files?folder={client.folder}&limit=100&page={page}")["data"]:
            paths |= {f"{file['folder']}/{file['filename']}" for file in files}
            page += 1
        wanted = set(client.files)
        assert wanted <= paths <= wanted | client.unsure, (wanted ^ paths, client.unsure)
        for path in wanted:
            _, body = client.expect((200,), "GET", f"/{path}")
            assert body == body_of(client.files[path]), path


def look_at_rest(data):
    """After the sweep: a blob for every row, a row for every blob, and nothing of any upload."""
    there = {blob.name for blob in (data / "blobs").glob("*/*")}
    stray = {entry.name for entry in data.iterdir()} - DATA
    assert not stray, f"{stray} in the data directory"
    catalog = sqlite3.connect(data / "gatepass.db")

    def column(query):
        return [value for (value,) in catalog.execute(query)]

    named = set(column("SELECT blob FROM files WHERE NOT inline"))
    assert not named - there, f"blobs are missing: {named - there}"
    assert not there - named, f"orphans: {there - named}"
    inline = set(column("SELECT number FROM files WHERE inline"))
    placed = set(column("SELECT number FROM files WHERE segment > 0 AND place > 0"))
    assert inline == placed, "bytes without files, or files without bytes"
    used = catalog.execute("SELECT sum(files), sum(bytes) FROM segments").fetchone()
    [kept] = catalog.execute("SELECT count(*), sum(size) FROM files WHERE inline")
    assert used == kept, f"{used} are counted, and {kept} there"
    for table in ("uploads", "parts", "retired_blobs"):
        [rows] = column(f"SELECT count(*) FROM {table}")
        assert rows == 0, f"{rows} rows are left in {table}"
    catalog.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
