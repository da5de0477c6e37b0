"""The pixel pipeline, bytes in and bytes out: a list of small steps on the way to a rendition.

    original: open → limits → draft → each frame: resize(box) → sRGB → upright → encode
    base level: open → draft → resize(box) → encode

The geometry is from the original's oriented header always.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import PIL
from PIL import Image

from apomixis_node.about import About
from apomixis_node.accept import named
from apomixis_node.colour import to_srgb
from apomixis_node.decode import Header, Limits, header_of, opened, orientation
from apomixis_node.encode import Encoding, Frame, encode
from apomixis_node.errors import ApiError
from apomixis_node.formats import AVIF, GIF, JPEG, PNG, WEBP, Format
from apomixis_node.pixels import Box, draft, resized, scaled, sideways, upright
from apomixis_node.sizes import Geometry, Size, geometry

PIPELINE = 2  # raised whenever the same request would give other bytes
ANY = Limits(max_pixels=1 << 40)
HEADROOM = 1.5  # decode at least this much larger than the output

__all__ = ["Encoding", "choose", "pipeline_tag", "render", "render_level"]


def render(data: bytes, size: Size, form: Format, encoding: Encoding) -> bytes:
    """The rendition's bytes, from an original's.

    Raises ApiError: `broken_image` (422) where it can't be decoded, `too_many_pixels` (422) where
    the result can't be encoded, as WebP ends at 16383 pixels a side.
    """
    with opened(data) as image:
        header = header_of(image, ANY)
        wanted = geometry(size, header.width, header.height)
        keep_all = header.animated and form.animates
        loop = int(image.info.get("loop", 0))
        frames = list(_frames(image, header, wanted, every=keep_all))
        lossless = header.format.lossless
        return _encoded(frames, wanted, form, encoding, size, lossless=lossless, loop=loop)


def render_level(data: bytes, about: About, size: Size, form: Format, encoding: Encoding) -> bytes:
    """The rendition's bytes, from those of a base level; the geometry is the original's.

    Raises ApiError as `render` does.
    """
    with opened(data) as image:
        wanted = geometry(size, about.width, about.height)
        whole, out = (about.width, about.height), (wanted.width, wanted.height)
        draft(image, HEADROOM * _scale(scaled(wanted.box, whole, image.size), out))
        image.load()
        small = resized(image, scaled(wanted.box, whole, image.size), out)
        lossless = about.format.lossless
        return _encoded([Frame(small)], wanted, form, encoding, size, lossless=lossless)


def _encoded(
    frames: list[Frame],
    wanted: Geometry,
    form: Format,
    encoding: Encoding,
    size: Size,
    *,
    lossless: bool,
    loop: int = 0,
) -> bytes:
    try:
        return encode(frames, form, encoding, quality=size.quality, lossless=lossless, loop=loop)
    except Exception as wrong:  # MemoryError too: it was decoded, so it is no broken picture
        raise ApiError(
            "too_many_pixels",
            f"{wanted.width} x {wanted.height} is more than can be encoded as "
            f".{form.extension} here; ask for a smaller size.",
        ) from wrong


def _frames(
    image: Image.Image, header: Header, wanted: Geometry, *, every: bool
) -> Iterator[Frame]:
    turned = orientation(image)
    profile = image.info.get("icc_profile")
    raw = (header.height, header.width) if sideways(turned) else (header.width, header.height)
    box = _unturned(wanted.box, turned, raw)
    out = (wanted.height, wanted.width) if sideways(turned) else (wanted.width, wanted.height)
    draft(image, HEADROOM * _scale(box, out))
    for number in range(header.frames if every else 1):
        if number:
            image.seek(number)
        image.load()
        duration = int(image.info.get("duration", 100) or 0)
        small = resized(image, scaled(box, raw, image.size), out)
        yield Frame(upright(to_srgb(small, profile), turned), duration)


def _scale(box: Box, out: tuple[int, int]) -> float:
    """How large the output is next to what is shown of the picture."""
    return max(out[0] / (box[2] - box[0]), out[1] / (box[3] - box[1]))


def _unturned(
    box: tuple[int, int, int, int], turned: int, raw: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The box in the frame as it is stored: the inverse of each EXIF orientation."""
    left, top, right, bottom = box
    if sideways(turned):
        left, top, right, bottom = top, left, bottom, right
    flip_x = turned in (2, 3, 7, 8)
    flip_y = turned in (3, 4, 6, 7)
    if flip_x:
        left, right = raw[0] - right, raw[0] - left
    if flip_y:
        top, bottom = raw[1] - bottom, raw[1] - top
    return left, top, right, bottom


def choose(accept: str | None, *, animated: bool, alpha: bool) -> Format:
    """What `auto` is: AVIF, WebP, or what every browser shows."""
    best = named(accept)
    if animated:
        return GIF if best == "n" else WEBP
    if best == "n":
        return PNG if alpha else JPEG
    return AVIF if best == "a" else WEBP


def pipeline_tag(encoding: Encoding) -> str:
    """Names the cache folder: another pipeline, other settings or another Pillow, other bytes."""
    text = f"{PIPELINE} {PIL.__version__} {encoding}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
