"""Patterns of canonical image URLs, of those alone that this site serves: what nginx may answer.

A path that matches is one that the node would take as it stands: it needs no redirect, its size is
allowed, its name is harmless. Whatever does not match is the node's business. Pure; the patterns
mean the same to Python and to PCRE, and are matched against the bytes of the request line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from apomixis_node.formats import AUTO, FORMATS, WRITABLE
from apomixis_node.paths import NAME, SIGNATURE
from apomixis_node.settings import Settings

FULL = "full"
IMAGE_ID = "(?P<id>(?P<part>[0-9a-f]{3})[0-9a-f]{37})"
PER_CENT = "(?:100|[1-9]?[0-9])"
FOCUS = f"(?:(?!50x50){PER_CENT}x{PER_CENT})?"


def rendition(settings: Settings) -> str:
    """Of renditions in a format that the URL names."""
    return _path(settings, sizes(settings), (f.extension for f in WRITABLE))


def automatic(settings: Settings) -> str:
    """Of renditions in the format that suits `Accept`."""
    return _path(settings, sizes(settings), (AUTO,))


def original(settings: Settings) -> str | None:
    """Of originals; None where every request must be looked at, or none is allowed."""
    if settings.signing_keys or not _allows_full(settings):
        return None
    return _path(settings, FULL, (f.extension for f in FORMATS))


def sizes(settings: Settings) -> str:
    """The canonical sizes that may be asked for, as a pattern without groups."""
    if settings.sizes:
        listed = [s for s in settings.sizes if not (settings.signing_keys and s == FULL)]
        return "|".join(re.escape(size) for size in listed) or "(?!)"
    side, quality = f"(?:{up_to(settings.max_side)})", ""
    if settings.qualities:
        quality = f"(?:q(?:{'|'.join(str(q) for q in settings.qualities)}))?"
    shapes = f"{side}s{FOCUS}|{side}w|{side}h|{side}w{side}h(?:c{FOCUS})?"
    return ("" if settings.signing_keys else f"{FULL}|") + f"(?:{shapes}){quality}"


def up_to(most: int) -> str:
    """The numbers 1 to `most`, without leading zeros, as alternatives."""
    digits = str(most)
    forms = [f"[1-9][0-9]{{{n}}}" if n else "[1-9]" for n in range(len(digits) - 1)]
    for place, digit in enumerate(digits):
        lowest, below = (1 if place == 0 else 0), int(digit) - 1
        if below >= lowest:
            rest = len(digits) - place - 1
            forms.append(
                f"{digits[:place]}[{lowest}-{below}]" + (f"[0-9]{{{rest}}}" if rest else "")
            )
    return "|".join([*forms, digits])


def _path(settings: Settings, size: str, extensions: Iterable[str]) -> str:
    signature = f"(?P<signature>{SIGNATURE})/" if settings.signing_keys else ""
    known = "|".join(extensions)
    return (
        f"/image/{IMAGE_ID}/(?P<size>{size})/{signature}(?P<name>{NAME})\\.(?P<extension>{known})"
    )


def _allows_full(settings: Settings) -> bool:
    return not settings.sizes or FULL in settings.sizes
