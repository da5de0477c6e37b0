"""Steps of the pixel pipeline: decode no more than is needed, resize, to sRGB, turn upright.

Resizing comes before colour, for a transform on fewer pixels is cheaper; turning upright comes
last. Lanczos, no linear light, no sharpening.
"""

from __future__ import annotations

from PIL import Image, ImageOps

from apomixis_node.colour import plain, to_srgb
from apomixis_node.decode import ORIENTATION, SIDEWAYS

Box = tuple[float, float, float, float]


def draft(image: Image.Image, scale: float) -> None:
    """Let libjpeg decode at 1/2, 1/4 or 1/8 where that is at least `scale` of the whole."""
    if image.format == "JPEG" and scale < 1:
        width, height = image.size
        image.draft(None, (max(1, int(width * scale)), max(1, int(height * scale))))


def decoded(image: Image.Image, out: tuple[int, int]) -> Image.Image:
    """The whole picture, as it is stored, reduced to `out` and in sRGB."""
    profile = image.info.get("icc_profile")
    draft(image, max(out[0] / image.width, out[1] / image.height))
    image.load()
    return to_srgb(resized(image, (0, 0, *image.size), out), profile)


def scaled(box: Box, raw: tuple[int, int], now: tuple[int, int]) -> Box:
    """The box in a picture that was decoded smaller."""
    across, down = now[0] / raw[0], now[1] / raw[1]
    return (
        min(box[0] * across, now[0]),
        min(box[1] * down, now[1]),
        min(box[2] * across, now[0]),
        min(box[3] * down, now[1]),
    )


def resized(image: Image.Image, box: Box, out: tuple[int, int]) -> Image.Image:
    """The part of a picture inside `box`, `out` pixels large."""
    image = plain(image)
    if tuple(box) == (0, 0, *image.size) and out == image.size:
        return image.copy()
    if image.mode in ("RGBA", "LA"):
        # Premultiplied, or transparent pixels would bleed their colour into the edges.
        soft = image.convert("RGBa" if image.mode == "RGBA" else "La")
        return soft.resize(out, Image.Resampling.LANCZOS, box).convert(image.mode)
    return image.resize(out, Image.Resampling.LANCZOS, box)


def sideways(turned: int) -> bool:
    """Whether an EXIF orientation swaps width and height."""
    return turned in SIDEWAYS


def upright(image: Image.Image, turned: int) -> Image.Image:
    """The picture as it is to be seen, without metadata."""
    image.info.clear()
    if turned == 1:
        return image
    exif = Image.Exif()
    exif[ORIENTATION] = turned
    image.getexif().load(exif.tobytes())
    return ImageOps.exif_transpose(image)
