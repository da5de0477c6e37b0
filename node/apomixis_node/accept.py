"""What an `Accept` header names: the one thing that decides what an `auto` URL is. Pure.

The patterns are nginx's too, so that both always agree. A type counts as named only literally and
with q above 0; `*/*` names nothing.
"""

from __future__ import annotations

import re
from typing import Literal

from apomixis_node.formats import AVIF, GIF, JPEG, PNG, WEBP

Named = Literal["a", "w", "n"]  # AVIF, else WebP, else neither

_ZERO = r"[ \t]*q[ \t]*=[ \t]*(?:0+\.?0*|\.0+)[ \t]*(?:[;,]|$)"


def _naming(mime: str) -> str:
    return rf"(?:^|,)[ \t]*{mime}[ \t]*(?:;(?!{_ZERO})[^,;]*)*(?:,|$)"


# The first that matches counts; letter case doesn't.
PATTERNS: dict[Named, str] = {"a": _naming(AVIF.mime), "w": _naming(WEBP.mime)}
# What a picture may be found as, whatever it is: animated, with alpha, or neither.
CANDIDATES = {
    "a": (AVIF.extension, WEBP.extension),
    "w": (WEBP.extension,),
    "n": (JPEG.extension, PNG.extension, GIF.extension),
}
_COMPILED = [(name, re.compile(text, re.ASCII | re.IGNORECASE)) for name, text in PATTERNS.items()]


def named(accept: str | None) -> Named:
    """The class of an `Accept` header."""
    return next((name for name, form in _COMPILED if form.search(accept or "")), "n")
