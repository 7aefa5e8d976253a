"""The grammar of paths and the query that is signed."""

import re
import time
from typing import Dict, Mapping, NoReturn, Optional, Sequence, TypedDict, Union
from urllib.parse import quote

from ._errors import SigningError

PATH_BYTES_MAX = 1024
SEGMENT_BYTES_MAX = 255
VALUE_BYTES_MAX = 1024
LIST_MAX = 32
SIZE_MAX = 2**53 - 1
EXPIRY_MAX = 99_999_999_999
EXPIRES_IN_DEFAULT = 3600
# 48 KiB, less `&signature=` and its 43 characters.
QUERY_BYTES_MAX = 48 * 1024 - 54

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_META_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_TYPE = re.compile(rf"{_TOKEN}/(?:{_TOKEN}|\*)")
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")


class SignOptions(TypedDict, total=False):
    """What a signed URL allows, as described at `Signer`. `None` is the same as absent."""

    expires_in: Optional[int]
    expiry: Optional[int]
    max_size: Optional[int]
    size: Optional[int]
    type: Union[str, Sequence[str], None]
    sha256: Optional[str]
    overwrite: Optional[bool]
    ref: Optional[str]
    meta: Optional[Mapping[str, str]]
    download: Optional[str]
    kid: Optional[str]


def check_path(path: str) -> None:
    """Refuses what two readers could understand differently, and what would bring its own query."""
    reason = _path_fault(path)
    if reason is not None:
        raise SigningError("path_invalid", f"the path {reason}")


def _path_fault(path: str) -> Optional[str]:
    if not isinstance(path, str) or path == "":
        return "is empty"
    if not _is_well_formed(path):
        return "is not well-formed Unicode"
    if len(path.encode()) > PATH_BYTES_MAX:
        return "is longer than 1024 bytes"
    if re.search(r"[?#\\]", path) or _CONTROL.search(path):
        return "has one of ? # \\ or a control character"
    if _ESCAPE.search(path):
        return "holds a percent escape: give it decoded"
    segments = path.split("/")
    if "" in segments:
        return "has an empty segment"
    if "." in segments or ".." in segments:
        return "has a dot segment"
    if any(len(segment.encode()) > SEGMENT_BYTES_MAX for segment in segments):
        return "has a segment longer than 255 bytes"
    if segments[0] == ".well-known":
        return "starts with the reserved segment .well-known"
    return None


def encode_path(path: str) -> str:
    """The path as it goes into a URL."""
    return quote(path, safe="/-._~")


def query_of(
    *,
    expires_in: Optional[int] = None,
    expiry: Optional[int] = None,
    method: Optional[str] = None,
    max_size: Optional[int] = None,
    size: Optional[int] = None,
    type: Union[str, Sequence[str], None] = None,
    sha256: Optional[str] = None,
    overwrite: Optional[bool] = None,
    ref: Optional[str] = None,
    meta: Optional[Mapping[str, str]] = None,
    download: Optional[str] = None,
    kid: Optional[str] = None,
) -> str:
    """The query that is signed: `expiry`, `method`, then the rest by name."""
    parts = [f"expiry={_expiry(expires_in, expiry)}"]
    if method is not None:
        parts.append(f"method={_method(method)}")
    rest: Dict[str, Optional[str]] = {
        "max_size": _bytes("max_size", max_size),
        "size": _bytes("size", size),
        "type": _types(type),
        "sha256": _sha256(sha256),
        "overwrite": _overwrite(overwrite),
        "ref": _text("ref", ref),
        "download": _text("download", download),
        "kid": _text("kid", kid),
        **_meta(meta),
    }
    parts += [f"{name}={quote(value, safe='/*,:@-._~')}" for name, value in sorted(rest.items()) if value is not None]
    query = "&".join(parts)
    if len(query) > QUERY_BYTES_MAX:
        _bad("query", "all values together are longer than 48 KiB, encoded")
    return query


def _expiry(expires_in: Optional[int], expiry: Optional[int]) -> int:
    if expires_in is not None and expiry is not None:
        _bad("expiry", "give it or expires_in, not both")
    if expiry is None:
        seconds = EXPIRES_IN_DEFAULT if expires_in is None else expires_in
        if not _is_whole(seconds) or seconds < 1:
            _bad("expires_in", "must be a whole number of seconds, 1 or more")
        expiry = int(time.time()) + seconds
    if not _is_whole(expiry) or not 1 <= expiry <= EXPIRY_MAX:
        _bad("expiry", "must be 1 to 99999999999 Unix seconds")
    return expiry


def _method(method: str) -> str:
    if method not in ("get", "put", "delete"):
        _bad("method", "must be get, put or delete")
    return method


def _bytes(name: str, value: Optional[int]) -> Optional[str]:
    if value is None:
        return None
    if not _is_whole(value) or not 0 <= value <= SIZE_MAX:
        _bad(name, "must be a whole number of bytes, at most 2^53 - 1")
    return str(value)


def _types(value: Union[str, Sequence[str], None]) -> Optional[str]:
    if value is None:
        return None
    types = value.split(",") if isinstance(value, str) else list(value)
    if len(types) > LIST_MAX:
        _bad("type", "at most 32 types")
    if not types or not all(isinstance(one, str) and _TYPE.fullmatch(one) for one in types):
        _bad("type", "must be types such as image/png or image/*")
    return ",".join(types)


def _sha256(value: Optional[str]) -> Optional[str]:
    if value is None:
        return None
    if not isinstance(value, str) or not _SHA256.fullmatch(value):
        _bad("sha256", "must be 64 hexadecimal digits")
    return value.lower()


def _overwrite(value: Optional[bool]) -> Optional[str]:
    if value is not None and not isinstance(value, bool):
        _bad("overwrite", "must be True or False")
    return "false" if value is False else None


def _meta(meta: Optional[Mapping[str, str]]) -> Dict[str, Optional[str]]:
    meta = meta or {}
    if len(meta) > LIST_MAX:
        _bad("meta", "at most 32 entries")
    for name, value in meta.items():
        if not isinstance(name, str) or not _META_NAME.fullmatch(name):
            _bad(f"meta.{name}", "the name must be 1 to 64 letters, digits, _ or -")
        if value is None:
            _bad(f"meta.{name}", "must be text")
    return {f"meta.{name}": _text(f"meta.{name}", value) for name, value in meta.items()}


def _text(name: str, value: Optional[str]) -> Optional[str]:
    if value is None:
        return None
    if not isinstance(value, str) or not _is_well_formed(value):
        _bad(name, "must be text")
    if len(value.encode()) > VALUE_BYTES_MAX:
        _bad(name, "longer than 1024 bytes")
    if _CONTROL.search(value):
        _bad(name, "has a control character")
    return value


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_well_formed(text: str) -> bool:
    """Half a surrogate pair has no UTF-8."""
    return not re.search(r"[\ud800-\udfff]", text)


def _bad(name: str, reason: str) -> NoReturn:
    raise SigningError("policy_malformed", f"{name}: {reason}")
