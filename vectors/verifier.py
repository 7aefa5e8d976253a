#!/usr/bin/env python3
"""An independent verifier, written from docs/signing.md alone. It reads one JSON request a line,
shaped like the `verify` cases of signing.json, and writes one outcome a line."""

import base64
import hashlib
import hmac
import json
import re
import sys

NAMES = {"expiry", "method", "max_size", "size", "type", "sha256", "overwrite", "ref", "download", "kid"}
META = re.compile(r"meta\.[A-Za-z0-9_-]{1,64}", re.ASCII)
EXPIRY = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)
SIZE = re.compile(r"0|[1-9][0-9]*", re.ASCII)
TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
TYPE = re.compile(rf"{TOKEN}/({TOKEN}|\*)", re.ASCII)
SHA256 = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}", re.ASCII)
OPERATIONS = {
    "get": {"GET": "read", "HEAD": "read"},
    "put": {"PUT": "upload", "POST": "upload", "PATCH": "upload", "HEAD": "upload_status", "DELETE": "upload_abort"},
    "delete": {"DELETE": "remove"},
}
BEARER = {"GET": ("get", "read"), "HEAD": ("get", "read"), "PUT": ("put", "upload"), "POST": ("put", "upload"),
          "PATCH": ("put", "upload"), "DELETE": ("delete", "remove")}
SCOPES = {"get": {"sign:get", "files:read"}, "put": {"sign:put", "files:write"}, "delete": {"files:delete"}}


class Refused(Exception):
    pass


def unescape(text):
    """Percent-decodes; None where that cannot be done in exactly one way."""
    raw, out, at = text.encode("utf-8", "surrogatepass"), bytearray(), 0
    while at < len(raw):
        if raw[at] == 0x25:
            digits = raw[at + 1:at + 3]
            if len(digits) != 2 or not re.fullmatch(rb"[0-9A-Fa-f]{2}", digits):
                return None
            out.append(int(digits, 16))
            at += 3
        else:
            out.append(raw[at])
            at += 1
    try:
        return out.decode("utf-8")
    except UnicodeDecodeError:
        return None


def is_control(c):
    return ord(c) < 32 or 127 <= ord(c) < 160


def path_of(raw):
    if len(raw.encode()) > 3 * 1024 or re.search(r"%2f|%5c", raw, re.I):
        return None
    path = unescape(raw)
    if path is None or path == "" or len(path.encode()) > 1024 or ESCAPE.search(path):
        return None
    if any(c in "?#\\" or is_control(c) for c in path):
        return None
    segments = path.split("/")
    if any(s in ("", ".", "..") or len(s.encode()) > 255 for s in segments) or segments[0] == ".well-known":
        return None
    return path


def ours(name):
    return name in NAMES or META.fullmatch(name) is not None


def grammar(query):
    """The signed part, its pairs, and the signature; None if the query breaks the grammar."""
    if "?" in query or len(query.encode()) > 48 * 1024 or "&signature=" not in query:
        return None
    signed, tail = query.split("&signature=", 1)
    signature, *foreign = tail.split("&")
    for pair in foreign:
        name = pair.split("=", 1)[0]
        if name == "signature" or ours(name):
            return None
    pairs = {}
    for pair in signed.split("&"):
        name, equals, text = pair.partition("=")
        if not equals or not ours(name) or name in pairs:
            return None
        pairs[name] = text
    if not EXPIRY.fullmatch(pairs.get("expiry", "")):
        return None
    for padding in ("=", "%3D", "%3d"):
        if signature.endswith(padding):
            signature = signature[:-len(padding)]
            break
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}", signature, re.ASCII):
        return None
    raw = base64.urlsafe_b64decode(signature + "=")
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != signature:
        return None
    return signed, pairs, raw


def makes_sense(pairs):
    if sum(name.startswith("meta.") for name in pairs) > 32:
        return False
    for name, raw in pairs.items():
        text = None if "+" in raw else unescape(raw)
        if text is None:
            return False
        if name == "method":
            fine = text in OPERATIONS
        elif name in ("size", "max_size"):
            fine = SIZE.fullmatch(text) is not None and int(text) <= 2**53 - 1
        elif name == "type":
            types = text.split(",")
            fine = len(types) <= 32 and all(TYPE.fullmatch(t) for t in types)
        elif name == "sha256":
            fine = SHA256.fullmatch(text) is not None
        elif name == "overwrite":
            fine = text in ("true", "false")
        elif name == "expiry":
            fine = True
        else:
            fine = len(text.encode()) <= 1024 and not any(is_control(c) for c in text)
        if not fine:
            return False
    return True


def allows(key, action, path):
    scopes, prefix = set(key["scopes"].split()), key["prefix"]
    if "admin" not in scopes and not scopes & SCOPES[action]:
        return False
    return within(path, prefix)


def within(path, prefix):
    if not path.startswith(prefix):
        return False
    rest = path[len(prefix):]
    return rest == "" or prefix == "" or prefix.endswith("/") or rest.startswith("/")


def judge(request):
    path = path_of(request["raw_path"])
    if path is None:
        raise Refused("path_invalid")
    query, method = request["raw_query"], request["method"]
    if query is not None and any(pair.split("=", 1)[0] == "signature" for pair in query.split("&")):
        return judge_signed(request, path, query, method)
    if request["bearer"] is not None:
        for key in request["keys"]:
            if key["verify_until"] is None and key["secret"] == request["bearer"]:
                action, operation = BEARER[method]
                if not allows(key, action, path):
                    raise Refused("scope_insufficient")
                return path, operation
        raise Refused("bearer_invalid")
    if method in ("GET", "HEAD") and not any(within(path, prefix) for prefix in request["private"]):
        return path, "read"
    raise Refused("credentials_missing")


def judge_signed(request, path, query, method):
    parsed = grammar(query)
    if parsed is None:
        raise Refused("signature_invalid")
    signed, pairs, signature = parsed
    keys = [k for k in request["keys"] if k["verify_until"] is None or request["now"] < k["verify_until"]]
    keys = [k for k in keys if "kid" not in pairs or k["id"] == pairs["kid"]][:8]
    found = None
    for key in keys:
        for spelling in (request["raw_path"], path):
            text = f"{spelling}?{signed}".encode()
            if hmac.compare_digest(hmac.new(key["secret"].encode(), text, hashlib.sha256).digest(), signature):
                found = key
    if found is None:
        raise Refused("signature_invalid")
    if not makes_sense(pairs):
        raise Refused("policy_malformed")
    expiry, now = int(pairs["expiry"]), request["now"]
    if now > expiry + 30:
        raise Refused("expired")
    if request["max_expiry"] is not None and expiry > now + request["max_expiry"]:
        raise Refused("expiry_too_far")
    action = pairs.get("method")
    if action is None:
        if request["legacy_urls"] == "off":
            raise Refused("method_not_permitted")
        both = request["legacy_urls"] == "both" and method in ("GET", "HEAD")
        action = "get" if both else "put"
    else:
        action = unescape(action)
    operation = OPERATIONS[action].get(method)
    if operation is None:
        raise Refused("method_not_permitted")
    if not allows(found, action, path):
        raise Refused("scope_insufficient")
    return path, operation


for line in sys.stdin:
    try:
        path, operation = judge(json.loads(line))
        outcome = {"accept": {"path": path, "operation": operation}}
    except Refused as refused:
        outcome = {"refuse": str(refused)}
    print(json.dumps(outcome))
