"""Rows of a bench: medians over interleaved rounds, with their spread, printed as Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import PIL


@dataclass(frozen=True)
class Row:
    """One thing measured for one contender; `ratio` is to the first contender of the thing."""

    what: str
    contender: str
    median: float
    low: float
    high: float
    unit: str
    ratio: float

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return vars(self)


def interleaved(
    what: str, unit: str, contenders: Mapping[str, Callable[[], float]], rounds: int
) -> list[Row]:
    """Measure every contender once a round, so that a noisy moment hits all of them."""
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            measured[name].append(measure())
    first = statistics.median(next(iter(measured.values())))
    return [
        Row(what, name, m, min(values), max(values), unit, m / first if first else 0.0)
        for name, values in measured.items()
        for m in (statistics.median(values),)
    ]


def markdown(rows: Sequence[Row]) -> str:
    """A table for people."""
    lines = [
        "| what | who | median | spread | unit | ratio |",
        "|---|---|---|---|---|---|",
        *(
            f"| {r.what} | {r.contender} | {r.median:,.4g} | {r.low:,.4g} to {r.high:,.4g} "
            f"| {r.unit} | {r.ratio:.3g} |"
            for r in rows
        ),
    ]
    return "\n".join(lines)


def machine() -> str:
    """Where and when this was measured."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {cores} cores, "
        f"Python {platform.python_version()}, Pillow {PIL.__version__}"
    )
