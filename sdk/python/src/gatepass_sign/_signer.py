"""The signature, and what is signed with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from typing import TYPE_CHECKING, NamedTuple, Optional

from ._errors import ReceiptError, SigningError
from ._policy import SignOptions, check_path, encode_path, query_of

if TYPE_CHECKING:
    from typing import Unpack

# {"alg":"HS256","typ":"JWT"}
_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
_TOKEN_MAX = 8192


class ReceiptClaims(NamedTuple):
    """What a receipt states about an upload."""

    sub: str
    """The file's id."""
    path: str
    """Its path, decoded."""
    size: int
    """Its size in bytes."""
    type: str
    """Its content type."""
    etag: str
    """Its entity tag, without quotes."""
    iat: int
    """When the receipt was issued, in Unix seconds."""
    exp: int
    """When it ends, in Unix seconds."""


class Signer:
    """Signs URLs and checks receipts with one API key.

    `public_url` is where files are served: scheme, host and port. The options of the methods:

    - `expires_in`: seconds from now within which a request may begin (3600), or `expiry`: the
      moment itself, in Unix seconds;
    - `max_size`, `size`: most and exact bytes of the upload, at most 2^53 - 1;
    - `type`: content types allowed, `image/png` or `image/*`: text with commas, or a list of 32;
    - `sha256`: what the bytes must hash to, 64 hexadecimal digits;
    - `overwrite`: `False` lets the upload create, never replace;
    - `ref`, `meta`: kept on the File; texts of at most 1,024 bytes, at most 32 entries;
    - `download`: reading sends an attachment under this name, or under its own for `""`;
    - `kid`: id of the key, so that no other is tried.

    All raise `SigningError` for what the server would refuse.
    """

    def __init__(self, key: str, public_url: str) -> None:
        if not isinstance(key, str) or not key:
            raise SigningError("settings_invalid", "key: the API key is missing")
        if not isinstance(public_url, str) or not re.fullmatch(r"https?://[A-Za-z0-9._:\[\]-]+/*", public_url):
            raise SigningError("settings_invalid", "public_url: must be scheme and host, https://files.example.net")
        self._key = key.encode()
        self._public_url = public_url.rstrip("/")

    def sign_upload(self, path: str, **options: Unpack[SignOptions]) -> str:
        """A URL that uploads to `path`, in one request or in chunks."""
        return self.sign(path, method="put", **options)

    def sign_download(self, path: str, **options: Unpack[SignOptions]) -> str:
        """A URL that reads the file at `path`."""
        return self.sign(path, method="get", **options)

    def sign_delete(self, path: str, **options: Unpack[SignOptions]) -> str:
        """A URL that deletes the file at `path`."""
        return self.sign(path, method="delete", **options)

    def sign(self, path: str, *, method: Optional[str] = None, **options: Unpack[SignOptions]) -> str:
        """A URL for any `method` (`get`, `put`, `delete`), or for none."""
        check_path(path)
        query = query_of(method=method, **options)
        return f"{self._public_url}/{encode_path(path)}?{query}&signature={self._mac(f'{path}?{query}')}"

    def verify_receipt(self, token: str, now: Optional[int] = None) -> ReceiptClaims:
        """What a receipt states, if this key signed it and its time is not over.

        Compare `path` with the one that you signed. Raises `ReceiptError` otherwise.
        """
        parts = token.split(".") if isinstance(token, str) and len(token) <= _TOKEN_MAX else []
        # The algorithm is never taken from the token: only this one header is ours.
        if len(parts) != 3 or parts[0] != _HEADER:
            raise ReceiptError("malformed", "the receipt is malformed")
        header, payload, signature = parts
        if not hmac.compare_digest(self._mac(f"{header}.{payload}").encode(), _utf8(signature)):
            raise ReceiptError("signature_invalid", "the receipt's signature does not match")
        claims = _read_claims(payload)
        if (time.time() if now is None else now) >= claims.exp:
            raise ReceiptError("expired", "the receipt has expired")
        return claims

    def _mac(self, text: str) -> str:
        digest = hmac.new(self._key, _utf8(text), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _read_claims(payload: str) -> ReceiptClaims:
    try:
        if not re.fullmatch(r"[A-Za-z0-9_-]*", payload):
            raise ValueError("not base64url")
        read = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode())
        claims = ReceiptClaims(**{name: read[name] for name in ReceiptClaims._fields})
    except (ValueError, KeyError, TypeError):
        raise ReceiptError("malformed", "the receipt's claims are malformed") from None
    texts = (claims.sub, claims.path, claims.type, claims.etag)
    numbers = (claims.size, claims.iat, claims.exp)
    if all(isinstance(text, str) for text in texts) and all(type(one) is int and one >= 0 for one in numbers):
        return claims
    raise ReceiptError("malformed", "the receipt's claims are malformed")


def _utf8(text: str) -> bytes:
    """A surrogate in a token matches nothing, and must not fail."""
    return text.encode("utf-8", "surrogatepass")
