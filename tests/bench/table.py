"""Rows of a bench: medians over interleaved rounds, with their spread, printed as Markdown.

The ratio says how many times as good as a contender ours is, in the same run: above 1, ours is
better, whether more is better (requests/s) or less (seconds).
"""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import PIL

MORE_IS_BETTER = frozenset({"requests/s", "images/s", "bytes/s", "SSIM"})


@dataclass(frozen=True)
class Row:
    """One thing measured for one contender; without a ratio where none would mean anything."""

    what: str
    contender: str
    median: float
    low: float
    high: float
    unit: str
    ratio: float | None

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return vars(self)


def interleaved(
    what: str,
    units: Sequence[str],
    contenders: Mapping[str, Callable[[], Sequence[float]]],
    rounds: int,
) -> list[Row]:
    """Measure every contender once a round, so that a noisy moment hits all of them.

    A measure gives one number for each unit. Ours is the first contender.
    """
    measured: dict[str, list[Sequence[float]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            measured[name].append(measure())
    found = []
    for i, unit in enumerate(units):
        columns = {name: [values[i] for values in many] for name, many in measured.items()}
        ours = statistics.median(next(iter(columns.values())))
        found += [_row(what, name, unit, values, ours) for name, values in columns.items()]
    return found


def single(what: str, contender: str, value: float, unit: str) -> Row:
    """One that is measured once, and compared with nothing."""
    return Row(what, contender, value, value, value, unit, None)


def _row(what: str, name: str, unit: str, values: Sequence[float], ours: float) -> Row:
    median = statistics.median(values)
    better, worse = (ours, median) if unit in MORE_IS_BETTER else (median, ours)
    ratio = better / worse if worse else None
    return Row(what, name, median, min(values), max(values), unit, ratio)


def markdown(rows: Sequence[Row]) -> str:
    """A table for people."""
    lines = [
        "| what | who | median | lowest to highest | unit | ours is … times as good |",
        "|---|---|---:|---:|---|---:|",
        *(
            f"| {r.what} | {r.contender} | {number(r.median)} "
            f"| {number(r.low)} to {number(r.high)} | {r.unit} "
            f"| {'' if r.ratio is None else number(r.ratio)} |"
            for r in rows
        ),
    ]
    return "\n".join(lines)


def number(value: float) -> str:
    """Three digits that count, and no exponents."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{float(f'{value:.3g}'):.6f}".rstrip("0").rstrip(".")


def machine() -> str:
    """Where and when this was measured, and how busy it was with other things."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{datetime.now(UTC):%Y-%m-%d} on {cores} cores of {_processor()}, load "
        f"{os.getloadavg()[0]:.1f} before it began; Python {platform.python_version()}, "
        f"Pillow {PIL.__version__}"
    )


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        text = ""
    named = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return f"{named[1] if named else 'a processor without a name'} ({platform.machine()})"
