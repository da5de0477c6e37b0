"""Colour: every mode that a file can have, to 8-bit sRGB; profiles applied, then dropped."""

from __future__ import annotations

import io
from functools import lru_cache

from PIL import Image, ImageCms

WHITE = (255, 255, 255)
BAND = 256  # rows
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")


def plain(image: Image.Image) -> Image.Image:
    """To a mode that resizes well: L, LA, RGB, RGBA or CMYK, 8 bits a channel."""
    if image.mode in DEEP:
        # 16 bits of grey: 65535 is white. Pillow's own convert("L") would clip at 255.
        return _grey(image, "I", 1 / 257)
    if image.mode == "F":
        _, high = image.getextrema()
        return _grey(image, "F", 255.0 if isinstance(high, float) and high <= 1.0 else 1.0)
    if image.mode in ("P", "PA"):
        transparent = image.mode == "PA" or "transparency" in image.info
        return image.convert("RGBA" if transparent else "RGB")
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("L", "RGB") and "transparency" in image.info:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image
    return image.convert("RGBA" if image.mode in ("RGBa", "La") else "RGB")


def _grey(image: Image.Image, through: str, scale: float) -> Image.Image:
    """Scaled to 8 bits, a band at a time: whole, it would take four times the picture's memory."""
    grey = Image.new("L", image.size)
    for top in range(0, image.height, BAND):
        box = (0, top, image.width, min(top + BAND, image.height))
        band = image.crop(box).convert(through).point(lambda i: i * scale)
        grey.paste(band.convert("L"), box)
    return grey


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture in sRGB, as L, LA, RGB or RGBA. An unusable profile is ignored."""
    image = plain(image)
    if profile and (transform := _transform(profile, image.mode)) is not None:
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        converted = ImageCms.applyTransform(image.convert("RGB") if alpha else image, transform)
        if converted is not None:
            image = converted
            if alpha is not None:
                image.putalpha(alpha)
    return image.convert("RGB") if image.mode == "CMYK" else image


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    source = {"RGBA": "RGB"}.get(mode, mode)
    if source not in ("RGB", "CMYK", "L"):
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = (ImageCms.getProfileDescription(opened) or "").lower()
        if source == "RGB" and name.startswith("srgb"):
            return None
        srgb = ImageCms.createProfile("sRGB")
        target = "L" if source == "L" else "RGB"
        if target == "L":
            return None
        return ImageCms.buildTransform(opened, srgb, source, target, ImageCms.Intent.PERCEPTUAL)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def onto_white(image: Image.Image) -> Image.Image:
    """Without alpha, for formats that have none."""
    if image.mode not in ("RGBA", "LA"):
        return image
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, (*WHITE, 255))
    return Image.alpha_composite(ground, image).convert("RGB")
