"""The size grammar: parse, canonical form, and the geometry of a size on a picture. Pure.

All arithmetic is on integers, half rounded up, so that every node computes the same box.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["full", "square", "width", "height", "fit", "crop"]

SIZE_GRAMMAR = """\
full          the original
200s          square: the largest centred square, reduced to at most 200 x 200
300w          at most 300 wide, aspect kept
200h          at most 200 high, aspect kept
300w200h      inside 300 x 200, aspect kept
300w200hc     cropped: the largest centred part of aspect 300:200, reduced to at most 300 x 200
300w200hc33x20, 200s33x20   the crop keeps the point 33 % from the left and 20 % from the top
300wq60       in that quality, where the site lists it"""

_SIZE = re.compile(
    r"(?:(?P<full>full)"
    r"|(?P<s>\d{1,9})s(?P<sfocus>\d{1,3}x\d{1,3})?"
    r"|(?:(?P<w>\d{1,9})w(?:(?P<h>\d{1,9})h)?|(?P<h2>\d{1,9})h(?:(?P<w2>\d{1,9})w)?)"
    r"(?P<c>c(?P<focus>\d{1,3}x\d{1,3})?)?)"
    r"(?:q(?P<q>\d{1,3}))?",
    re.ASCII,
)
CENTRE = (50, 50)


class BadSize(ValueError):  # noqa: N818  the word the routes use
    """A size that is none; the text shows the grammar."""


@dataclass(frozen=True, slots=True)
class Size:
    """A size specification. `focus` is in per cent from left and top; `str()` is canonical."""

    kind: Kind
    width: int = 0
    height: int = 0
    focus: tuple[int, int] = CENTRE
    quality: int | None = None

    def __str__(self) -> str:
        match self.kind:
            case "full":
                text = "full"
            case "square":
                text = f"{self.width}s"
            case "width":
                text = f"{self.width}w"
            case "height":
                text = f"{self.height}h"
            case "fit":
                text = f"{self.width}w{self.height}h"
            case "crop":
                text = f"{self.width}w{self.height}hc"
        focus = "" if self.focus == CENTRE else f"{self.focus[0]}x{self.focus[1]}"
        return text + focus + ("" if self.quality is None else f"q{self.quality}")


@dataclass(frozen=True, slots=True)
class Geometry:
    """The box (left, top, right, bottom) of the oriented original, and the output's pixels."""

    box: tuple[int, int, int, int]
    width: int
    height: int


def parse(text: str, *, max_side: int = 4096, qualities: tuple[int, ...] = ()) -> Size:
    """Read a size, its non-canonical forms too (`0100w`, `200h300w`, a focus of 50x50).

    Raises BadSize for anything else, for numbers of 0 or above `max_side`, and for a quality that
    is not in `qualities`.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise _bad(f"{text[:40]!r} is no size")
    quality = None if match["q"] is None else int(match["q"])
    if quality is not None and quality not in qualities:
        raise _bad(f"the quality {quality} is not offered here")
    if match["full"]:
        if quality is not None:
            raise _bad("`full` takes no quality")
        return Size("full")
    size = _square(match, quality) if match["s"] else _box(match, quality)
    sides = {"square": (size.width,), "width": (size.width,), "height": (size.height,)}
    for side in sides.get(size.kind, (size.width, size.height)):
        if not 1 <= side <= max_side:
            raise _bad(f"{side} is not between 1 and {max_side}")
    return size


def _square(match: re.Match[str], quality: int | None) -> Size:
    side = int(match["s"])
    return Size("square", side, side, _focus(match["sfocus"]), quality)


def _box(match: re.Match[str], quality: int | None) -> Size:
    wide, high = match["w"] or match["w2"], match["h"] or match["h2"]
    if match["c"] and not (wide and high):
        raise _bad("a crop needs a width and a height")
    kind: Kind = "crop" if match["c"] else "fit"
    if not (wide and high):
        kind = "width" if wide else "height"
    return Size(kind, int(wide or 0), int(high or 0), _focus(match["focus"]), quality)


def _focus(text: str | None) -> tuple[int, int]:
    if text is None:
        return CENTRE
    x, y = (int(n) for n in text.split("x"))
    if x > 100 or y > 100:
        raise _bad("a focal point is 0 to 100 per cent from left and top")
    return x, y


def _bad(why: str) -> BadSize:
    return BadSize(f"Bad size: {why}. The sizes are:\n{SIZE_GRAMMAR}")


def geometry(size: Size, width: int, height: int) -> Geometry:
    """The part of a `width` x `height` picture (oriented) that is shown, and how large."""
    whole = (0, 0, width, height)
    match size.kind:
        case "full":
            return Geometry(whole, width, height)
        case "square":
            return _crop(1, 1, size.width, size.width, size.focus, width, height)
        case "crop":
            return _crop(
                size.width, size.height, size.width, size.height, size.focus, width, height
            )
        case "width":
            out = _fit(size.width, None, width, height)
        case "height":
            out = _fit(None, size.height, width, height)
        case "fit":
            out = _fit(size.width, size.height, width, height)
    return Geometry(whole, *out)


def half_up(n: int, d: int) -> int:
    """n / d, half rounded up, at least 1."""
    return max(1, (2 * n + d) // (2 * d))


def _fit(n: int | None, m: int | None, width: int, height: int) -> tuple[int, int]:
    if (n is None or width <= n) and (m is None or height <= m):
        return width, height
    if m is None or (n is not None and n * height <= m * width):
        wide = n or 1
        return wide, half_up(height * wide, width)
    return half_up(width * m, height), m


def _crop(
    n: int, m: int, out_w: int, out_h: int, focus: tuple[int, int], width: int, height: int
) -> Geometry:
    if width * m >= height * n:
        wide, high = min(width, half_up(height * n, m)), height
    else:
        wide, high = width, min(height, half_up(width * m, n))
    left = _offset(width - wide, width, wide, focus[0])
    top = _offset(height - high, height, high, focus[1])
    box = (left, top, left + wide, top + high)
    if wide >= out_w and high >= out_h:
        return Geometry(box, out_w, out_h)
    return Geometry(box, wide, high)


def _offset(spare: int, whole: int, part: int, percent: int) -> int:
    """Where a part begins whose middle is at `percent` of the whole, kept inside it."""
    if percent == CENTRE[0]:
        return spare // 2
    return min(spare, max(0, (whole * percent - part * 50 + 50) // 100))
