"""A colour profile that differs from sRGB, written here so that no test needs a file of one."""

from __future__ import annotations

import struct

# Adobe RGB (1998): primaries adapted to D50, gamma 2.2 (its public numbers).
COLORANTS = {
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
    b"wtpt": (0.96420, 1.00000, 0.82491),
}
GAMMA = 2.19921875


def wide_gamut() -> bytes:
    """An ICC v2 matrix profile with the primaries of Adobe RGB (1998)."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(GAMMA * 256)) + bytes(2)
    name = b"Wide test space\0"
    described = b"desc" + bytes(4) + struct.pack(">I", len(name)) + name + bytes(78)
    parts = {b"desc": described, b"cprt": b"text" + bytes(4) + b"none\0"}
    for tag, xyz in COLORANTS.items():
        parts[tag] = b"XYZ " + bytes(4) + struct.pack(">3i", *(round(n * 65536) for n in xyz))
    parts |= {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    table, body = b"", b""
    start = 128 + 4 + 12 * len(parts)
    for tag, part in parts.items():
        table += tag + struct.pack(">II", start + len(body), len(part))
        body += part + bytes(-len(part) % 4)
    length = start + len(body)
    header = struct.pack(">I4xI4s4s4s", length, 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return header + struct.pack(">I", len(parts)) + table + body
