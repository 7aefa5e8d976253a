#!/usr/bin/env python3
"""Makes vectors/signing.json, from the documented scheme alone: standard library only, no code of
Gatepass. `--check` compares instead of writing."""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
from urllib.parse import quote

TARGET = pathlib.Path(__file__).with_name("signing.json")
ITTYBIT = "ittybit_test_key"
KEY = "gp_test_key_do_not_use_000000000000"
OTHER = "gp_other_key_do_not_use_11111111111"
FAR = 4102444800
NOW = 1700000000


def b64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def mac(key, text):
    return b64url(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())


def value(text):
    return quote(text, safe="/*,:@-._~")


def query_of(policy):
    parts = [("expiry", str(policy["expiry"]))]
    if "method" in policy:
        parts.append(("method", policy["method"]))
    rest = {k: v for k, v in policy.items() if k not in ("expiry", "method", "meta")}
    rest.update({f"meta.{k}": v for k, v in policy.get("meta", {}).items()})
    rest = {k: v for k, v in rest.items() if v is not True}
    for name in sorted(rest):
        v = rest[name].lower() if name == "sha256" else rest[name]
        parts.append((name, value("false" if v is False else str(v))))
    return "&".join(f"{n}={v}" for n, v in parts)


cases = []


def sign(id, path, policy, key=KEY, comment="", public_url="https://files.example.net"):
    query = query_of(policy)
    text = f"{path}?{query}"
    signature = mac(key, text)
    url = public_url.rstrip("/") + "/" + quote(path, safe="/-._~") + f"?{query}&signature={signature}"
    cases.append({
        "id": id, "kind": "sign", "comment": comment, "key": key, "path": path, "policy": policy,
        "public_url": public_url, "query": query, "string_to_sign": text,
        "signature": signature, "url": url,
    })


def sign_refuse(id, kind, path="a.bin", policy=None, comment=""):
    cases.append({
        "id": id, "kind": "sign-refuse", "comment": comment, "key": KEY, "path": path,
        "policy": {"expiry": FAR, "method": "put", **(policy or {})},
        "public_url": "https://files.example.net", "expect": refuse(kind),
    })


def key_entry(id="key_1", secret=KEY, **extra):
    return {"id": id, "secret": secret, "scopes": "admin", "prefix": "", "verify_until": None, **extra}


def verify(id, path, query, expect, method="PUT", keys=None, comment="", **settings):
    cases.append({
        "id": id, "kind": "verify", "comment": comment, "keys": keys or [key_entry()],
        "legacy_urls": "put", "max_expiry": None, "private": ["private/"], "now": NOW, "bearer": None,
        "method": method, "raw_path": path, "raw_query": query, **settings, "expect": expect,
    })


def signed(text, key=KEY):
    """path?query as written -> (path, query with its signature)"""
    path, query = text.split("?", 1)
    return path, f"{query}&signature={mac(key, text)}"


def accept(path, operation="upload"):
    return {"accept": {"path": path, "operation": operation}}


def refuse(kind):
    return {"refuse": kind}


INVALID = refuse("signature_invalid")
PATH = refuse("path_invalid")

# -- signing --------------------------------------------------------------------------------------
sign("doc-put", "image.png", {"expiry": 1765432100, "method": "put"}, ITTYBIT, "documented")
sign("doc-get", "private/image.png", {"expiry": 1735689600, "method": "get"}, ITTYBIT, "documented")
sign("doc-no-method", "image.png", {"expiry": 1765432100}, ITTYBIT, "documented")
sign("v1", "folder/image.png", {"expiry": FAR, "method": "put"})
sign("v2", "folder/image.png", {"expiry": FAR})
sign("v3", "private/a.png", {"expiry": FAR, "method": "get"})
sign("v5-blank", "a b.png", {"expiry": FAR, "method": "put"}, comment="the decoded path is signed")
for name, policy in {
    "max-size": {"max_size": 10000000}, "size": {"size": 0}, "type": {"type": "image/*,application/pdf"},
    "sha256": {"sha256": "ab" * 32}, "create-only": {"overwrite": False}, "ref": {"ref": "order 7 & more=é+%"},
    "meta": {"meta": {"user_id": "7", "Note-1": "a/b?c#d"}}, "download": {"download": "Bericht über.pdf"},
    "download-own": {"download": ""}, "kid": {"kid": "key_1"},
}.items():
    sign(f"policy-{name}", "a.bin", {"expiry": FAR, "method": "put", **policy})
