"""Encoding: pixels to bytes, the same bytes on every node, and no metadata."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image

from apomixis_node.colour import onto_white
from apomixis_node.formats import Format


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoders' settings, as in Pillow."""

    jpeg_quality: int = 82
    webp_quality: int = 80
    webp_method: int = 2
    avif_quality: int = 65
    avif_speed: int = 9


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture of an animation; `duration` in milliseconds."""

    image: Image.Image
    duration: int = 0


def encode(
    frames: list[Frame],
    form: Format,
    encoding: Encoding,
    *,
    quality: int | None,
    lossless: bool,
    loop: int,
) -> bytes:
    """The frames in that format. `lossless`: the original's format is, so keep full chroma."""
    images = [_ready(frame.image, form) for frame in frames]
    options = _options(form, encoding, quality, lossless=lossless)
    if len(images) > 1:
        options |= {
            "save_all": True,
            "append_images": images[1:],
            "duration": [frame.duration for frame in frames],
            "loop": loop,
        }
        if form.pillow == "GIF":
            options |= {"disposal": 2}
    out = io.BytesIO()
    images[0].save(out, form.pillow, **options)
    return out.getvalue()


def _ready(image: Image.Image, form: Format) -> Image.Image:
    if not form.alpha:
        image = onto_white(image)
    elif form.pillow in ("WEBP", "AVIF", "GIF") and image.mode in ("L", "LA"):
        image = image.convert("RGBA" if image.mode == "LA" else "RGB")
    # A comment or a profile in `info` would be written by itself.
    image.info.clear()
    image.getexif().clear()
    return image


def _options(
    form: Format, encoding: Encoding, quality: int | None, *, lossless: bool
) -> dict[str, Any]:
    match form.pillow:
        case "JPEG":
            subsampling = 0 if lossless else 2
            return {
                "quality": quality or encoding.jpeg_quality,
                "optimize": True,
                "progressive": False,
                "subsampling": subsampling,
            }
        case "WEBP":
            return {"quality": quality or encoding.webp_quality, "method": encoding.webp_method}
        case "AVIF":
            return {
                "quality": quality or encoding.avif_quality,
                "speed": encoding.avif_speed,
                "max_threads": 1,
            }
        case _:
            return {}
