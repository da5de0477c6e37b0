"""Answers that are files: validators, conditions and ranges, exactly as nginx decides them.

A client must not be able to tell whether nginx or the node served a file, so the order of checks
and the odd cases (a weak If-Match, two ranges, a date that is none) follow nginx 1.22's
not-modified and range filters with `if_modified_since before` and `max_ranges 1`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

from apomixis_node.errors import ApiError

IMMUTABLE = "public, max-age=31536000, immutable"
_RANGE = re.compile(r" *(?:([0-9]{1,4000}) *- *([0-9]{0,4000})|-([0-9]{1,4000})) *")
_LARGEST = 2**63 - 1
# The three forms of RFC 9110; whatever zone follows counts as GMT.
_DATE = re.compile(r"[A-Za-z]{3,9},? [\w -]*?\d\d:\d\d:\d\d(?: \d{4})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Validators:
    """What a file is compared by: its length in bytes and its mtime in whole seconds."""

    length: int
    mtime: int

    @property
    def etag(self) -> str:
        """Strong and quoted, as nginx makes it: hex mtime, hex length."""
        return f'"{self.mtime:x}-{self.length:x}"'

    @property
    def last_modified(self) -> str:
        """The mtime as an HTTP date."""
        return _http_date(self.mtime)


@lru_cache(maxsize=4096)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def image_headers(
    validators: Validators, mime: str, disposition: str, *, varies: bool, ranges: bool
) -> dict[str, str]:
    """The headers of every image, 304s included (without a body, the type stays out of it)."""
    headers = {
        "Content-Type": mime,
        "ETag": validators.etag,
        "Last-Modified": validators.last_modified,
        "Cache-Control": IMMUTABLE,
        "Content-Disposition": disposition,
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Allow-Origin": "*",
    }
    if varies:
        headers["Vary"] = "Accept"
    if ranges:
        headers["Accept-Ranges"] = "bytes"
    return headers


def condition(headers: Mapping[str, str], validators: Validators) -> int:
    """The status that the request's conditions ask for: 200, 304 or 412."""
    mtime = validators.mtime
    unmodified = headers.get("if-unmodified-since")
    if unmodified is not None and mtime > _date(unmodified):
        return 412
    if (wanted := headers.get("if-match")) is not None and not _matches(
        wanted, validators.etag, weak=False
    ):
        return 412
    since, tags = headers.get("if-modified-since"), headers.get("if-none-match")
    if since is None and tags is None:
        return 200
    if since is not None and mtime > _date(since):
        return 200
    if tags is not None and not _matches(tags, validators.etag, weak=True):
        return 200
    return 304


def byte_range(headers: Mapping[str, str], validators: Validators) -> tuple[int, int] | None:
    """The one range [start, end) asked for, or None for the whole file.

    Several ranges inside it get the whole. Raises ApiError `range_not_satisfiable` (416).
    """
    text = headers.get("range", "")
    if len(text) < 7 or text[:6].lower() != "bytes=" or not _if_range(headers, validators):
        return None
    found = None
    for spec in text[6:].split(","):
        start, end = _bounds(spec, validators.length)
        if start < end and found:
            return None
        if start < end:
            found = start, end
    if found is None:
        raise _not_satisfiable(validators.length)
    return found


def _bounds(spec: str, length: int) -> tuple[int, int]:
    match = _RANGE.fullmatch(spec)
    first, last, suffix = (int(n or -1) for n in match.groups()) if match else (-1, -1, -1)
    if match is None or max(first, last, suffix) > _LARGEST:
        raise _not_satisfiable(length)
    if suffix >= 0:
        return max(0, length - suffix), length
    return first, min(last + 1 if last >= 0 else length, length)


def _not_satisfiable(length: int) -> ApiError:
    return ApiError(
        "range_not_satisfiable",
        f"The picture has {length} bytes; ask for a range inside them.",
        {"length": length},
    )


def _if_range(headers: Mapping[str, str], validators: Validators) -> bool:
    wanted = headers.get("if-range")
    if wanted is None:
        return True
    if wanted.endswith('"'):
        return wanted == validators.etag
    return _date(wanted) == validators.mtime


def _matches(header: str, etag: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return True
    tags = [tag.strip() for tag in header.split(",")]
    return etag in ([tag.removeprefix("W/") for tag in tags] if weak else tags)


def _date(text: str) -> int:
    """Seconds since 1970, or -1 where the text is no date: older than every picture."""
    match = _DATE.match(text)
    try:
        date = parsedate_to_datetime(f"{match[0]} GMT" if match else "")
        return int(date.replace(tzinfo=UTC).timestamp())
    except (ValueError, TypeError, OverflowError):
        return -1
