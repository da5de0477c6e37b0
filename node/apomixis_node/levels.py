"""Base levels: two reduced copies of an original, from which most renditions are made.

    original 4000 x 3000 ──► level 1600 ──► 800w, 640h, 700s …    a decode of 1/6 of the pixels
                         └─► level 640  ──► 200w, 300s, 16h …     of 1/40

They are upright, in sRGB, of high quality, kept beside the renditions and as disposable. Every node
makes a rendition from the level that the rule names, or its bytes would differ between nodes; one
that is missing is made first. Nobody is ever shown one.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from apomixis_node.cache import LEVEL
from apomixis_node.decode import Header, Limits, has_alpha, header_of, opened, orientation
from apomixis_node.pixels import decoded, resized, sideways, upright
from apomixis_node.sizes import half_up

if TYPE_CHECKING:
    from apomixis_node.about import About
    from apomixis_node.sizes import Geometry

SIDES = (640, 1600)  # pixels of the longer side, the smaller first
JPEG_QUALITY = 90
ANY = Limits(max_pixels=1 << 40)


@dataclass(frozen=True, slots=True)
class Level:
    """A base level; `name` is its file's in the cache."""

    name: str
    data: bytes

    @property
    def pixels(self) -> int:
        """At most so many when it is decoded."""
        return max(SIDES) ** 2


def has_levels(about: About) -> bool:
    """Whether a picture gets levels: not what is small already, moves, or is drawn.

    What has few colours suffers from JPEG, and costs little to decode.
    """
    large = max(about.width, about.height) > max(SIDES)
    return large and not about.animated and not about.drawn


def level_for(about: About, wanted: Geometry) -> int | None:
    """The level that a rendition is made from; None for the original.

    The smallest whose scale is at least 1.5 x the output's, both measured against the original.
    """
    if not has_levels(about):
        return None
    longer = max(about.width, about.height)
    left, top, right, bottom = wanted.box
    for side in SIDES:
        across = 2 * side * (right - left) >= 3 * wanted.width * longer
        down = 2 * side * (bottom - top) >= 3 * wanted.height * longer
        if across and down:
            return side
    return None


def name_of(side: int, *, alpha: bool) -> str:
    """No size begins like this, so no URL names one."""
    return f"{LEVEL}{side}.{'webp' if alpha else 'jpg'}"


def make_levels(data: bytes) -> tuple[Level, ...]:
    """All levels of an original, the larger first, each made from the one before. Raises ApiError.

    The caller knows that the picture has levels.
    """
    with opened(data) as image:
        header = header_of(image, ANY)
        turned = orientation(image)
        alpha = has_alpha(image)
        made: list[Level] = []
        for side in sorted(SIDES, reverse=True):
            out = _fitted(header.width, header.height, side)
            if not made:
                stored = out[::-1] if sideways(turned) else out
                picture = upright(decoded(image, stored), turned)
            else:
                picture = resized(picture, (0, 0, *picture.size), out)
            made.append(Level(name_of(side, alpha=alpha), _encoded(picture, header, alpha=alpha)))
        return tuple(made)


def _fitted(width: int, height: int, side: int) -> tuple[int, int]:
    if width >= height:
        return side, half_up(height * side, width)
    return half_up(width * side, height), side


def _encoded(picture: Image.Image, header: Header, *, alpha: bool) -> bytes:
    out = io.BytesIO()
    picture.info.clear()
    if alpha:
        picture.convert("RGBA").save(out, "WEBP", lossless=True, method=0, quality=0, exact=False)
    else:
        chroma = 0 if header.format.lossless else 2
        ready = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
        ready.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=chroma)
    return out.getvalue()
