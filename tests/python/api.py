"""Holds the real binary to its own OpenAPI document, in each answer version: good requests and bad
ones for every operation, then what schemathesis makes of the document.

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
# Nor that a parameter of a signed URL means nothing where there is no signature, as in all that is
# sent with an API key: nonsense there is not refused.
NOT_CHECKED_AT_DELIVERY = "negative_data_rejection"

# What only a server answers whose files are in a bucket: `it redirect::` has it do so.
WITH_A_BUCKET = {"readFile": {302}}


def main(binary):
    with source() as url, gatepass(binary, urllib.parse.urlsplit(url).netloc) as (delivery, api):
        for version in EXAMPLES:
            ask_everything(delivery, api, version, url)
        for version in EXAMPLES:
            fuzz(api, version, at_delivery=False)
            fuzz(api, version, at_delivery=True)


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
    for _ in range(2_400):
        assert server.poll() is None, log.read_text()
        text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())
        if "ready" in text:
            return [f"http://{re.search(name + '=([0-9.:]+)', text)[1]}" for name in ("delivery", "api")]
        time.sleep(0.05)
    raise AssertionError("the server does not get ready")


def ask_everything(delivery, api, version, source_url):
    """Good requests to each operation are done, bad ones refused, as the document says. What the
    document names and these tables do not fails, and so does a success that is never seen."""
    document = requests.get(f"{api}/openapi.json", headers={"Accept-Version": version}).json()
    operations = operations_of(document)
    good, bad = good_requests(delivery, source_url), bad_requests(delivery)
    assert operations.keys() == good.keys(), operations.keys() ^ good.keys()
    assert operations.keys() == bad.keys(), operations.keys() ^ bad.keys()
    count = 0
    for name, operation in operations.items():
        ask = Asking(name, operation, document, api, version)
        done = {ask(status, None, **details) for status, details in good[name]}
        named = {int(status) for status in operation["responses"] if status[0] in "23"}
        named -= WITH_A_BUCKET.get(name, set())
        assert done == named, f"{name}: {done} of {named}"
        refused = bad[name] + [(400, "version_unknown", {"headers": {"Accept-Version": "2024-01-01"}})]
        if operation["security"] == [{"apiKey": []}]:
            refused += [
                (401, "credentials_missing", {"key": None}),
                (401, "credentials_invalid", {"key": f"{KEY}x"}),
            ]
        for status, kind, details in refused:
            ask(status, kind, **details)
        count += len(good[name]) + len(refused)
    print(f"{version}: {count} requests to {len(operations)} operations are answered as the document says")


def operations_of(document):
    """By name; with their method and path, and whether a delivery domain has them."""
    return {
        operation["operationId"]: operation | {"method": method, "path": path, "server": item.get("servers")}
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "operationId" in operation
    }


class Asking:
    """Asks for one operation, and holds each answer to the document."""

    def __init__(self, name, operation, document, api, version):
        self.name, self.operation, self.document = name, operation, document
        server = operation["server"]
        self.origin = server[0]["url"] if server else api
        self.version = version

    def __call__(self, status, kind, id="none", path="none", url=None, key=KEY, headers={}, **details):
        target = self.operation["path"].replace("{id}", id).replace("{path}", path)
        headers = {"Accept-Version": self.version} | headers
        if key and not url:
            headers["Authorization"] = f"Bearer {key}"
        method = self.operation["method"]
        answer = requests.request(method, url or self.origin + target, headers=headers, **details)
        about = f"{self.name} {details}: {answer.status_code} {answer.text[:500]}"
        assert answer.status_code == status, f"{about}, not {status}"
        response = self.operation["responses"][str(status)]
        self.check(response, answer, about)
        if kind and method != "head":
            assert answer.json()["error"]["kind"] == kind, f"{about}, not {kind}"
        if kind:
            assert f"`{kind}`" in response["description"], f"{about}: {kind} is not described"
        return status

    def check(self, response, answer, about):
        content = response.get("content")
        if not content:
            assert not answer.content, about
            return
        media_type = answer.headers["Content-Type"].split(";")[0]
        assert media_type in content or "*/*" in content, f"{about}: {media_type}"
        if media_type != "application/json" or media_type not in content:
            return
        schema = {**content[media_type]["schema"], "components": self.document["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema)
        errors = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(answer.json())]
        assert not errors, f"{about}: {errors}"


def good_requests(delivery, source_url):
    """By the operation's name. New data each time, since some of them take it away."""
    body = {"filename": "a b.png", "folder": "x", "method": "put", "type": ["image/*"], "max_size": 9}
    private = {"prefix": "team/", "visibility": "private"}
    fetched = {"url": source_url, "folder": "in", "filename": fresh(), "ref": "r", "metadata": {"a": "b"}}
    wait_not = {"Prefer": "respond-async"}
    file, name = upload(delivery), fresh()
    current = {"If-None-Match": requests.get(f"{delivery}/{file['path']}").headers["ETag"]}
    one_of_two = {"Content-Range": "bytes 0-0/2"}
    return {
        "console": [(200, {})],
        "openapi": [(200, {})],
        "docs": [(200, {})],
        "livez": [(200, {})],
        "readyz": [(200, {})],
        "metrics": [(200, {})],
        "createSignature": [(200, {"json": body})],
        "putRule": [(200, {"json": private})],
        "listRules": [(200, {"params": {"page": 1, "limit": 100}})],
        "deleteRule": [(200, {"params": {"prefix": "team/"}})],
        "ingestFile": [
            (201, {"json": fetched}),
            (200, {"json": fetched}),
            (202, {"json": fetched, "headers": wait_not}),
        ],
        "listFiles": [(200, {"params": {"page": 1, "limit": 100, "folder": "in"}})],
        "findFile": [(200, {"id": file["id"]})],
        "changeFile": [
            (200, {"id": upload(delivery)["id"], "json": {"label": "l", "folder": "moved", "ref": None}})
        ],
        "deleteFile": [(200, {"id": upload(delivery)["id"]})],
        "findUpload": [(200, {"id": begin_upload(delivery)["id"]})],
        "listUploads": [(200, {})],
        "deleteUpload": [(200, {"id": begin_upload(delivery)["id"]})],
        "readFile": [
            (200, {"path": file["path"]}),
            (200, {"path": file["id"]}),
            (200, {"url": sign(delivery, file["path"], "get")}),
            (206, {"path": file["path"], "headers": {"Range": "bytes=1-1"}}),
            (202, {"url": begin_upload(delivery)["url"]}),
            (304, {"path": file["path"], "headers": current}),
        ],
        "headFile": [
            (200, {"path": file["path"]}),
            (204, {"url": begin_upload(delivery)["url"]}),
            (304, {"path": file["path"], "headers": current}),
        ],
        "putFile": [
            (201, {"path": name, "data": b"abc"}),
            (200, {"path": name, "data": b"abcd"}),
            (201, {"url": sign(delivery, fresh()), "data": b"abc"}),
            (202, {"url": sign(delivery, fresh()), "data": b"a", "headers": one_of_two}),
        ],
        "removeFile": [
            (200, {"path": upload(delivery)["path"]}),
            (200, {"url": sign(delivery, upload(delivery)["path"], "delete")}),
            (204, {"url": begin_upload(delivery)["url"]}),
        ],
        "preflight": [(204, {"path": "any/path", "key": None})],
    }


