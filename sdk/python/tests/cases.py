"""One case of vectors/signing.json, as this package answers it. Run as a program, it answers the
cases on its standard input: a URL, claims, or "!" and a code, one a line."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "src"))

from gatepass_sign import ReceiptError, Signer, SigningError  # noqa: E402

CLAIMS = ("sub", "path", "size", "type", "etag", "iat", "exp")


def answer(case):
    signer = Signer(case["key"], case.get("public_url", "https://files.example.net"))
    try:
        if case["kind"] == "receipt":
            return line(signer.verify_receipt(case["token"], case["now"])._asdict())
        return signer.sign(case["path"], **case["policy"])
    except (SigningError, ReceiptError) as error:
        return f"!{error.code}"


def expected(case):
    if "url" in case:
        return case["url"]
    expect = case["expect"]
    return line(expect["accept"]) if "accept" in expect else f"!{expect['refuse']}"


def line(claims):
    return "\t".join(str(claims[name]) for name in CLAIMS)


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    for one in json.load(sys.stdin.buffer):
        print(answer(one))
