"""Other ways to make a rendition of 800 pixels from a level: what each costs and what it loses.

    python -m bench.alternatives                what docs/bench/alternatives.md holds, on the screen
    python -m bench.alternatives --write FILE   and there

CPU milliseconds from the level's bytes to the rendition's, medians of interleaved rounds; and the
similarity (SSIM) lost, after the encoder, against a full decode and Lanczos, at worst.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from PIL import Image

import hard
from apomixis_node.encode import Encoding, Frame, encode
from apomixis_node.formats import JPEG
from apomixis_node.levels import JPEG_QUALITY
from bench.photographs import photographs
from bench.table import machine
from ssim import ssim

ROUNDS = 7
WIDTHS = (799, 800)
LARGEST = 1600
SIDES = (LARGEST, 1280, 1200, 1000)
LANCZOS, BICUBIC, HAMMING = (
    Image.Resampling.LANCZOS,
    Image.Resampling.BICUBIC,
    Image.Resampling.HAMMING,
)
Make = Callable[[bytes, tuple[int, int]], bytes]


def _rgb(level: bytes, out: tuple[int, int], *, how: Image.Resampling, drafted: bool) -> bytes:
    with Image.open(io.BytesIO(level)) as image:
        if drafted:
            image.draft(None, out)
        image.load()
        return _encoded(image if image.size == out else image.resize(out, how))


def _luma(level: bytes, out: tuple[int, int]) -> bytes:
    """No conversion to RGB and back, and Lanczos where the eye is keen only."""
    with Image.open(io.BytesIO(level)) as image:
        image.draft("YCbCr", image.size)
        image.load()
        light, *colours = image.split()
        parts = [light.resize(out, LANCZOS), *(c.resize(out, HAMMING) for c in colours)]
        return _encoded(Image.merge("YCbCr", parts))


WAYS: Mapping[str, tuple[int, Make]] = {
    "level 1600, Lanczos (as it is)": (1600, partial(_rgb, how=LANCZOS, drafted=False)),
    "level 1600, bicubic": (1600, partial(_rgb, how=BICUBIC, drafted=False)),
    "level 1600, Hamming": (1600, partial(_rgb, how=HAMMING, drafted=False)),
    "level 1600, decoded at half size": (1600, partial(_rgb, how=LANCZOS, drafted=True)),
    "level 1600, in YCbCr, colour by Hamming": (1600, _luma),
    "level 1280, Lanczos": (1280, partial(_rgb, how=LANCZOS, drafted=False)),
    "level 1280, in YCbCr, colour by Hamming": (1280, _luma),
    "level 1200, Lanczos": (1200, partial(_rgb, how=LANCZOS, drafted=False)),
    "level 1200, bicubic": (1200, partial(_rgb, how=BICUBIC, drafted=False)),
    "level 1000, Lanczos": (1000, partial(_rgb, how=LANCZOS, drafted=False)),
    "level 1000, bicubic": (1000, partial(_rgb, how=BICUBIC, drafted=False)),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    text = report()
    sys.stdout.write(text)
    if chosen.write:
        chosen.write.write_text(text)


def report() -> str:
    """As Markdown."""
    spent: dict[str, list[float]] = {way: [] for way in WAYS}
    lost: dict[str, dict[str, float]] = {way: {} for way in WAYS}
    for what, picture in _pictures():
        levels = _levels(picture)
        for width in WIDTHS:
            out = (width, round(width * picture.height / picture.width))
            best = picture.resize(out, LANCZOS)
            whole = ssim(best, _opened(_encoded(best)))
            made: dict[str, bytes] = {}
            for _ in range(ROUNDS):
                for way, (side, make) in WAYS.items():
                    began = time.process_time()
                    made[way] = make(levels[side], out)
                    if what == "photographs":
                        spent[way].append(1000 * (time.process_time() - began))
            for way, data in made.items():
                loss = whole - ssim(best, _opened(data))
                lost[way][what] = max(loss, lost[way].get(what, 0.0))
    kinds = list(lost[next(iter(WAYS))])
    now = statistics.median(spent[next(iter(WAYS))])
    lines = [
        "# 800 wide, made otherwise",
        "",
        f"Written by `python -m bench.alternatives`: {machine()}.",
        "",
        f"| from a level's bytes to a rendition's | CPU ms | as it is: 1 | {' | '.join(kinds)} |",
        f"|---|---:|---:|{'---:|' * len(kinds)}",
    ]
    for way, times in spent.items():
        cost = statistics.median(times)
        losses = " | ".join(f"{lost[way][kind]:.4f}" for kind in kinds)
        lines.append(f"| {way} | {cost:.1f} | {cost / now:.2f} | {losses} |")
    lines += ["", "CPU is of the photographs; the other columns are SSIM lost, at worst.", ""]
    return "\n".join(lines)


def _pictures() -> Iterator[tuple[str, Image.Image]]:
    for photo in photographs():
        yield "photographs", _opened(photo.data)
    for draw in (hard.photograph, hard.text, hard.noise, hard.dark, hard.lines):
        yield {"photograph": "all scales"}.get(draw.__name__, draw.__name__), draw()


def _levels(picture: Image.Image) -> dict[int, bytes]:
    """Each made from the one before, as `levels.py` does."""
    found: dict[int, bytes] = {}
    for side in SIDES:
        scale = side / max(picture.size)
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, LANCZOS)
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=JPEG_QUALITY, subsampling=2)
        found[side] = out.getvalue()
    return found


def _encoded(image: Image.Image) -> bytes:
    return encode([Frame(image)], JPEG, Encoding(), quality=None, lossless=False, loop=0)


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


if __name__ == "__main__":
    main()