def bad_requests(delivery):
    """Likewise; what goes wrong everywhere is not among them."""
    file, other = upload(delivery), upload(delivery)
    no_file, no_upload = "file_" + "0" * 16, "upl_" + "0" * 26
    stale = {"If-Match": '"stale"'}
    folder, filename = other["path"].split("/")
    unsigned = sign(delivery, "x")[:-5] + "AAAAA"
    read = (403, "policy_violation", {"url": sign(delivery, "x", "get")})
    no_body_of_json = {"data": "{", "headers": {"Content-Type": "application/json"}}
    nothing = {"console": [], "openapi": [], "docs": [], "livez": [], "readyz": [], "metrics": []}
    return nothing | {
        "createSignature": [
            (422, "body_invalid", {"json": {"filename": "x", "unknown": 1}}),
            (422, "body_invalid", {"json": {"filename": "x", "expiry": -1}}),
            (400, "path_invalid", {"json": {"filename": "../.."}}),
            (400, "body_malformed", no_body_of_json),
            (415, "content_type_unsupported", {"data": "{}"}),
            (413, "too_large", {"json": {"filename": "x" * 2_000_000}}),
        ],
        "putRule": [(422, "body_invalid", {"json": {"prefix": "/x", "visibility": "private"}})],
        "listRules": [(400, "parameter_invalid", {"params": {"page": 0}})],
        "deleteRule": [
            (404, "rule_not_found", {"params": {"prefix": "none/"}}),
            (400, "parameter_invalid", {}),
        ],
        "ingestFile": [
            (422, "body_invalid", {"json": {"url": "file:///etc/passwd"}}),
            (422, "source_unreachable", {"json": {"url": "http://169.254.169.254/x"}}),
        ],
        "listFiles": [(400, "parameter_invalid", {"params": {"limit": 101}})],
        "findFile": [(404, "file_not_found", {"id": no_file})],
        "changeFile": [
            (404, "file_not_found", {"id": no_file, "json": {}}),
            (422, "body_invalid", {"id": file["id"], "json": {"lable": ""}}),
            (409, "file_exists", {"id": file["id"], "json": {"folder": folder, "filename": filename}}),
            (412, "precondition_failed", {"id": file["id"], "json": {}, "headers": stale}),
        ],
        "deleteFile": [
            (404, "file_not_found", {"id": no_file}),
            (412, "precondition_failed", {"id": file["id"], "headers": stale}),
        ],
        "findUpload": [(404, "upload_not_found", {"id": no_upload})],
        "listUploads": [(400, "parameter_invalid", {"params": {"page": "x"}})],
        "deleteUpload": [(404, "upload_not_found", {"id": no_upload})],
        "readFile": [
            (404, "file_not_found", {"path": "none"}),
            (404, "upload_not_found", {"path": f"x?upload={no_upload}", "key": None}),
            (401, "credentials_missing", {"path": "private/x", "key": None}),
            (401, "credentials_invalid", {"path": "private/x", "key": "wrong"}),
            (403, "signature_invalid", {"url": unsigned}),
            (403, "url_expired", {"url": sign(delivery, "x", "get", 1_000_000_000)}),
            (400, "path_invalid", {"path": "a//b"}),
            (416, "range_unsatisfiable", {"path": file["path"], "headers": {"Range": "bytes=9-"}}),
            (412, "precondition_failed", {"path": file["path"], "headers": stale}),
        ],
        "headFile": [
            (404, "file_not_found", {"path": "none"}),
            (403, "signature_invalid", {"url": unsigned}),
            (404, "upload_not_found", {"url": sign(delivery, fresh())}),
        ],
        "putFile": [
            read,
            (401, "credentials_missing", {"path": "x", "data": b"x", "key": None}),
            (403, "signature_invalid", {"url": unsigned, "data": b"x"}),
            (413, "too_large", {"url": sign(delivery, "x", max_size=1), "data": b"xy"}),
            (403, "policy_violation", {"url": sign(delivery, "x", type="image/*"), "data": b"xy"}),
            (409, "file_exists", {"url": sign(delivery, file["path"], overwrite="false"), "data": b"x"}),
            (412, "precondition_failed", {"path": file["path"], "data": b"x", "headers": stale}),
            (400, "digest_mismatch", {"url": sign(delivery, "x", sha256="0" * 64), "data": b"x"}),
            (400, "content_range_invalid", {"path": "x", "data": b"x", "headers": {"Content-Range": "x"}}),
            (400, "header_invalid", {"path": "x", "data": b"x", "headers": {"Content-Digest": "x"}}),
            (404, "upload_not_found", {"path": "x", "headers": {"Content-Range": "bytes */9"}}),
        ],
        "removeFile": [
            read,
            (404, "file_not_found", {"path": "none"}),
            (401, "credentials_missing", {"path": file["path"], "key": None}),
            (412, "precondition_failed", {"path": file["path"], "headers": stale}),
        ],
        "preflight": [],
    }


