"""Cold: sizes that nobody has asked for yet, around the one that is named, one after another.

CPU time is what tells on a machine that is busy with other things as well: our workers run at a
low priority, and lose more wall-clock time than their peers to whatever else runs there.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, islice

import httpx
from PIL import Image

from bench import peers
from bench.contenders import KINDS, STRAIGHT, Contender, Kind, check
from bench.photographs import Photograph
from bench.table import Row, interleaved
from ssim import ssim

UNITS = ("images/s", "CPU ms/image")


def rows(
    contenders: Sequence[Contender], photos: Sequence[Photograph], *, quick: bool
) -> list[Row]:
    """Each kind of rendition of each photograph, of ours from its base levels."""
    return [
        row
        for photo in photos
        for kind in KINDS
        for row in _compared("cold", contenders, photo, kind, quick=quick)
    ]


def straight(
    contenders: Sequence[Contender], photos: Sequence[Photograph], *, quick: bool
) -> list[Row]:
    """Renditions that are too large to be made from a base level."""
    what = "straight from the original"
    found = [_compared(what, contenders, photo, STRAIGHT, quick=quick) for photo in photos]
    return [row for some in found for row in some]


def quality(contenders: Sequence[Contender], photos: Sequence[Photograph]) -> list[Row]:
    """How like each answer is to a full decode and Lanczos, before any encoder."""
    found = []
    for photo in photos:
        for kind in (kind for kind in KINDS if "square" not in kind.name):
            likenesses = {c.name: partial(_likeness, c, photo, kind) for c in contenders}
            found += interleaved(f"quality, {kind.name} of {photo.what}", ("SSIM",), likenesses, 1)
    return found


def _likeness(contender: Contender, photo: Photograph, kind: Kind) -> tuple[float]:
    answer = Image.open(io.BytesIO(contender.checked(photo, kind, kind.side))).convert("RGB")
    with Image.open(io.BytesIO(photo.data)) as image:
        best = image.convert("RGB").resize(answer.size, Image.Resampling.LANCZOS)
    return (ssim(best, answer),)


def _compared(
    what: str, contenders: Sequence[Contender], photo: Photograph, kind: Kind, *, quick: bool
) -> list[Row]:
    """Every answer is looked at before it counts."""
    rounds, batch = (2, 5) if quick else (5, 10)
    for contender in contenders:
        contender.checked(photo, kind, kind.side)
    measures = {c.name: partial(_render, c, photo, kind, _sizes(kind), batch) for c in contenders}
    return interleaved(f"{what}, {kind.name} of {photo.what}", UNITS, measures, rounds)


def _sizes(kind: Kind) -> Iterator[int]:
    """199, 201, 198, 202, …"""
    for n in count(1):
        yield kind.side - n
        yield kind.side + n


def _render(
    contender: Contender, photo: Photograph, kind: Kind, sizes: Iterator[int], batch: int
) -> tuple[float, float]:
    """Images a second, and milliseconds of the server's CPU for each."""
    wanted = list(islice(sizes, batch))
    with httpx.Client(timeout=60, trust_env=False) as client:
        before, began = peers.cpu_seconds(contender.pid), time.perf_counter()
        answers = [client.get(contender.url(photo, kind, n)) for n in wanted]
        spent = time.perf_counter() - began
        cpu = peers.cpu_seconds(contender.pid) - before
    for n, answer in zip(wanted, answers, strict=True):
        check(answer, photo, kind, n)
    return batch / spent, 1000 * cpu / batch
