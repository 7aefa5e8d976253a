"""What a reader of a page has: an empty folder, a service, its key, a few files and addresses."""

import base64
import functools
import hashlib
import hmac
import http.server
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib

import maven
from database import NAMED, Database
from markdown import ROOT, files_of_the_tree

sys.path.append(str(ROOT / "bench"))
from server import free_port

HERE = pathlib.Path(__file__).resolve().parent
GATEPASS = pathlib.Path(os.environ.get("GATEPASS_BIN", ROOT / "target" / "debug" / "gatepass")).resolve()
KEY = "gp_test_key_do_not_use_000000000000_docs"

# Places of a machine that pages name, and where they are instead.
PLACES = ("/var/lib/gatepass", "/backups", "/etc/gatepass", "~/")


class Surroundings:
    """Everything ends with it."""

    def __init__(self, whole_tree):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="gatepass-docs-"))
        self.folder, self.folder_of_programs, self.state = self.base / "here", self.base / "programs", self.base / "state"
        for folder in (self.folder, self.folder_of_programs, self.state, self.base / "places"):
            folder.mkdir()
        self.delivery, self.api = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        self.whole_tree, self.database = whole_tree, None

    def __enter__(self):
        try:
            self.lay_files()
            self.serve_source()
            self.environment = self.variables()
            self.start_service()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if hasattr(self, "source"):
            self.source.shutdown()
            self.source.server_close()
        if (self.state / "pid").exists():
            end(int((self.state / "pid").read_text()))
        if self.database:
            self.database.stop()
        shutil.rmtree(self.base, ignore_errors=True)

    def lay_files(self):
        """Photos to upload; for pages that begin at the top of the repository, a copy of it."""
        (self.folder / "photo.jpg").write_bytes(png())
        (self.folder / "cat.png").write_bytes(png(640, 360))
        for name in files_of_the_tree() if self.whole_tree else []:
            copy = self.folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy)
        # Composer would ask its registry, also for what is on the disk.
        (self.state / "config.json").write_text('{"repositories": {"packagist.org": false}}')
        package = self.folder_of_programs / "node_modules" / "@gatepass"
        package.mkdir(parents=True)
        (package / "sdk").symlink_to(ROOT / "sdk" / "js")

    def serve_source(self):
        """Files somewhere else, to be fetched."""
        archive = self.base / "source" / "archive"
        archive.mkdir(parents=True)
        for name in ("photo.png", "film.mp4"):
            (archive / name).write_bytes(png())
        handler = functools.partial(Quiet, directory=self.base / "source")
        self.source = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.source.serve_forever, daemon=True).start()

    def variables(self):
        """The variables that CONTRIBUTING.md lists, and those that lead to what is here."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("GATEPASS_", "AWS_", "PG"))}
        source = f"127.0.0.1:{self.source.server_address[1]}"
        return {
            **clean,
            "PATH": os.pathsep.join(map(str, [HERE / "bin", self.place("~/") / ".local" / "bin", ROOT / "sdk" / "sh", clean["PATH"]])),
            "DOCS_GATEPASS": str(GATEPASS), "DOCS_CARGO": shutil.which("cargo") or "cargo", "DOCS_STATE": str(self.state),
            "PYTHONPATH": str(ROOT / "sdk" / "python" / "src"), "RUBYLIB": str(ROOT / "sdk" / "ruby" / "lib"),
            "MAVEN_OPTS": maven.options(self.state), "COMPOSER_HOME": str(self.state), "COMPOSER_ALLOW_SUPERUSER": "1",
            "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8",
            "GATEPASS_SOURCE": str(ROOT), "GATEPASS_API_KEY": KEY, "GATEPASS_DATA": str(self.place("/var/lib/gatepass")),
            "GATEPASS_LISTEN": self.delivery.removeprefix("http://"), "GATEPASS_API_LISTEN": self.api.removeprefix("http://"),
            "GATEPASS_PUBLIC_URL": self.delivery, "GATEPASS_INGEST_ALLOW": source,
            "API": self.api, "SOURCE": f"http://{source}", "URL": signed(self.delivery, "from/you.jpg"),
        }  # fmt: skip

    def start_service(self):
        command = [HERE / "bin" / "gatepass", "serve"]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, capture_output=True, encoding="utf-8", timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"the service does not start:\n{done.stderr}")

    def place(self, named):
        folder = self.base / "places" / named.strip("/~").replace("/", "-")
        folder.mkdir(exist_ok=True)
        return folder

    def placed(self, code):
        """Code with this folder's places and database in place of those that it names."""
        if NAMED.search(code):
            self.database = self.database or Database(free_port())
            code = NAMED.sub(self.database.url, code)
        if re.search(r"^mvn ", code, re.M):
            maven.lay(self.state)
        for named in PLACES:
            if named in code:
                ending = "/" if named.endswith("/") else ""
                code = re.sub(rf"(?<![\w.]){re.escape(named)}", f"{self.place(named)}{ending}", code)
        return code

    def use(self, url):
        """The status that a signed URL is answered with."""
        upload = "method=put" in url
        request = urllib.request.Request(url, method="PUT" if upload else "GET", data=png() if upload else None)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def signed(site, path):
    """A URL for an upload."""
    query = f"{path}?expiry={int(time.time()) + 3600}&method=put"
    digest = hmac.new(KEY.encode(), query.encode(), hashlib.sha256).digest()
    return f"{site}/{query}&signature={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def png(width=1, height=1):
    """A grey picture, not compressed, so that its bytes are always the same."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", stored((b"\0" + b"\x80" * width) * height)) + chunk(b"IEND", b"")


def stored(data):
    """What zlib's level 0 makes, in blocks that do not depend on its version."""
    parts = [data[at : at + 65_535] for at in range(0, len(data), 65_535)]
    heads = [struct.pack("<BHH", part is parts[-1], len(part), len(part) ^ 0xFFFF) for part in parts]
    return b"\x78\x01" + b"".join(head + part for head, part in zip(heads, parts)) + struct.pack(">I", zlib.adler32(data))


def end(process):
    """Ends the service, which is not a child of ours."""
    try:
        os.kill(process, signal.SIGTERM)
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            os.kill(process, 0)
            time.sleep(0.05)
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass
