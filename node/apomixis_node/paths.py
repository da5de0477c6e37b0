"""The grammar of image URLs: `/image/{id}/{size}/[{signature}/]{name}.{ext}`.

Matched against the bytes of the request line, never against a decoded path: what is percent-encoded
stays so, and nothing from the name can become a header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from apomixis_node.errors import ApiError
from apomixis_node.formats import AUTO, BY_EXTENSION, CANONICAL_EXTENSION, FORMATS
from apomixis_node.sizes import BadSize, Size, parse
from apomixis_ring.model import is_image_id

# RFC 5987 attr-char without `#`, which no URL can carry in its path, or a percent-encoded byte that
# is no control, slash, backslash or delete.
NAME = r"(?:[A-Za-z0-9!$&+.^_`|~-]|%(?!2[fF]|5[cC]|7[fF])[2-9A-Fa-f][0-9A-Fa-f]){1,200}"
SIGNATURE = r"[A-Za-z0-9_-]{22}"
_SHAPE = re.compile(
    rf"/image/(?P<id>[^/]*)/(?P<size>[^/]*)/(?:(?P<signature>{SIGNATURE})/)?"
    rf"(?P<name>{NAME})\.(?P<extension>[A-Za-z0-9]{{1,8}})"
)
SHAPE_TEXT = "/image/{id}/{size}/{name}.{ext}"
EXTENSIONS = (AUTO, *(f.extension for f in FORMATS))


@dataclass(frozen=True, slots=True)
class ImagePath:
    """What an image URL asks for. `name` is as it was sent, percent-encoded."""

    image_id: str
    size: Size
    extension: str
    name: str
    signature: str | None = None

    def __str__(self) -> str:
        signature = f"{self.signature}/" if self.signature else ""
        return f"/image/{self.image_id}/{self.size}/{signature}{self.name}.{self.extension}"

    @property
    def disposition(self) -> str:
        """The Content-Disposition header: the name from the URL, as encoded there."""
        return f"inline; filename*=UTF-8''{self.name}.{self.extension}"


def read_path(raw: bytes, *, max_side: int, qualities: tuple[int, ...]) -> ImagePath:
    """Parse the request's raw path (without query). `str()` of the result is the canonical path.

    Raises ApiError `bad_path`, `bad_id` or `bad_size` (400), each saying what is wanted.
    """
    match = _SHAPE.fullmatch(raw.decode("latin-1"))
    if match is None:
        raise ApiError("bad_path", f"An image is at {SHAPE_TEXT}; the name at most 200 characters.")
    image_id, extension = match["id"], match["extension"]
    if not is_image_id(image_id):
        raise ApiError("bad_id", "An id is 40 lowercase hex digits: the SHA-1 of the bytes.")
    extension = CANONICAL_EXTENSION.get(extension.lower(), extension.lower())
    if extension not in EXTENSIONS:
        raise ApiError("bad_path", f"Ask for one of the extensions {', '.join(EXTENSIONS)}.")
    size = read_size(match["size"], max_side=max_side, qualities=qualities)
    return ImagePath(image_id, size, extension, match["name"], match["signature"])


def read_size(text: str, *, max_side: int, qualities: tuple[int, ...]) -> Size:
    """Parse a size; raises ApiError `bad_size` (400), which shows the grammar."""
    try:
        return parse(text, max_side=max_side, qualities=qualities)
    except BadSize as wrong:
        raise ApiError("bad_size", str(wrong)) from None


def file_name(name: str | None, fallback: str) -> str:
    """A file's name without folder and extension, encoded for an image URL."""
    stem = re.split(r"[/\\]", name or "")[-1]
    known = stem.lower().rpartition(".")
    if known[1] and (known[2] in BY_EXTENSION or known[2] in CANONICAL_EXTENSION):
        stem = stem[: -len(known[2]) - 1]
    printable = "".join(c for c in stem if c.isprintable()).strip(". ")
    encoded = quote(printable[:60], safe="!$&+^`|~")
    return encoded if re.fullmatch(NAME, encoded) else fallback