sign("policy-all", "a.bin", {
    "expiry": FAR, "method": "put", "type": "image/*", "max_size": 9, "size": 5, "sha256": "00" * 32,
    "overwrite": False, "ref": "r", "kid": "key_1", "download": "d", "meta": {"b": "2", "a": "1"},
}, comment="expiry, method, then by name")
sign("delete", "old.bin", {"expiry": FAR, "method": "delete"})
sign("unicode-composed", "\u00e9.png", {"expiry": FAR, "method": "put"}, comment="NFC")
sign("unicode-decomposed", "e\u0301.png", {"expiry": FAR, "method": "put"}, comment="NFD: another file")
sign("unicode-wide", "写真/😀.png", {"expiry": FAR, "method": "put"})
sign("path-odd", "a+b&c=d;e:f@g!$'()*,~.png", {"expiry": FAR, "method": "put"}, comment="all allowed in a path")
sign("path-percent", "100% sure.png", {"expiry": FAR, "method": "put"}, comment="a percent sign that is no escape")

# -- signing: the edges ---------------------------------------------------------------------------
for name, path in {
    "1024-bytes": ("x" * 127 + "/") * 7 + "x" * 128, "wide": "/".join(["\u5199" * 85] * 4), "dots": ".../a..b/.hidden/..c/d.",
    "percent-signs": "100%/50%off/a%2/%%2/%zz%", "blanks": " a / /b ", "invisible": "\ufeffa\u00a0b\u2028c\u200bd.png",
    "well-known": ".well-known.txt/.well-known", "shell": "$(id)`id`'\"*~[a]{b}<c>|&;!.png", "dash": "-n/-e/--/-", "at": "@a.png",
    "ascii": "".join(chr(n) for n in range(32, 127) if chr(n) not in "?#\\/"), "newline-as-text": "a%nb.png",
}.items():
    sign(f"path-{name}", path, {"expiry": FAR, "method": "put"})
for name, policy in {
    "expiry-first": {"expiry": 1}, "expiry-last": {"expiry": 99999999999}, "max-size-most": {"max_size": 2**53 - 1},
    "size-most": {"size": 2**53 - 1}, "type-32": {"type": ",".join(f"image/x{n}" for n in range(32))},
    "type-odd": {"type": "application/vnd.a-b_c.d+xml,x!#$&^/y!#$&^,Image/PNG"}, "type-longest": {"type": "a" * 127 + "/" + "b" * 127},
    "sha256-upper": {"sha256": "AB" * 32}, "overwrite-true": {"overwrite": True}, "ref-empty": {"ref": ""},
    "ref-longest": {"ref": "\u00e9" * 512}, "ref-ascii": {"ref": "".join(chr(n) for n in range(32, 127))},
    "ref-blanks": {"ref": "  a  "}, "ref-escapes-as-text": {"ref": "%41 \\n \\101 %s %% $0 ${x}"}, "ref-dash": {"ref": "-n"},
    "ref-invisible": {"ref": "\ufeff\u00a0\u2028\u200b\U0001f600"}, "kid-odd": {"kid": "a&b=c"}, "download-dash": {"download": "--help"},
    "meta-order": {"meta": {"a-b": "1", "a": "2", "a0": "3", "a_b": "4", "B": "5", "_": "6", "-": "7"}},
    "meta-names": {"meta": {"7": "digits", "__proto__": "p", "constructor": "c", "n" * 64: "64", "ref": "r", "expiry": "e"}},
    "meta-empty-value": {"meta": {"a": ""}}, "meta-32": {"meta": {f"n{n}": "v" for n in range(32)}}, "meta-none": {"meta": {}},
}.items():
    sign(f"policy-{name}", "a.bin", {"expiry": FAR, "method": "put", **policy})
for name, public_url in {"slash": "https://files.example.net/", "port": "http://127.0.0.1:8080", "ipv6": "http://[::1]:8080/"}.items():
    sign(f"public-url-{name}", "a.bin", {"expiry": FAR, "method": "get"}, public_url=public_url)

