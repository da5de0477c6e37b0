"""Pictures for the tests: one colour per corner, in every orientation, format and state of ruin."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image, ImageDraw

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
CORNERS = (RED, GREEN, BLUE, YELLOW)  # top left, top right, bottom left, bottom right
ORIENTATION = 0x0112
_TURN = Image.Transpose
STORED_AS = {
    2: _TURN.FLIP_LEFT_RIGHT,
    3: _TURN.ROTATE_180,
    4: _TURN.FLIP_TOP_BOTTOM,
    5: _TURN.TRANSPOSE,
    6: _TURN.ROTATE_90,
    7: _TURN.TRANSVERSE,
    8: _TURN.ROTATE_270,
}


def corners(width: int = 80, height: int = 40, mode: str = "RGB") -> Image.Image:
    """Four quarters, each in its corner's colour."""
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    for index, colour in enumerate(CORNERS):
        left, top = (index % 2) * width // 2, (index // 2) * height // 2
        draw.rectangle((left, top, left + width // 2, top + height // 2), fill=colour)
    return picture.convert(mode)


def encoded(picture: Image.Image, pillow: str, orientation: int = 1, **options: Any) -> bytes:
    """The file that shows `picture` upright once its EXIF orientation is applied."""
    if orientation != 1:
        picture = picture.transpose(STORED_AS[orientation])
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options["exif"] = exif
    out = io.BytesIO()
    picture.save(out, pillow, **options)
    return out.getvalue()


def noise(width: int, height: int, pillow: str = "JPEG") -> bytes:
    """A photograph's worth of detail; other bytes every time."""
    return encoded(Image.effect_noise((width, height), 60).convert("RGB"), pillow)


def animation(pillow: str, frames: int = 3) -> bytes:
    """Frames of different greens."""
    pictures = [Image.new("RGB", (40, 20), (0, 12 * i, 0)) for i in range(1, frames + 1)]
    return encoded(
        pictures[0], pillow, save_all=True, append_images=pictures[1:], duration=80, loop=0
    )


def png_bomb(width: int = 65_000, height: int = 65_000) -> bytes:
    """A PNG that declares that many pixels, in a few bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes(64))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )
