"""What is rendered: photographs of Debian's `mate-backgrounds`, else drawn ones, which it says."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pictures import noise

BACKGROUNDS = Path("/usr/share/backgrounds/mate")
CAMERA = BACKGROUNDS / "abstract" / "Elephants_5640x3172.jpg"
SCREEN = BACKGROUNDS / "nature" / "TwoWings.jpg"
CAMERA_PIXELS = 12_000_000
LARGEST = 1600
"""Pixels of the longer side that base levels begin above."""


@dataclass(frozen=True)
class Photograph:
    """`what` is its size in words, `origin` says where it is from."""

    what: str
    data: bytes
    origin: str
    extension: str = "jpg"

    @property
    def mime(self) -> str:
        """Of its bytes."""
        return "image/jpeg" if self.extension == "jpg" else f"image/{self.extension}"


def photographs() -> tuple[Photograph, ...]:
    """One as large as a camera's, one as large as a screen."""
    return _camera(), _screen()


def in_other_formats() -> tuple[Photograph, ...]:
    """The smaller one as PNG and as WebP."""
    screen = _screen()
    with Image.open(io.BytesIO(screen.data)) as image:
        return tuple(_converted(screen, image, extension) for extension in ("png", "webp"))


def without_levels() -> Photograph:
    """The smaller one, so small that no base levels are made of it."""
    with Image.open(io.BytesIO(_screen().data)) as image:
        image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=92)
    return _photograph(out.getvalue(), "the one before, resized: no base levels are made of it")


def _converted(photo: Photograph, image: Image.Image, extension: str) -> Photograph:
    out = io.BytesIO()
    image.save(out, extension.upper(), quality=90)
    facts = f"{len(out.getvalue()) / 1e6:.1f} MB, made from the JPEG"
    return Photograph(f"{photo.what} {extension.upper()}", out.getvalue(), facts, extension)


def _camera() -> Photograph:
    """12 megapixels, saved as cameras do: the one in the package is 18, and progressive."""
    if not CAMERA.exists():
        return _drawn(4000, 3000)
    with Image.open(CAMERA) as image:
        scale = (CAMERA_PIXELS / (image.width * image.height)) ** 0.5
        size = (round(image.width * scale), round(image.height * scale))
        smaller = image.resize(size, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    smaller.save(out, "JPEG", quality=92)
    return _photograph(out.getvalue(), f"{CAMERA.name} of mate-backgrounds, resized, baseline")


def _screen() -> Photograph:
    if not SCREEN.exists():
        return _drawn(2560, 1600)
    return _photograph(SCREEN.read_bytes(), f"{SCREEN.name} of mate-backgrounds as it comes")


def _drawn(width: int, height: int) -> Photograph:
    return _photograph(noise(width, height), "drawn noise, for mate-backgrounds is not installed")


def _photograph(data: bytes, origin: str) -> Photograph:
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
    facts = f"{width}x{height}, {len(data) / 1e6:.1f} MB"
    return Photograph(f"{width * height / 1e6:.0f} MP", data, f"{facts}: {origin}")