# -- signing: what a signer refuses ---------------------------------------------------------------
for n, bad in enumerate(["", "/", "/a", "a/", "a//b", ".", "..", "a/.", "./a", "a/./b", "a/../b", "../a", "a?b", "a#b", "?", "#", "a\\b",
                         "secret.pdf?expiry=9999999999&method=put&x=", "a\x00b", "a\nb", "a.png\n", "\ta", "a\x1fb", "a\x7fb", "a\u0080b",
                         "a\u0085b", "a\u009fb", "a%20b", "a%2Fb", "a%2fb", "%41", "%c3%a9.png", "100%25", "a%%20b", "a%5Cb", "b" * 256,
                         "\u5199" * 86, "c/" + "b" * 256 + "/d", ("x" * 127 + "/") * 7 + "x" * 129, "/".join(["\u5199" * 85] * 4) + "/a",
                         ".well-known", ".well-known/gatepass/livez"]):
    sign_refuse(f"path-refused-{n}", "path_invalid", path=bad)
for n, bad in enumerate([
    {"expiry": 0}, {"expiry": -1}, {"expiry": 100000000000}, {"expiry": 1765432100000}, {"method": "PUT"}, {"method": "post"}, {"method": ""},
    {"method": "head"}, {"max_size": -1}, {"max_size": 2**53}, {"size": -5}, {"size": 2**53}, {"type": "image"}, {"type": "*/*"}, {"type": "*"},
    {"type": "image/"}, {"type": "/png"}, {"type": "image/png,"}, {"type": "image/ png"}, {"type": "image/png, image/gif"}, {"type": "image/*x"},
    {"type": "image/png\n"}, {"type": "image/png;q=1"}, {"type": "image/png/x"}, {"type": "image/p\u00e9"}, {"type": "a" * 128 + "/b"},
    {"type": "a/" + "b" * 128}, {"type": ",".join(f"image/x{n}" for n in range(33))}, {"sha256": ""}, {"sha256": "abc"}, {"sha256": "g" * 64},
    {"sha256": "a" * 65}, {"sha256": "a" * 63 + "\n"}, {"sha256": "a" * 64 + "\n"}, {"sha256": "\uff11" * 64}, {"ref": "a" * 1025},
    {"ref": "\u00e9" * 512 + "a"}, {"ref": "a\nb"}, {"ref": "a\n"}, {"ref": "\x00"}, {"ref": "a\x7f"}, {"ref": "\u0085"}, {"kid": "a\tb"},
    {"kid": "k" * 1025}, {"download": "a\r\nb"}, {"download": "\u009f"}, {"meta": {"": "v"}}, {"meta": {"a b": "v"}}, {"meta": {"a.b": "v"}},
    {"meta": {"\u00e9": "v"}}, {"meta": {"a=b": "v"}}, {"meta": {"a&b": "v"}}, {"meta": {"a\n": "v"}}, {"meta": {"n" * 65: "v"}},
    {"meta": {"a": "\n"}}, {"meta": {"a": "v" * 1025}}, {"meta": {f"n{n}": "v" for n in range(33)}},
    {"meta": {f"n{n}": " " * 1024 for n in range(16)}},
]):
    sign_refuse(f"policy-refused-{n}", "policy_malformed", policy=bad)

# -- verifying: the scheme ------------------------------------------------------------------------
V1 = "folder/image.png?expiry=4102444800&method=put"
verify("ok-v1", *signed(V1), accept("folder/image.png"))
verify("ok-documented", *signed("image.png?expiry=1765432100&method=put", ITTYBIT), accept("image.png"),
       keys=[key_entry(secret=ITTYBIT)])
