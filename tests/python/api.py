"""Holds the management API of the real binary to its own OpenAPI document, in each answer version:
a good request for every operation, then what schemathesis makes of the document.

usage: python api.py path/to/gatepass
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import jsonschema_rs
import requests

KEY = "gp_test_key_do_not_use_000000000000_sentinel_Qx7"
# For each operation; fewer where only the envelope differs.
EXAMPLES = {"2025-07-01": 20, "2025-01-01": 4, "2025-08-20": 4}
# What no schema can say: an expiry has to be in the future, a name has to have something left after
# it was sanitised. A body that follows the schema may still be refused.
NOT_CHECKED = "positive_data_acceptance"


def main(binary):
    with source() as url, gatepass(binary, urllib.parse.urlsplit(url).netloc) as (delivery, api):
        for version in EXAMPLES:
            ask_everything(delivery, api, version, url)
        for version in EXAMPLES:
            fuzz(api, version)


@contextmanager
def source():
    """A server that has a file to be fetched; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "7")
            self.end_headers()
            self.wfile.write(b"fetched")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/file"
        server.shutdown()


@contextmanager
def gatepass(binary, fetches_from):
    """A server with data of its own, which asks nobody else for names; its origins."""
    with tempfile.TemporaryDirectory() as directory:
        free = ["--listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0"]
        fetch = ["--ingest-allow", fetches_from, "--ingest-name-server", "127.0.0.1:1"]
        command = [binary, "serve", "--data", directory, *free, *fetch, "--ingest-connect-timeout", "1s"]
        environment = {"PATH": os.environ["PATH"], "GATEPASS_API_KEY": KEY}
        log = Path(directory) / "log"
        with log.open("wb") as stderr:
            server = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=stderr
            )
        try:
            yield origins(server, log)
            assert server.poll() is None, log.read_text()
            assert "panicked" not in log.read_text(), log.read_text()
        finally:
            server.terminate()
            server.wait()


def origins(server, log):
    for _ in range(400):
        assert server.poll() is None, log.read_text()
        text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())
        if "ready" in text:
            return [f"http://{re.search(name + '=([0-9.:]+)', text)[1]}" for name in ("delivery", "api")]
        time.sleep(0.05)
    raise AssertionError("the server does not get ready")


def ask_everything(delivery, api, version, source_url):
    """A good request for each operation is done, and the answer is as the document says."""
    document = requests.get(f"{api}/openapi.json", headers={"Accept-Version": version}).json()
    operations = {
        operation["operationId"]: (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    good = good_requests(delivery, source_url)
    assert operations.keys() == good.keys(), operations.keys() ^ good.keys()
    for name, details in good.items():
        method, path, operation = operations[name]
        details = dict(details)
        url = api + path.replace("{id}", details.pop("id", ""))
        headers = {"Authorization": f"Bearer {KEY}", "Accept-Version": version}
        headers |= details.pop("headers", {})
        answer = requests.request(method, url, headers=headers, **details)
        assert answer.status_code in (200, 201), f"{name}: {answer.status_code} {answer.text}"
        check(document, operation, answer, name)
    print(f"{version}: {len(good)} operations answer as the document says")


def check(document, operation, answer, name):
    content = operation["responses"][str(answer.status_code)]["content"]
    media_type = answer.headers["Content-Type"].split(";")[0]
    assert media_type in content, f"{name}: {media_type}"
    if media_type != "application/json":
        return
    schema = {**content[media_type]["schema"], "components": document["components"]}
    validator = jsonschema_rs.Draft202012Validator(schema)
    errors = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(answer.json())]
    assert not errors, f"{name}: {errors}\n{answer.text}"


def good_requests(delivery, source_url):
    """By the operation's name. New data each time, since some of them take it away."""
    body = {"filename": "a b.png", "folder": "x", "method": "put", "type": ["image/*"], "max_size": 9}
    private = {"prefix": "team/", "visibility": "private"}
    return {
        "console": {},
        "openapi": {},
        "docs": {},
        "livez": {},
        "readyz": {},
        "metrics": {},
        "createSignature": {"json": body},
        "putRule": {"json": private},
        "listRules": {"params": {"page": 1, "limit": 100}},
        "deleteRule": {"params": {"prefix": "team/"}},
        "ingestFile": {"json": {"url": source_url, "folder": "in", "ref": "r", "metadata": {"a": "b"}}},
        "listFiles": {"params": {"page": 1, "limit": 100, "folder": "in"}},
        "findFile": {"id": upload(delivery)},
        "changeFile": {"id": upload(delivery), "json": {"label": "l", "folder": "moved", "ref": None}},
        "deleteFile": {"id": upload(delivery)},
        "findUpload": {"id": begin_upload(delivery)},
        "listUploads": {},
        "deleteUpload": {"id": begin_upload(delivery)},
    }


def sign(delivery, path):
    signed = f"{path}?expiry={int(time.time()) + 600}&method=put"
    digest = hmac.new(KEY.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{delivery}/{signed}&signature={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def upload(delivery):
    url = sign(delivery, f"folder/{time.monotonic_ns()}.txt")
    return requests.put(url, b"abc").json()["data"]["id"]


def begin_upload(delivery):
    url = sign(delivery, f"folder/{time.monotonic_ns()}.bin")
    return requests.put(url, b"abc", headers={"Content-Range": "bytes 2-4/9"}).json()["data"]["id"]


def fuzz(api, version):
    """Requests that follow the document, and some that do not: no 5xx, every answer conforms."""
    headers = {"Accept-Version": version}
    document = requests.get(f"{api}/openapi.json", headers=headers).json()
    # The run says it; another version would be answered in another form.
    for operation in (one for path in document["paths"].values() for one in path.values()):
        stay = [one for one in operation["parameters"] if one["name"] != "Accept-Version"]
        operation["parameters"] = stay
    with tempfile.TemporaryDirectory() as directory:
        schema = Path(directory) / "openapi.json"
        schema.write_text(json.dumps(document))
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "run", str(schema), "--url", api,
            "-H", f"Authorization: Bearer {KEY}", "-H", f"Accept-Version: {version}",
            "--exclude-checks", NOT_CHECKED, "--max-examples", str(EXAMPLES[version]), "--seed", "1",
            "--generation-database", "none", "--no-color",
        ]
        outcome = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    print(outcome.stdout[-6000:] if outcome.returncode else outcome.stdout[-600:])
    assert outcome.returncode == 0, outcome.stderr


if __name__ == "__main__":
    main(sys.argv[1])
