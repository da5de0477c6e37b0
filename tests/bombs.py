"""Small files that claim or hold far too much, one for each format; and what is no picture."""

from __future__ import annotations

import struct
import zlib

from PIL import Image

from pictures import corners, encoded, png_bomb

HUGE = 65_000
NO_PICTURES = {
    "nothing known": b"\x00\x01\x02\x03" * 100,
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "svg with a head": b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    "html": b"<!doctype html><script>alert(1)</script>",
    "shell": b"#!/bin/sh\nrm -rf /\n",
    "php": b"<?php system($_GET['c']); ?>",
    "python": b"import os; os.system('id')",
    "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "icon": b"\x00\x00\x01\x00\x01\x00\x10\x10" + bytes(100),
    "photoshop": b"8BPS\x00\x01" + bytes(100),
    "portable": b"P6 9 9 255\n" + bytes(243),
    "gif and script": b"GIF89a=1;/*" + bytes(20) + b"*/alert(1)",
    "jpeg and script": b"\xff\xd8\xff\xe0<script>alert(1)</script>",
    "png and html": b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
}


def declared(form: str, width: int = HUGE, height: int = HUGE) -> bytes:
    """A file of a few kB whose header declares that many pixels."""
    return _DECLARED[form](width, height)


def _jpeg(width: int, height: int) -> bytes:
    data = bytearray(encoded(corners(), "JPEG"))
    start = data.index(b"\xff\xc0") + 5  # SOF0: marker, length, precision, height, width
    data[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def _gif(width: int, height: int) -> bytes:
    return gif_frames(1, width, height)


def gif_frames(frames: int, width: int = 1, height: int = 1) -> bytes:
    """A GIF of that many frames, each with the pixels of a 1 x 1 one."""
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    control = b"\x21\xf9\x04\x04\x02\x00\x00\x00"
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\x00"
    return screen + (control + frame) * frames + b";"


def _webp(width: int, height: int) -> bytes:
    """Extended: the canvas is 24 bits a side, whatever the picture in it has."""
    picture = encoded(corners(), "WEBP", lossless=True)[12:]
    canvas = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    chunks = b"VP8X" + struct.pack("<II", 10, 0) + canvas + picture
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _avif(width: int, height: int) -> bytes:
    data = bytearray(encoded(corners(), "AVIF"))
    start = data.index(b"ispe") + 8  # type, version and flags, width, height
    data[start : start + 8] = struct.pack(">II", width, height)
    return bytes(data)


def _tiff(width: int, height: int) -> bytes:
    data = bytearray(encoded(corners(), "TIFF"))
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", data, entry)
        if tag in (256, 257):
            struct.pack_into("<HII", data, entry + 2, 4, 1, width if tag == 256 else height)
    return bytes(data)


def _bmp(width: int, height: int) -> bytes:
    data = bytearray(encoded(corners(), "BMP"))
    struct.pack_into("<ii", data, 18, width, height)
    return bytes(data)


_DECLARED = {
    "PNG": png_bomb,
    "JPEG": _jpeg,
    "GIF": _gif,
    "WEBP": _webp,
    "AVIF": _avif,
    "TIFF": _tiff,
    "BMP": _bmp,
}
FORMATS = tuple(_DECLARED)


def black_png(side: int, bits: int = 1) -> bytes:
    """A whole PNG of side x side black pixels of that many bits: of one, 33 kB for 16384."""

    def chunk(name: bytes, body: bytes) -> bytes:
        checked = name + body
        return struct.pack(">I", len(body)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    row = bytes(1 + (side * bits + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def many_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG of one grey whose last scan comes again and again: hours in few bytes."""
    data = encoded(Image.new("L", (side, side), 90), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * scans + data[-2:]