verify("ok-order-is-free", *signed("a.png?type=image/png&method=put&expiry=4102444800"), accept("a.png"))
verify("ok-second-key", *signed(V1), accept("folder/image.png"), keys=[key_entry("key_0", OTHER), key_entry()])
verify("wrong-key", *signed(V1, OTHER), INVALID)
verify("no-keys", *signed(V1), INVALID, keys=[key_entry(secret=OTHER)])
verify("other-path", "folder/other.png", signed(V1)[1], INVALID)
verify("changed-expiry", "folder/image.png", signed(V1)[1].replace("4102444800", "4102444801"), INVALID)
verify("kid-right", *signed(V1 + "&kid=key_1"), accept("folder/image.png"))
verify("kid-unknown", *signed(V1 + "&kid=key_9"), INVALID)
verify("kid-of-another-key", *signed(V1 + "&kid=key_2"), INVALID, keys=[key_entry(), key_entry("key_2", OTHER)])
nine = [key_entry(f"key_{n}", f"{OTHER}{n}") for n in range(8)]
verify("ninth-key-is-not-tried", *signed(V1), INVALID, keys=nine + [key_entry("key_8")])
verify("ninth-key-by-kid", *signed(V1 + "&kid=key_8"), accept("folder/image.png"), keys=nine + [key_entry("key_8")])
verify("rotated-still", *signed(V1), accept("folder/image.png"), keys=[key_entry(verify_until=NOW + 1)])
verify("rotated-over", *signed(V1), INVALID, keys=[key_entry(verify_until=NOW)])
verify("scope-put-ok", *signed(V1), accept("folder/image.png"), keys=[key_entry(scopes="sign:put")])
verify("scope-lacking", *signed(V1), refuse("scope_insufficient"), keys=[key_entry(scopes="sign:get")])
verify("scope-delete-lacking", *signed("a?expiry=4102444800&method=delete"), refuse("scope_insufficient"),
       method="DELETE", keys=[key_entry(scopes="sign:put sign:get")])
verify("prefix-inside", *signed(V1), accept("folder/image.png"), keys=[key_entry(prefix="folder/")])
verify("prefix-outside", *signed("folders/x?expiry=4102444800&method=put"), refuse("scope_insufficient"),
       keys=[key_entry(prefix="folder")])
verify("foreign-after-signature", "folder/image.png", signed(V1)[1] + "&resumableChunkNumber=1&x", accept("folder/image.png"))
verify("ours-after-signature", "folder/image.png", signed(V1)[1] + "&expiry=9999999999", INVALID)
verify("signature-twice", "folder/image.png", signed(V1)[1] + "&signature=" + mac(KEY, V1), INVALID)

# -- A1: a name that brings its own query ---------------------------------------------------------
V4 = "secret.pdf?expiry=9999999999&method=put&x=?expiry=4102444800&method=get"
for method in ("GET", "PUT"):
    verify(f"A1-{method}", *signed(V4), INVALID, method=method)
verify("A1-in-ref", *signed("a?expiry=4102444800&method=put&ref=?expiry=9"), INVALID)
# -- A2, A3 ---------------------------------------------------------------------------------------
verify("A2", *signed("secret.pdf%3Fexpiry=9999999999&method=put?expiry=4102444800&method=get"), PATH, method="GET")
verify("A3-encoded", *signed("a%23b.png?expiry=4102444800&method=put"), PATH)
# -- A4: two spellings of one path ----------------------------------------------------------------
verify("A4-decoded-signed", "a%20b.png", signed("a b.png?expiry=4102444800&method=put")[1], accept("a b.png"), comment="V5")
verify("A4-raw-signed", *signed("a%20b.png?expiry=4102444800&method=put"), accept("a b.png"), comment="V6")
verify("A4-twice", *signed("a%2520b.png?expiry=4102444800&method=put"), PATH)
verify("A4-lower-case-escape", "%c3%a9.png", signed("\u00e9.png?expiry=4102444800&method=put")[1], accept("\u00e9.png"))
# -- A5 -------------------------------------------------------------------------------------------
for n, bad in enumerate(["x/../y", "%2e%2e/y", "./y", "x/%2E/y", "a//b", "a/", "/a", "", "a%2Fb", "a%2fb", "a%5Cb", "a\\b",
                         "a%00b", "a%0ab", "a%7fb", "a%zz", "a%", "a%2", "%ff.png", "a/" + "b" * 256, "a/" * 512 + "b",
                         ".well-known/x"]):
    verify(f"A5-{n}", *signed(f"{bad}?expiry=4102444800&method=put"), PATH)
