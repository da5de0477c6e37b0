"""Answers that are files: validators, conditions and ranges, exactly as nginx decides them.

A client must not be able to tell whether nginx or the node served a file, so the order of checks
and the odd cases (a weak If-Match, two ranges) follow nginx 1.22's not-modified and range filters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime

from apomixis_node.errors import ApiError

IMMUTABLE = "public, max-age=31536000, immutable"
_RANGE = re.compile(r"\s*(\d*)\s*-\s*(\d*)\s*")


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
        return formatdate(self.mtime, usegmt=True)


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
    unmodified = _date(headers.get("if-unmodified-since"))
    if unmodified is not None and mtime > unmodified:
        return 412
    if (wanted := headers.get("if-match")) is not None and not _matches(
        wanted, validators.etag, weak=False
    ):
        return 412
    since, tags = headers.get("if-modified-since"), headers.get("if-none-match")
    if since is None and tags is None:
        return 200
    if since is not None:
        date = _date(since)
        if date is None or mtime > date:
            return 200
    if tags is not None and not _matches(tags, validators.etag, weak=True):
        return 200
    return 304


def byte_range(headers: Mapping[str, str], validators: Validators) -> tuple[int, int] | None:
    """The one range [start, end) asked for, or None for the whole file.

    Several ranges get the whole. Raises ApiError `range_not_satisfiable` (416).
    """
    text = headers.get("range", "")
    if not text.lower().startswith("bytes=") or not _if_range(headers, validators):
        return None
    specs = text[6:].split(",")
    if len(specs) > 1:
        return None
    match = _RANGE.fullmatch(specs[0])
    first, last = (match[1], match[2]) if match else ("", "")
    length = validators.length
    if first:
        start, end = int(first), min(int(last) + 1 if last else length, length)
    else:
        start, end = max(0, length - int(last or 0)), length
    if not (first or last) or start >= end:
        raise ApiError(
            "range_not_satisfiable",
            f"The picture has {length} bytes; ask for a range inside them.",
            {"length": length},
        )
    return start, end


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


def _date(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None