def sign(delivery, path, method="put", expiry=None, **policy):
    signed = f"{path}?expiry={expiry or int(time.time()) + 600}&method={method}"
    signed += "".join(f"&{name}={value}" for name, value in policy.items())
    digest = hmac.new(KEY.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{delivery}/{signed}&signature={base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def fresh():
    return f"{time.monotonic_ns()}.bin"


def upload(delivery):
    """A new file: its id and path."""
    path = f"folder/{fresh()}"
    return {"id": requests.put(sign(delivery, path), b"abc").json()["data"]["id"], "path": path}


def begin_upload(delivery):
    """The Upload object of a new one."""
    url = sign(delivery, f"folder/{fresh()}")
    return requests.put(url, b"abc", headers={"Content-Range": "bytes 2-4/9"}).json()["data"]


def fuzz(origin, version, at_delivery):
    """Requests that follow the document, and some that do not: no 5xx, every answer conforms."""
    headers = {"Accept-Version": version}
    document = requests.get(f"{origin}/openapi.json", headers=headers).json()
    document["paths"] = {
        path: item for path, item in document["paths"].items() if ("servers" in item) == at_delivery
    }
    for item in document["paths"].values():
        # The run says it.
        origin = item.pop("servers", [{"url": origin}])[0]["url"]
    for operation in operations_of(document).values():
        # Likewise; another version would be answered in another form.
        parameters = operation["parameters"] if "parameters" in operation else []
        parameters[:] = [one for one in parameters if one["name"] != "Accept-Version"]
    unchecked = [NOT_CHECKED] + [NOT_CHECKED_AT_DELIVERY] * at_delivery
    with tempfile.TemporaryDirectory() as directory:
        schema = Path(directory) / "openapi.json"
        schema.write_text(json.dumps(document))
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "run", str(schema), "--url", origin,
            "-H", f"Authorization: Bearer {KEY}", "-H", f"Accept-Version: {version}",
            "--exclude-checks", ",".join(unchecked), "--max-examples", str(EXAMPLES[version]),
            "--seed", "1", "--generation-database", "none", "--no-color",
        ]
        outcome = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    print(outcome.stdout[-6000:] if outcome.returncode else outcome.stdout[-600:])
    assert outcome.returncode == 0, outcome.stderr


if __name__ == "__main__":
    main(sys.argv[1])