# -- A6 -------------------------------------------------------------------------------------------
verify("A6-composed", "\u00e9.png", signed("\u00e9.png?expiry=4102444800&method=put")[1], accept("\u00e9.png"))
verify("A6-decomposed", "e\u0301.png", signed("e\u0301.png?expiry=4102444800&method=put")[1], accept("e\u0301.png"))
verify("A6-not-the-same", "e\u0301.png", signed("\u00e9.png?expiry=4102444800&method=put")[1], INVALID)
# -- A7: duplicates and pollution -----------------------------------------------------------------
for n, bad in enumerate(["expiry=1&expiry=4102444800", "expiry=4102444800&expiry=4102444800", "expiry=4102444800&Method=put",
                         "expiry[]=4102444800", "expiry=4102444800;method=put", "expiry=4102444800&&method=put",
                         "expiry=4102444800&method", "expiry=4102444800&x=1", "EXPIRY=4102444800", "method=put",
                         "expiry=4102444800&method=put&method=get", "expiry=4102444800&meta.=1", "expiry=4102444800&meta.a%20b=1",
                         "expiry=4102444800&meta.a=1&meta.a=2", "expiry=4102444800&", "&expiry=4102444800", "%65xpiry=4102444800"]):
    verify(f"A7-{n}", *signed(f"a.png?{bad}"), INVALID)
# -- A8, A9: spellings of a signature -------------------------------------------------------------
good = mac(KEY, V1)
for name, spelling, ok in [
    ("loose-bits-R", good[:-1] + "R", False), ("loose-bits-S", good[:-1] + "S", False), ("loose-bits-T", good[:-1] + "T", False),
    ("padded", good + "=", True), ("padded-escaped", good + "%3D", True), ("padded-twice", good + "==", False),
    ("standard-alphabet", good.replace("-", "+").replace("_", "/"), False), ("blank", good + "%20", False),
    ("escaped", "%68" + good[1:], False), ("lower-case", good.lower(), False), ("cut", good[:-1], False), ("empty", "", False),
    ("long", good * 200, False), ("31-bytes", b64url(b"x" * 31), False), ("33-bytes", b64url(b"x" * 33), False),
]:
    verify(f"A8-{name}", "folder/image.png", f"expiry=4102444800&method=put&signature={spelling}",
           accept("folder/image.png") if ok else INVALID)
# -- A12, A13, expiry -----------------------------------------------------------------------------
for n, bad in enumerate(["0", "-1", "+1", "1e12", "0x7f", "1765432100000", "9223372036854775808", "1765432100.5", "%201", "１７６５",
                         "", "01765432100", "1_765"]):
    verify(f"A12-{n}", *signed(f"a.png?expiry={bad}&method=put"), INVALID)
for name, at, expect in [("now", 0, accept("a.png")), ("leeway", -30, accept("a.png")), ("over", -31, refuse("expired")),
                         ("long-over", -100000, refuse("expired"))]:
    verify(f"expiry-{name}", *signed(f"a.png?expiry={NOW + at}&method=put"), expect)
verify("expired-but-forged", "a.png", f"expiry={NOW - 100}&method=put&signature=" + mac(OTHER, "x"), INVALID,
       comment="expired may be said only after the signature matched")
verify("A13-within", *signed(f"a.png?expiry={NOW + 600}&method=put"), accept("a.png"), max_expiry=600)
verify("A13-beyond", *signed(f"a.png?expiry={NOW + 601}&method=put"), refuse("expiry_too_far"), max_expiry=600)
# -- A15, A17: methods ----------------------------------------------------------------------------
TABLE = {
    ("get", "GET"): "read", ("get", "HEAD"): "read",
    ("put", "PUT"): "upload", ("put", "POST"): "upload", ("put", "PATCH"): "upload",
    ("put", "HEAD"): "upload_status", ("put", "DELETE"): "upload_abort", ("delete", "DELETE"): "remove",
}
for action in ("get", "put", "delete"):
    for method in ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"):
        operation = TABLE.get((action, method))
        expect = accept("a.png", operation) if operation else refuse("method_not_permitted")
        verify(f"A15-{action}-{method}", *signed(f"a.png?expiry={FAR}&method={action}"), expect, method=method)
