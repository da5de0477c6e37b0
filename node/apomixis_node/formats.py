"""The formats, one table: extension, MIME type, what a format can do, how it is asked for.

A capability is looked up here and nowhere else; `auto` is not a format but a choice among these.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """One image format. `pillow` is Pillow's name; `aliases` are other extensions for it."""

    extension: str
    mime: str
    pillow: str
    writable: bool
    animates: bool = False
    alpha: bool = False
    lossless: bool = False
    aliases: tuple[str, ...] = ()


JPEG = Format("jpg", "image/jpeg", "JPEG", writable=True, aliases=("jpeg", "jpe", "jfif"))
PNG = Format("png", "image/png", "PNG", writable=True, alpha=True, lossless=True)
GIF = Format("gif", "image/gif", "GIF", writable=True, animates=True, alpha=True, lossless=True)
WEBP = Format("webp", "image/webp", "WEBP", writable=True, animates=True, alpha=True)
AVIF = Format("avif", "image/avif", "AVIF", writable=True, alpha=True)
TIFF = Format(
    "tiff", "image/tiff", "TIFF", writable=False, alpha=True, lossless=True, aliases=("tif",)
)
BMP = Format("bmp", "image/bmp", "BMP", writable=False, lossless=True, aliases=("dib",))
HEIC = Format("heic", "image/heic", "HEIF", writable=False, alpha=True, aliases=("heif",))

FORMATS = (JPEG, PNG, GIF, WEBP, AVIF, TIFF, BMP, HEIC)
BY_EXTENSION = {f.extension: f for f in FORMATS}
BY_PILLOW = {f.pillow: f for f in FORMATS} | {"MPO": JPEG}
CANONICAL_EXTENSION = {alias: f.extension for f in FORMATS for alias in f.aliases}
WRITABLE = tuple(f for f in FORMATS if f.writable)
AUTO = "auto"