for legacy in ("put", "both", "off"):
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        operation = {"off": None, "put": TABLE.get(("put", method)),
                     "both": TABLE.get(("get" if method in ("GET", "HEAD") else "put", method))}[legacy]
        expect = accept("a.png", operation) if operation else refuse("method_not_permitted")
        verify(f"A17-{legacy}-{method}", *signed(f"a.png?expiry={FAR}"), expect, method=method, legacy_urls=legacy)
# -- signed values that make no sense -------------------------------------------------------------
for n, bad in enumerate(["method=PUT", "method=post", "method=", "max_size=10MB", "max_size=-1", "max_size=007", "size=", "size=1e3",
                         "max_size=9007199254740992", "type=image", "type=", "type=*/*", "type=a/b,,c/d", "sha256=abc",
                         "sha256=" + "g" * 64, "overwrite=no", "ref=a+b", "ref=%zz", "ref=%ff", "ref=%0a", "ref=" + "a" * 1025,
                         "meta.a=%00"]):
    verify(f"value-{n}", *signed(f"a.png?expiry={FAR}&{bad}"), refuse("policy_malformed"))
verify("value-meta-32", *signed(f"a.png?expiry={FAR}&" + "&".join(f"meta.n{n}=1" for n in range(32))), accept("a.png"))
verify("value-meta-33", *signed(f"a.png?expiry={FAR}&" + "&".join(f"meta.n{n}=1" for n in range(33))), refuse("policy_malformed"))
# -- without a signature --------------------------------------------------------------------------
verify("public-get", "a.png", None, accept("a.png", "read"), method="GET")
verify("public-get-with-a-query", "a.png", "v=3&expiry=1", accept("a.png", "read"), method="GET")
verify("public-put", "a.png", None, refuse("credentials_missing"))
verify("private-get", "private/a.png", None, refuse("credentials_missing"), method="GET")
verify("private-sibling", "private-ish/a.png", None, accept("private-ish/a.png", "read"), method="GET")
verify("private-signed", *signed(f"private/a.png?expiry={FAR}&method=get"), accept("private/a.png", "read"), method="GET")
verify("A17-private-legacy", *signed(f"private/a.png?expiry={FAR}"), refuse("method_not_permitted"), method="GET")
verify("signature-case", "a.png", "expiry=1&Signature=" + good, refuse("credentials_missing"), comment="no parameter of ours")
verify("bearer-put", "a.png", None, accept("a.png"), bearer=KEY)
verify("bearer-delete", "a.png", None, accept("a.png", "remove"), method="DELETE", bearer=KEY)
verify("bearer-private", "private/a.png", None, accept("private/a.png", "read"), method="GET", bearer=KEY)
verify("bearer-wrong", "a.png", None, refuse("bearer_invalid"), bearer=OTHER)
verify("bearer-empty", "a.png", None, refuse("bearer_invalid"), bearer="")
verify("bearer-wrong-on-public", "a.png", None, refuse("bearer_invalid"), method="GET", bearer=OTHER)
verify("bearer-rotated", "a.png", None, refuse("bearer_invalid"), bearer=KEY, keys=[key_entry(verify_until=NOW + 99)])
verify("bearer-scope", "a.png", None, refuse("scope_insufficient"), method="DELETE", bearer=KEY, keys=[key_entry(scopes="sign:put")])
verify("bearer-does-not-mend", *signed(V1, OTHER), INVALID, bearer=KEY, comment="a signature decides alone")

# -- receipts -------------------------------------------------------------------------------------
claims = {"sub": "file_0123456789abcdef", "path": "users/7/\u00e9.png", "size": 48213, "type": "image/png",
          "etag": "6dd02gsbafbnrkaexwb389nv0r", "iat": NOW, "exp": NOW + 3600}


def jwt(header, payload, key):
    text = ".".join(b64url(json.dumps(part, separators=(",", ":"), ensure_ascii=False).encode()) for part in (header, payload))
    return f"{text}.{mac(key, text)}"


HS256 = {"alg": "HS256", "typ": "JWT"}
token = jwt(HS256, claims, KEY)


def receipt(id, token, now, expect, key=KEY, comment=""):
    cases.append({"id": id, "kind": "receipt", "comment": comment, "key": key, "token": token, "now": now, "expect": expect})


cases.append({"id": "receipt-issue", "kind": "receipt-issue", "comment": "exact bytes", "key": KEY, "claims": claims, "token": token})
receipt("receipt-ok", token, NOW, {"accept": claims})
receipt("receipt-last-second", token, NOW + 3599, {"accept": claims})
receipt("receipt-expired", token, NOW + 3600, refuse("expired"))
receipt("receipt-other-key", token, NOW, refuse("signature_invalid"), key=OTHER)
receipt("receipt-alg-none", jwt({"alg": "none", "typ": "JWT"}, claims, KEY), NOW, refuse("malformed"))
receipt("receipt-alg-none-unsigned", jwt({"alg": "none", "typ": "JWT"}, claims, KEY).rsplit(".", 1)[0] + ".", NOW, refuse("malformed"))
receipt("receipt-hs512", jwt({"alg": "HS512", "typ": "JWT"}, claims, KEY), NOW, refuse("malformed"))
receipt("receipt-changed", token.split(".")[0] + "." + b64url(json.dumps({**claims, "size": 1}).encode()) + "." + token.split(".")[2], NOW,
        refuse("signature_invalid"))
receipt("receipt-unsigned", token.rsplit(".", 1)[0] + ".", NOW, refuse("signature_invalid"))
receipt("receipt-padded", token + "=", NOW, refuse("signature_invalid"), comment="a signature has one spelling")
receipt("receipt-loose-bits", token[:-1] + chr(ord(token[-1]) + 1), NOW, refuse("signature_invalid"))
receipt("receipt-signature-cut", token[:-1], NOW, refuse("signature_invalid"))
receipt("receipt-four-parts", token + ".x", NOW, refuse("malformed"))
receipt("receipt-two-parts", token.rsplit(".", 1)[0], NOW, refuse("malformed"))
receipt("receipt-too-long", token.split(".")[0] + "." + "A" * 8192 + "." + token.split(".")[2], NOW, refuse("malformed"))
odd = {**claims, "path": "\u5199\u771f/\U0001f600 \"q\" /a&b=c,\\d.png"}
receipt("receipt-odd-path", jwt(HS256, odd, KEY), NOW, {"accept": odd})
receipt("receipt-more-claims", jwt(HS256, {**claims, "more": {"a": [1, None, True, "x\n"]}}, KEY), NOW, {"accept": claims})
receipt("receipt-zero-size", jwt(HS256, {**claims, "size": 0}, KEY), NOW, {"accept": {**claims, "size": 0}})


def signed_payload(payload):
    text = f"{token.split('.')[0]}.{payload}"
    return f"{text}.{mac(KEY, text)}"


for n, bad in enumerate([{k: v for k, v in claims.items() if k != "exp"}, {k: v for k, v in claims.items() if k != "sub"},
                         {**claims, "size": "48213"}, {**claims, "size": -1}, {**claims, "size": 1.5}, {**claims, "exp": None},
                         {**claims, "path": 7}, [claims], "claims", None]):
    receipt(f"receipt-claims-{n}", jwt(HS256, bad, KEY), NOW, refuse("malformed"), comment="signed, but no claims of ours")
for name, payload in {"not-json": b64url(b"{"), "empty": "", "not-base64": "!!!!", "standard-alphabet": "+/+/", "padded": b64url(b"{}") + "=",
                      "not-utf-8": b64url(json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode("latin-1")), "trailing": b64url(json.dumps(claims).encode() + b"x")}.items():
    receipt(f"receipt-payload-{name}", signed_payload(payload), NOW, refuse("malformed"))
receipt("receipt-garbage", "a.b.c", NOW, refuse("malformed"))
receipt("receipt-empty", "", NOW, refuse("malformed"))

assert len({case["id"] for case in cases}) == len(cases), "ids are unique"
text = json.dumps({"format": 1, "cases": cases}, indent=1, ensure_ascii=True) + "\n"
if "--check" in sys.argv:
    if TARGET.read_text() != text:
        sys.exit("vectors/signing.json is not up to date: run vectors/generate.py")
else:
    TARGET.write_text(text)
print(f"{len(cases)} cases")
